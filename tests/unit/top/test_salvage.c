#include <linux/falloc.h>

#include "fixture.h"

#include "fs/top/log.h"

/* The state that a compacted log begins with, damaged in each of its records. */

#define LARGE (200u << 10)

static uint8_t large[LARGE];

static void change_much(struct fixture *fx)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	fx_folder(fx, "d");
	fx_folder(fx, "d/e");
	fx_file(fx, "d/e/small");
	assert_int_equal(fx_write(fx, fx_find(fx, "d/e/small"), large, 40000, 3), 0);
	fx_file(fx, "d/large");
	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), large, LARGE, 0), 0);
	assert_int_equal(cps_top_fallocate(fx->top, &fx_who, fx_find(fx, "d/large"),
					   punch, 5000, 5000),
			 0);
	assert_int_equal(fx_write(fx, fx_find(fx, "big"), "xyz", 3, 77), 0);
	assert_int_equal(fx_rename(fx, "a/b", "d/b", 0), 0);
	assert_int_equal(fx_unlink(fx, "many/n07"), 0);
	assert_int_equal(fx_link(fx, "a/f1", "d/f3"), 0);
	assert_int_equal(fx_make(fx, "d/s", S_IFLNK | 0777), 0);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "hole"), 70000), 0);
	assert_int_equal(fx_rename(fx, "none", "acl", RENAME_EXCHANGE), 0);
	assert_int_equal(fx_rename(fx, "d/b", "acl/b", 0), 0);
}

/* Then something on top of the state. */
static void change_more(struct fixture *fx)
{
	fx_file(fx, "later");
	assert_int_equal(fx_write(fx, fx_find(fx, "later"), "later", 5, 0), 0);
	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), "later", 5, 100), 0);
	assert_int_equal(fx_rename(fx, "d/e", "e", 0), 0);
	assert_int_equal(fx_unlink(fx, "d/s"), 0);
}

/* ---- what a damaged top may say ---- */

static bool same_field(const char *a, const char *b, const char *key)
{
	const char *fa = strstr(a, key), *fb = strstr(b, key);
	const char *ea = a + strcspn(a, "\n"), *eb = b + strcspn(b, "\n");
	size_t len;

	if (!fa || fa > ea)
		return !fb || fb > eb;
	len = 1 + strcspn(fa + 1, " \n");
	return fb && fb < eb && strncmp(fa, fb, len + 1) == 0;
}

/* Lines without what losing others may change: links, size and times of folders. */
static bool same_thing(const char *a, const char *b, bool by_name)
{
	size_t la = strcspn(a, " \n"), lb = strcspn(b, " \n");

	if (by_name && (la != lb || memcmp(a, b, la) != 0))
		return false;
	return same_field(a, b, " i=") && same_field(a, b, " c=");
}

static bool says(const char *text, const char *line, bool by_name)
{
	for (; *text; text += strcspn(text, "\n"), text += *text != 0)
		if (same_thing(text, line, by_name))
			return true;
	return false;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line != 0);
}

/* Every line is one of the whole top, or the same inode as there or below, which may be
 * where it was, or of a file that says itself that it cannot be read. How many lines of
 * the whole top there are. */
static unsigned int assert_true_words(const char *is, const char *whole,
				      const char *below, uint64_t at)
{
	unsigned int count = 0;

	for (const char *line = is; *line; line = next_line(line)) {
		const char *next = next_line(line);

		if (strncmp(next, "! read -5 ", 10) == 0)
			line = next; /* and the rest of that line is its sum so far */
		else if (line[0] == '!')
			fail_msg("byte %lu: %.*s", at, (int)strcspn(line, "\n"), line);
		else if (says(whole, line, true))
			count++;
		else if (!says(below, line, false) && !says(whole, line, false))
			fail_msg("byte %lu makes up '%.*s'", at,
				 (int)strcspn(line, "\n"), line);
	}
	return count;
}

/* ---- damage ---- */

