#include <linux/falloc.h>
#include <signal.h>
#include <sys/resource.h>

#include "fixture.h"

#define LARGE (200u << 10)

static uint8_t large[LARGE];

/* A dump of what a reader sees; the caller frees it. */
static char *seen(struct fixture *fx, const struct cps_top_opts *opts)
{
	struct cps_top *top = NULL;
	char *text;

	assert_int_equal(fx_open_as(fx, opts, &top), 0);
	text = dump_top(top, DUMP_ALL);
	cps_top_close(top, NULL);
	return text;
}

/* Something of everything. */
static void change_much(struct fixture *fx)
{
	struct stat st = {.st_mode = 0711, .st_uid = 3};

	fx_file(fx, "f");
	assert_int_equal(fx_write(fx, fx_find(fx, "f"), "small", 5, 3), 0);
	fx_folder(fx, "d");
	fx_file(fx, "d/large");
	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), large, LARGE, 0), 0);
	assert_int_equal(fx_write(fx, fx_find(fx, "big"), "xyz", 3, 77), 0);
	assert_int_equal(fx_rename(fx, "a/b", "d/b", 0), 0);
	assert_int_equal(fx_unlink(fx, "many/n07"), 0);
	assert_int_equal(fx_link(fx, "a/f1", "d/f3"), 0);
	assert_int_equal(fx_make(fx, "d/s", S_IFLNK | 0777), 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, fx_find(fx, "many"),
					 CPS_TOP_MODE | CPS_TOP_UID, &st),
			 0);
	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, fx_find(fx, "f"), "user.x",
					   "y", 1, 0, false),
			 0);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "hole"), 70000), 0);
	assert_int_equal(fx_rename(fx, "none", "acl", RENAME_EXCHANGE), 0);
}

/* Then against all of that. */
static void change_back(struct fixture *fx)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), "overwritten", 11, 100),
			 0);
	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), large + 1, LARGE - 1, 0),
			 0);
	assert_int_equal(cps_top_fallocate(fx->top, &fx_who, fx_find(fx, "d/large"),
					   punch, 5000, 5000),
			 0);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "d/large"), 0), 0);
	assert_int_equal(fx_write(fx, fx_find(fx, "d/large"), large + 2, LARGE - 2, 0),
			 0);
	assert_int_equal(fx_unlink(fx, "d/large"), 0);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "f"), 0), 0);
	assert_int_equal(fx_rename(fx, "d/b", "a/b", 0), 0);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	fx_file(fx, "big");
	assert_int_equal(fx_write(fx, fx_find(fx, "big"), large, LARGE, 9), 0);
	assert_int_equal(cps_top_sync(fx->top), 0);
}

static void mark(struct fixture *fx, const char *name, uint64_t *upto)
{
	assert_int_equal(cps_top_mark(fx->top, &fx_who, name, upto, NULL), 0);
}

static void a_mark_shows_the_state_at_its_time(void **state)
{
	struct fixture *fx = *state;
	char *at[3], *is;
	uint64_t upto;

	for (int i = 0; i < 3; i++) {
		char name[8];

		if (i == 1)
			change_much(fx);
		if (i == 2)
			change_back(fx);
		snprintf(name, sizeof(name), "m%d", i);
		at[i] = dump_top(fx->top, DUMP_ALL);
		mark(fx, name, &upto);
	}
	assert_int_equal(fx_unlink(fx, "big"), 0);
	assert_int_equal(fx_unlink(fx, "hole"), 0);
	/* While it is written, after a sync, after it was opened again, twice. */
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 3; i++) {
			char name[8];

			snprintf(name, sizeof(name), "m%d", i);
			is = seen(fx, &(struct cps_top_opts){.read_only = true,
							     .mark = name});
			fx_assert_same(at[i], is, name);
			free(is);
		}
		if (round == 0)
			assert_int_equal(cps_top_sync(fx->top), 0);
		else
			fx_reopen(fx);
	}
	for (int i = 0; i < 3; i++)
		free(at[i]);
	is = NULL;
	assert_int_equal(
		fx_open_as(fx,
			   &(struct cps_top_opts){.read_only = true, .mark = "none"},
			   (struct cps_top **)&is),
		-ENOENT);
}

