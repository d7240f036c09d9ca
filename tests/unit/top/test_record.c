#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/top/record.h"
#include "store/base/le.h"
#include "store/base/mem.h"

#define LOG_ID   77u
#define SEQUENCE 5u

/* A change as its record's bytes. */
static struct cps_buf make_record(const struct cps_change *change)
{
	cps_auto(cps_buf) struct cps_buf fields = CPS_BUF_INIT(0);
	struct cps_buf record = CPS_BUF_INIT(0);
	uint8_t *header;

	assert_int_equal(cps_change_encode(change, &fields), 0);
	assert_int_equal(cps_buf_zeros(&record, CPS_RECORD_HEADER, &header), 0);
	cps_record_format(LOG_ID, SEQUENCE, &fields, change, header);
	assert_int_equal(cps_buf_append(&record, fields.data, fields.len), 0);
	assert_int_equal(cps_buf_append(&record, change->bulk.data, change->bulk.len),
			 0);
	assert_int_equal(cps_buf_align(&record, 8), 0);
	assert_int_equal(record.len, cps_record_layout(record.data).len);
	return record;
}

static int parse(const struct cps_buf *record, uint64_t log_id, uint64_t sequence,
		 struct cps_change *out)
{
	return cps_record_parse(record->data, record->len, log_id, sequence, 4096, out);
}

static void what_was_formatted_is_parsed(void **state)
{
	const struct cps_change change = {.type = CPS_CHANGE_DATA,
					  .who = 3,
					  .time_ns = -5,
					  .ino = 9,
					  .off = 100,
					  .bulk = {"content", 7}};
	cps_auto(cps_buf) struct cps_buf record = make_record(&change);
	struct cps_change got;

	(void)state;
	assert_int_equal(cps_record_sequence(record.data), SEQUENCE);
	assert_int_equal(parse(&record, LOG_ID, SEQUENCE, &got), 0);
	assert_int_equal(got.type, CPS_CHANGE_DATA);
	assert_int_equal(got.who, 3);
	assert_true(got.time_ns == -5 && got.ino == 9 && got.off == 100);
	assert_int_equal(got.bulk.len, 7);
	assert_memory_equal(got.bulk.data, "content", 7);
	assert_int_equal(got.bulk_pos,
			 4096 + (const uint8_t *)got.bulk.data - record.data);
}

static void a_record_is_of_one_log_and_one_place(void **state)
{
	const struct cps_change change = {.type = CPS_CHANGE_UNLINK, .name = {"a", 1}};
	cps_auto(cps_buf) struct cps_buf record = make_record(&change);
	struct cps_change got;

	(void)state;
	assert_int_equal(parse(&record, LOG_ID + 1, SEQUENCE, &got), -EBADMSG);
	assert_int_equal(parse(&record, LOG_ID, SEQUENCE + 1, &got), -EBADMSG);
}

/* Who looks at a log reads the header, then the whole; meanwhile a driver may have cut
 * off what was half written there, and have put a longer record in its place. */
static void a_record_that_grew_meanwhile_is_none(void **state)
{
	const struct cps_change change = {.type = CPS_CHANGE_DATA,
					  .bulk = {"content", 7}};
	cps_auto(cps_buf) struct cps_buf record = make_record(&change);
	struct cps_change got;
	uint8_t *exact = malloc(record.len);

	(void)state;
	memcpy(exact, record.data, record.len);
	cps_put_le32(exact + 4, CPS_RECORD_PART_MAX);
	assert_int_equal(cps_record_parse(exact, record.len, LOG_ID, SEQUENCE, 0, &got),
			 -EBADMSG);
	free(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_formatted_is_parsed),
		cmocka_unit_test(a_record_is_of_one_log_and_one_place),
		cmocka_unit_test(a_record_that_grew_meanwhile_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
