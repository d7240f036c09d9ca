#include "records.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_ROOM(a_cut_tail_loses_only_itself),
		IN_A_ROOM(a_log_that_was_only_begun_is_begun_again),
		IN_A_ROOM(no_flipped_bit_makes_a_wrong_record),
		IN_A_ROOM(what_is_damaged_is_kept),
		IN_A_ROOM(records_of_another_log_are_not_taken),
		IN_A_ROOM(a_record_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