static void a_moment_without_a_name_lasts_as_long_as_the_writer(void **state)
{
	struct fixture *fx = *state;
	char *was, *is;
	uint64_t upto;

	change_much(fx);
	was = dump_top(fx->top, DUMP_ALL);
	mark(fx, "", &upto);
	change_back(fx);
	is = seen(fx, &(struct cps_top_opts){.read_only = true, .upto = upto});
	fx_assert_same(was, is, "the moment");
	free(was);
	free(is);
}

static void a_name_used_again_means_the_newer(void **state)
{
	struct fixture *fx = *state;
	uint64_t upto;
	char *was, *is;

	mark(fx, "m", &upto);
	change_much(fx);
	was = dump_top(fx->top, DUMP_ALL);
	mark(fx, "m", &upto);
	change_back(fx);
	is = seen(fx, &(struct cps_top_opts){.read_only = true, .mark = "m"});
	fx_assert_same(was, is, "m");
	free(was);
	free(is);
}

/* A log that is cut anywhere opens, and shows what was there at that time. */
static void a_cut_log_shows_the_past(void **state)
{
	struct fixture *fx = *state;
	struct cps_buf whole = CPS_BUF_INIT(0);
	char *states[3];
	uint64_t ends[3];
	int fd;

	for (int i = 0; i < 3; i++) {
		char path[8];

		snprintf(path, sizeof(path), "f%d", i);
		fx_file(fx, path);
		states[i] = dump_top(fx->top, DUMP_ALL);
		ends[i] = fx_log_bytes(fx);
	}
	fx_close(fx);
	fd = openat(fx->dirfd, "log", O_RDONLY | O_CLOEXEC);
	assert_int_equal(cps_read_all(fd, &whole), 0);
	close(fd);
	for (uint64_t len = whole.len; len >= ends[0]; len--) {
		int n = len >= ends[2] ? 2 : len >= ends[1] ? 1 : 0;
		char *is;

		fd = openat(fx->dirfd, "log", O_WRONLY | O_TRUNC | O_CLOEXEC);
		assert_int_equal(cps_write_full(fd, whole.data, len), 0);
		close(fd);
		fx_open(fx);
		is = dump_top(fx->top, DUMP_ALL);
		fx_assert_same(states[n], is, "cut");
		free(is);
		fx_reopen(fx);
		fx_close(fx);
	}
	for (int i = 0; i < 3; i++)
		free(states[i]);
	cps_buf_release(&whole);
}

/* What a killed driver leaves beside the log is swept, and nothing else is. */
static void files_that_nothing_names_are_swept(void **state)
{
	struct fixture *fx = *state;
	int fd = openat(fx->dirfd, "data/00000777", O_CREAT | O_WRONLY | O_CLOEXEC,
			0600);
	struct stat st;

	assert_true(fd >= 0);
	close(fd);
	change_much(fx);
	fx_reopen(fx);
	assert_int_equal(fstatat(fx->dirfd, "data/00000777", &st, 0), -1);
	assert_int_equal(fstatat(fx->dirfd, "data/00000002", &st, 0), 0);
}

