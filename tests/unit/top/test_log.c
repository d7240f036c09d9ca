#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "fs/top/log.h"

/* A folder for a log, and what was appended to it. */
struct room {
	char path[64];
	int dirfd;
};

#define RECORDS 12u

static int setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->path, "/var/tmp/capas-log.XXXXXX");
	assert_non_null(mkdtemp(r->path));
	r->dirfd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;

	fx_empty_folder(r->dirfd);
	close(r->dirfd);
	rmdir(r->path);
	free(r);
	return 0;
}

static struct cps_toplog *open_log(struct room *r, bool write)
{
	struct cps_toplog *log = NULL;

	assert_int_equal(cps_toplog_open(r->dirfd, "log", &fx_id, write, &log, NULL),
			 0);
	return log;
}

/* The n-th record: its content follows from n. */
static struct cps_change record(uint32_t n, uint8_t *room)
{
	memset(room, (int)n, 64);
	return (struct cps_change){
		.type = (uint16_t)(1 + n % (CPS_CHANGE_TYPES - 1)),
		.who = n * 3,
		.time_ns = -5 + (int64_t)n * 1000000007,
		.ino = n,
		.dir = n * 1000ull,
		.name = {room, n % 9},
		.bulk = {room, n % 5 == 0 ? 0 : n + 1},
	};
}

static void assert_record(struct cps_toplog *log, const struct cps_change *got,
			  uint32_t n)
{
	uint8_t room[64], bulk[64];
	struct cps_change want = record(n, room);

	assert_int_equal(got->type, want.type);
	assert_int_equal(got->who, want.who);
	assert_true(got->time_ns == want.time_ns);
	assert_true(got->ino == want.ino && got->dir == want.dir && got->size == 0);
	assert_int_equal(got->name.len, want.name.len);
	assert_memory_equal(got->name.data ? got->name.data : room, room,
			    want.name.len);
	assert_int_equal(got->bulk.len, want.bulk.len);
	assert_memory_equal(got->bulk.data, room, want.bulk.len);
	assert_int_equal(
		cps_pread_full(cps_toplog_fd(log), bulk, want.bulk.len, got->bulk_pos),
		want.bulk.len);
	assert_memory_equal(bulk, room, want.bulk.len);
}

static void append(struct cps_toplog *log, uint32_t n)
{
	uint8_t room[64];
	struct cps_change c = record(n, room);

	assert_int_equal(cps_toplog_append(log, &c, false), 0);
}

/* Reads all; what is read are the first records. How many. */
static uint32_t read_all(struct cps_toplog *log)
{
	struct cps_change c;
	uint32_t count = 0;
	int rc;

	while ((rc = cps_toplog_next(log, &c)) == 1)
		assert_record(log, &c, ++count);
	assert_int_equal(rc, 0);
	return count;
}

/* A small log; ends[n] is where the n-th record ends. */
static void fill(struct room *r, uint64_t ends[RECORDS + 1])
{
	struct cps_toplog *log = open_log(r, true);

	ends[0] = cps_toplog_end(log);
	for (uint32_t n = 1; n <= RECORDS; n++) {
		append(log, n);
		ends[n] = cps_toplog_end(log);
	}
	cps_toplog_close(log);
}

static struct cps_buf copy_log(struct room *r)
{
	int fd = openat(r->dirfd, "log", O_RDONLY | O_CLOEXEC);
	struct cps_buf copy = CPS_BUF_INIT(0);

	assert_int_equal(cps_read_all(fd, &copy), 0);
	close(fd);
	return copy;
}