static void flip(struct fixture *fx, uint64_t at)
{
	int fd = openat(fx->dirfd, "log", O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

/* Where records begin, up to the end of the state. */
static size_t find_records(struct fixture *fx, uint64_t *starts, size_t most)
{
	struct cps_toplog *log = NULL;
	struct cps_change c;
	size_t n = 0;

	assert_int_equal(cps_toplog_open(fx->dirfd, "log", &fx_id, false, &log, NULL),
			 0);
	starts[n++] = cps_toplog_end(log);
	while (cps_toplog_next(log, &c) == 1 && cps_toplog_in_state(log)) {
		assert_true(n < most);
		starts[n++] = cps_toplog_end(log);
	}
	cps_toplog_close(log);
	return n - 1;
}

static void copy_log(struct fixture *fx, const char *from, const char *to)
{
	struct cps_buf whole = CPS_BUF_INIT(0);
	int fd = openat(fx->dirfd, from, O_RDONLY | O_CLOEXEC);

	assert_int_equal(cps_read_all(fd, &whole), 0);
	close(fd);
	fd = openat(fx->dirfd, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(cps_write_full(fd, whole.data, whole.len), 0);
	close(fd);
	cps_buf_release(&whole);
}

static char *open_and_dump(struct fixture *fx, bool read_only)
{
	struct cps_top *top = NULL;
	char *text;

	assert_int_equal(
		fx_open_as(fx, &(struct cps_top_opts){.read_only = read_only}, &top),
		0);
	text = dump_top(top, DUMP_CONTENT);
	cps_top_close(top, NULL);
	return text;
}

/* It opens, tells the truth, says the same again, and can be worked with. */
static unsigned int try_damage(struct fixture *fx, const char *whole, const char *below,
			       uint64_t at)
{
	unsigned int count;
	char *is, *again;

	copy_log(fx, "log.whole", "log");
	flip(fx, at);
	is = open_and_dump(fx, true);
	count = assert_true_words(is, whole, below, at);
	for (int i = 0; i < 2; i++) {
		again = open_and_dump(fx, false);
		if (strcmp(is, again) != 0)
			fail_msg("byte %lu: %s", at, dump_diff(is, again));
		free(again);
	}
	free(is);
	fx_open(fx);
	fx_file(fx, "new");
	assert_int_equal(fx_write(fx, fx_find(fx, "new"), "new", 3, 0), 0);
	is = dump_top(fx->top, DUMP_CONTENT);
	fx_close(fx);
	again = open_and_dump(fx, false);
	if (strcmp(is, again) != 0)
		fail_msg("byte %lu, later: %s", at, dump_diff(is, again));
	free(is);
	free(again);
	return count;
}

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text = next_line(text))
		n++;
	return n;
}

/* One record lost costs at most what it said, and what was in that. */
static void one_damaged_record_costs_little(void **state)
{
	struct fixture *fx = *state;
	char *below = dump_top(fx->top, DUMP_CONTENT), *whole;
	uint64_t starts[300];
	unsigned int lines, least;
	size_t n;

	change_much(fx);
	fx_reopen_compacted(fx);
	change_more(fx);
	whole = dump_top(fx->top, DUMP_CONTENT);
	fx_close(fx);
	lines = least = count_lines(whole);
	copy_log(fx, "log", "log.whole");
	n = find_records(fx, starts, CPS_ARRAY_LEN(starts));
	assert_true(n > 30);
	for (size_t i = 0; i < n; i++)
		for (unsigned int where = 0; where < 4; where++) {
			const uint64_t parts[] = {0, 4, 17, 0};
			uint64_t at = where < 3 ? starts[i] + parts[where]
						: (starts[i] + starts[i + 1]) / 2;
			unsigned int got = try_damage(fx, whole, below, at);

			least = got < least ? got : least;
		}
	/* The dearest is a folder's record, with the five names in it. */
	print_message("%zu records; of %u lines at least %u stay\n", n, lines, least);
	assert_true(least >= lines - 10);
	free(whole);
	free(below);
	fx_open(fx);
}

/* Parts of a file that are lost are no zeros, and are there again once written. */
static void lost_content_is_an_error(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), starts[100], out;
	uint8_t got[10];
	size_t n;

	assert_int_equal(fx_write(fx, f, large, 100, 0), 0);
	assert_int_equal(fx_write(fx, f, large, 100, 5000), 0);
	fx_reopen_compacted(fx);
	fx_close(fx);
	n = find_records(fx, starts, CPS_ARRAY_LEN(starts));
	/* START, two nodes, two contents, a node again, a name; the second content */
	flip(fx, starts[n - 3] + 60);
	fx_open(fx);
	assert_int_equal(cps_top_pread(fx->top, f, got, 10, 0, 0), 10);
	assert_memory_equal(got, large, 10);
	assert_int_equal(cps_top_pread(fx->top, f, got, 10, 5000, 0), -EIO);
	assert_int_equal(cps_top_seek(fx->top, f, 4000, SEEK_DATA, &out), 0);
	assert_int_equal(out, 4000);
	/* Also after the damage itself is gone. */
	for (int i = 0; i < 60; i++) {
		fx_file(fx, "junk");
		assert_int_equal(fx_write(fx, fx_find(fx, "junk"), large, 50000, 0), 0);
		assert_int_equal(fx_unlink(fx, "junk"), 0);
	}
	fx_close(fx);
	fx_open(fx);
	assert_true(fx_log_bytes(fx) < 50000);
	assert_int_equal(faccessat(fx->dirfd, "log.damaged", F_OK, 0), 0);
	assert_int_equal(cps_top_pread(fx->top, f, got, 10, 5000, 0), -EIO);
	assert_int_equal(fx_write(fx, f, large, 100, 5000), 0);
	assert_int_equal(cps_top_pread(fx->top, f, got, 10, 5000, 0), 10);
	assert_int_equal(fx_truncate(fx, f, 0), 0);
	assert_int_equal(fx_truncate(fx, f, 100), 0);
	assert_int_equal(cps_top_pread(fx->top, f, got, 10, 50, 0), 10);
	fx_reopen(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_TOP(one_damaged_record_costs_little),
		IN_A_TOP(lost_content_is_an_error),
	};

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(1 + i % 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