/* Killed between the data and its record: bytes beyond the end are nobody's. */
static void what_was_not_on_record_is_not_shown_later(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f");
	uint8_t got[100];
	int fd;

	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	fx_close(fx);
	fd = openat(fx->dirfd, "data/00000002", O_WRONLY | O_CLOEXEC);
	assert_int_equal(cps_pwrite_full(fd, "unacknowledged", 14, LARGE), 0);
	close(fd);
	fx_open(fx);
	assert_int_equal(fx_truncate(fx, f, LARGE + 100), 0);
	assert_int_equal(cps_top_pread(fx->top, f, got, 100, LARGE, 0), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(got[i], 0);
}

/* What goes on with a file after its last name went is passed over: whoever had it open
 * is gone. The numbers of its data files are not used again all the same. */
static void the_dead_are_not_kept(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), big = fx_find(fx, "big");
	struct stat st = {.st_mode = 0600};
	char *was, *is;

	cps_top_ref(fx->top, f);
	cps_top_ref(fx->top, big);
	assert_int_equal(fx_unlink(fx, "f"), 0);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	for (uint64_t ino = f;; ino = big) {
		assert_int_equal(fx_write(fx, ino, large, LARGE, 0), 0);
		assert_int_equal(fx_write(fx, ino, "x", 1, 5 * LARGE), 0);
		assert_int_equal(fx_truncate(fx, ino, 7), 0);
		assert_int_equal(
			cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_MODE, &st), 0);
		assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, ino, "user.x", "y",
						   1, 0, false),
				 0);
		assert_int_equal(cps_top_link(fx->top, &fx_who, ino, CPS_TOP_ROOT, "g"),
				 -ENOENT);
		if (ino == big)
			break;
	}
	was = dump_top(fx->top, DUMP_ALL);
	fx_reopen(fx);
	is = seen(fx, &(struct cps_top_opts){.read_only = true});
	fx_assert_same(was, is, "read only");
	free(was);
	free(is);
	f = fx_file(fx, "f");
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	fx_reopen(fx);
	assert_int_equal(faccessat(fx->dirfd, "data/00000004", F_OK, 0), 0);
}

/* A data file could not be filled: the disk was full. Its number is used up, which a
 * mark is the first to say. */
static void a_mark_may_know_numbers_that_nothing_else_names(void **state)
{
	struct fixture *fx = *state;
	struct rlimit before, small = {1u << 20, RLIM_INFINITY};
	uint64_t f = fx_file(fx, "f"), upto;
	char *was, *is;

	/* What the log has of it would lie beyond the limit in a data file. */
	assert_int_equal(fx_write(fx, f, "x", 1, 2u << 20), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	was = dump_top(fx->top, DUMP_ALL);
	mark(fx, "m", &upto);
	is = seen(fx, &(struct cps_top_opts){.read_only = true, .mark = "m"});
	fx_assert_same(was, is, "the mark");
	free(was);
	free(is);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	fx_reopen(fx);
}

/* Killed between a data file and its record, and somebody looks, so that it stays. */
static void a_file_that_nothing_names_is_not_in_the_way(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f");
	struct cps_top *look = NULL;
	int fd;

	fx_close(fx);
	fd = openat(fx->dirfd, "data/00000002", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
		    0600);
	assert_true(fd >= 0);
	assert_int_equal(cps_write_full(fd, "left", 4), 0);
	close(fd);
	assert_int_equal(
		fx_open_as(fx, &(struct cps_top_opts){.read_only = true}, &look), 0);
	fx_open(fx);
	assert_int_equal(fx_write(fx, f, large, LARGE, 10), 0);
	cps_top_close(look, NULL);
	fx_reopen(fx);
	assert_int_equal(faccessat(fx->dirfd, "data/00000002", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_TOP(a_mark_shows_the_state_at_its_time),
		IN_A_TOP(a_moment_without_a_name_lasts_as_long_as_the_writer),
		IN_A_TOP(a_name_used_again_means_the_newer),
		IN_A_TOP(a_cut_log_shows_the_past),
		IN_A_TOP(files_that_nothing_names_are_swept),
		IN_A_TOP(what_was_not_on_record_is_not_shown_later),
		IN_A_TOP(the_dead_are_not_kept),
		IN_A_TOP(a_mark_may_know_numbers_that_nothing_else_names),
		IN_A_TOP(a_file_that_nothing_names_is_not_in_the_way),
	};

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(1 + i % 253);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