static void put_log(struct room *r, const void *data, size_t len)
{
	int fd =
		openat(r->dirfd, "log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(cps_write_full(fd, data, len), 0);
	close(fd);
}

static uint32_t whole_before(const uint64_t *ends, uint64_t at)
{
	uint32_t n = 0;

	while (n < RECORDS && ends[n + 1] <= at)
		n++;
	return n;
}

/* ---- as it should be ---- */

static void what_is_appended_is_read_again(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	struct cps_toplog *log;

	fill(r, ends);
	for (uint32_t more = 0; more < 5; more++) {
		log = open_log(r, true);
		assert_int_equal(read_all(log), RECORDS + more);
		assert_int_equal(cps_toplog_rest(log), 0);
		append(log, RECORDS + more + 1);
		cps_toplog_close(log);
	}
	/* Under the eyes of a reader. */
	log = open_log(r, false);
	assert_int_equal(read_all(log), RECORDS + 5);
	cps_toplog_close(log);
	log = open_log(r, false);
	cps_toplog_limit(log, ends[3]);
	assert_int_equal(read_all(log), 3);
	assert_int_equal(cps_toplog_rest(log), 0);
	cps_toplog_close(log);
}

static void large_records_are_read_again(void **state)
{
	struct room *r = *state;
	cps_auto(cps_free) uint8_t *much = calloc(1, 4u << 20);
	struct cps_toplog *log = open_log(r, true);
	struct cps_change got;

	for (size_t len = 1; len <= 4u << 20; len *= 4) {
		struct cps_change c = {.type = 1, .bulk = {much, len}};

		assert_int_equal(cps_toplog_append(log, &c, false), 0);
	}
	got = (struct cps_change){.type = 1, .bulk = {much, (4u << 20) + 1}};
	assert_int_equal(cps_toplog_append(log, &got, false), -EFBIG);
	cps_toplog_close(log);
	log = open_log(r, false);
	for (size_t len = 1; len <= 4u << 20; len *= 4) {
		assert_int_equal(cps_toplog_next(log, &got), 1);
		assert_int_equal(got.bulk.len, len);
		assert_memory_equal(got.bulk.data, much, len);
	}
	assert_int_equal(cps_toplog_next(log, &got), 0);
	cps_toplog_close(log);
}

/* ---- damage ---- */

static void a_cut_tail_loses_only_itself(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	struct cps_buf whole_log;

	fill(r, ends);
	whole_log = copy_log(r);
	for (size_t len = CPS_LOG_HEADER; len < whole_log.len; len++) {
		struct cps_toplog *log;
		uint32_t whole = whole_before(ends, len);

		put_log(r, whole_log.data, len);
		log = open_log(r, true);
		assert_int_equal(read_all(log), whole);
		assert_int_equal(cps_toplog_rest(log), len - ends[whole]);
		assert_in_range(cps_toplog_cut(log, r->dirfd, "kept", NULL), 0, 1);
		append(log, whole + 1);
		cps_toplog_close(log);
		log = open_log(r, false);
		assert_int_equal(read_all(log), whole + 1);
		assert_int_equal(cps_toplog_rest(log), 0);
		cps_toplog_close(log);
	}
	cps_buf_release(&whole_log);
}

static void a_log_that_was_only_begun_is_begun_again(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	struct cps_buf whole_log;

	fill(r, ends);
	whole_log = copy_log(r);
	for (size_t len = 0; len < CPS_LOG_HEADER; len++) {
		struct cps_toplog *log = NULL;

		put_log(r, whole_log.data, len);
		assert_int_equal(
			cps_toplog_open(r->dirfd, "log", &fx_id, false, &log, NULL),
			-EBADMSG);
		log = open_log(r, true);
		append(log, 1);
		cps_toplog_close(log);
		log = open_log(r, false);
		assert_int_equal(read_all(log), 1);
		cps_toplog_close(log);
	}
	cps_buf_release(&whole_log);
}

/* Bytes after a record's end that only fill up are not guarded; nothing is lost there.
 */
static void no_flipped_bit_makes_a_wrong_record(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	struct cps_buf whole_log;
	uint8_t *copy;

	fill(r, ends);
	whole_log = copy_log(r);
	copy = malloc(whole_log.len);
	for (size_t bit = 0; bit < whole_log.len * 8; bit++) {
		struct cps_toplog *log = NULL;
		uint32_t count, whole = whole_before(ends, bit / 8);
		int rc;

		memcpy(copy, whole_log.data, whole_log.len);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		put_log(r, copy, whole_log.len);
		rc = cps_toplog_open(r->dirfd, "log", &fx_id, false, &log, NULL);
		if (bit / 8 < CPS_LOG_HEADER) {
			assert_int_equal(rc, -EBADMSG);
			continue;
		}
		assert_int_equal(rc, 0);
		count = read_all(log);
		assert_true(count == whole ||
			    (count == RECORDS && bit / 8 >= ends[whole + 1] - 7));
		cps_toplog_close(log);
	}
	free(copy);
	cps_buf_release(&whole_log);
}

static void what_is_damaged_is_kept(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	struct cps_toplog *log;
	struct cps_buf whole_log;
	cps_auto(cps_free) uint8_t *copy = NULL;
	struct stat st;

	fill(r, ends);
	whole_log = copy_log(r);
	copy = calloc(1, whole_log.len + 100);
	memcpy(copy, whole_log.data, whole_log.len);
	copy[ends[4] + 20] ^= 1;
	put_log(r, copy, whole_log.len);
	log = open_log(r, true);
	assert_int_equal(read_all(log), 4);
	assert_int_equal(cps_toplog_cut(log, r->dirfd, "kept", NULL), 1);
	assert_int_equal(fstatat(r->dirfd, "kept", &st, 0), 0);
	assert_int_equal(st.st_size, whole_log.len - ends[4]);
	cps_toplog_close(log);
	/* Zeros, as a file system leaves them after a power cut, are no damage, and
	 * what was kept before stays. */
	memset(copy + ends[4], 0, whole_log.len + 100 - ends[4]);
	put_log(r, copy, whole_log.len + 100);
	log = open_log(r, true);
	assert_int_equal(read_all(log), 4);
	assert_int_equal(cps_toplog_cut(log, r->dirfd, "kept", NULL), 0);
	assert_int_equal(fstatat(r->dirfd, "kept", &st, 0), 0);
	assert_int_equal(st.st_size, whole_log.len - ends[4]);
	cps_toplog_close(log);
	cps_buf_release(&whole_log);
}

/* ---- others ---- */

static void records_of_another_log_are_not_taken(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	cps_auto(cps_free) uint8_t *mixed = NULL;
	struct cps_buf one, two;
	struct cps_toplog *log;

	fill(r, ends);
	one = copy_log(r);
	assert_int_equal(unlinkat(r->dirfd, "log", 0), 0);
	fill(r, ends);
	two = copy_log(r);
	assert_int_equal(one.len, two.len);
	mixed = malloc(one.len);
	memcpy(mixed, two.data, one.len);
	/* The same records, at the same place, with the right sequence. */
	memcpy(mixed + ends[5], one.data + ends[5], one.len - ends[5]);
	put_log(r, mixed, one.len);
	log = open_log(r, false);
	assert_int_equal(read_all(log), 5);
	cps_toplog_close(log);
	cps_buf_release(&one);
	cps_buf_release(&two);
}

static void a_record_has_its_place(void **state)
{
	struct room *r = *state;
	uint64_t ends[RECORDS + 1];
	cps_auto(cps_free) uint8_t *mixed = NULL;
	struct cps_buf whole_log;
	struct cps_toplog *log;

	fill(r, ends);
	whole_log = copy_log(r);
	mixed = malloc(whole_log.len);
	memcpy(mixed, whole_log.data, ends[3]);
	/* The fourth is missing. */
	memcpy(mixed + ends[3], whole_log.data + ends[4], whole_log.len - ends[4]);
	put_log(r, mixed, whole_log.len - (ends[4] - ends[3]));
	log = open_log(r, false);
	assert_int_equal(read_all(log), 3);
	cps_toplog_close(log);
	cps_buf_release(&whole_log);
}

static void another_image_is_refused(void **state)
{
	struct room *r = *state;
	const struct cps_digest other = {.bytes = {1, 2, 4}};
	uint64_t ends[RECORDS + 1];
	struct cps_toplog *log = NULL;
	struct cps_err err = CPS_ERR_INIT;

	fill(r, ends);
	for (int write = 0; write < 2; write++) {
		assert_int_equal(
			cps_toplog_open(r->dirfd, "log", &other, write, &log, &err),
			-ESTALE);
		assert_non_null(strstr(err.msg, "another image"));
	}
	assert_int_equal(cps_toplog_open(r->dirfd, "nolog", &other, false, &log, &err),
			 -ENOENT);
}

static void there_is_one_writer(void **state)
{
	struct room *r = *state;
	struct cps_toplog *first = open_log(r, true), *second = NULL, *reader;

	append(first, 1);
	assert_int_equal(cps_toplog_open(r->dirfd, "log", &fx_id, true, &second, NULL),
			 -EBUSY);
	reader = open_log(r, false);
	assert_int_equal(read_all(reader), 1);
	cps_toplog_close(reader);
	append(first, 2);
	cps_toplog_close(first);
	second = open_log(r, true);
	assert_int_equal(read_all(second), 2);
	cps_toplog_close(second);
}

/* ---- no space ---- */

static void a_log_that_may_not_grow_stays_whole(void **state)
{
	struct room *r = *state;
	struct rlimit was, tight;
	uint32_t count = 0;
	struct cps_toplog *log = open_log(r, true);
	uint8_t room[64];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	/* Every length, so that records are cut at every byte. */
	for (uint64_t limit = 200; limit < 700; limit++) {
		uint64_t end;
		int rc;

		tight = (struct rlimit){limit, was.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
		do {
			struct cps_change c = record(count + 1, room);

			end = cps_toplog_end(log);
			rc = cps_toplog_append(log, &c, count % 2);
			count += rc == 0;
		} while (rc == 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_true(rc == -ENOSPC || rc == -EFBIG);
		assert_int_equal(cps_toplog_end(log), end);
	}
	append(log, count + 1);
	cps_toplog_close(log);
	assert_true(count > 5);
	log = open_log(r, false);
	assert_int_equal(read_all(log), count + 1);
	assert_int_equal(cps_toplog_rest(log), 0);
	cps_toplog_close(log);
}

int main(void)
{
#define IN_A_ROOM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_ROOM(what_is_appended_is_read_again),
		IN_A_ROOM(large_records_are_read_again),
		IN_A_ROOM(a_cut_tail_loses_only_itself),
		IN_A_ROOM(a_log_that_was_only_begun_is_begun_again),
		IN_A_ROOM(no_flipped_bit_makes_a_wrong_record),
		IN_A_ROOM(what_is_damaged_is_kept),
		IN_A_ROOM(records_of_another_log_are_not_taken),
		IN_A_ROOM(a_record_has_its_place),
		IN_A_ROOM(another_image_is_refused),
		IN_A_ROOM(there_is_one_writer),
		IN_A_ROOM(a_log_that_may_not_grow_stays_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
