#include <signal.h>
#include <sys/resource.h>

#include "records.h"

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
	const struct CMUnitTest tests[] = {
		IN_A_ROOM(what_is_appended_is_read_again),
		IN_A_ROOM(large_records_are_read_again),
		IN_A_ROOM(another_image_is_refused),
		IN_A_ROOM(there_is_one_writer),
		IN_A_ROOM(a_log_that_may_not_grow_stays_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
