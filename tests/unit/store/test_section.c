#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/section.h"
#include "tests/fuzz/seal.h"

#define KIND CPS_FOURCC('T', 'E', 'S', 'T')

static const struct cps_digest key = {{1, 2, 3}}, src = {{4}};

static struct cps_buf file_of_three(void)
{
	struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_section_writer w;

	cps_section_begin(&w, KIND, &key, &src);
	w.params = 77;
	assert_int_equal(cps_section_add(&w, 1, 1, "hello", 5), 0);
	assert_int_equal(cps_section_add(&w, 2, 8, "12345678abcdefgh", 16), 0);
	assert_int_equal(cps_section_add(&w, 3, 4, NULL, 0), 0);
	assert_int_equal(cps_section_finish(&w, &out), 0);
	return out;
}

static int open_rc(const struct cps_buf *file, struct cps_sections *out)
{
	return cps_sections_open(file->data, file->len, KIND, &key, out, NULL);
}

static void what_was_written_is_read(void **state)
{
	cps_auto(cps_buf) struct cps_buf file = file_of_three();
	struct cps_sections s;
	const void *p;
	uint64_t count;

	(void)state;
	assert_int_equal(open_rc(&file, &s), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.params, 77);
	assert_int_equal(cps_section_get(&s, 1, 1, &p, &count), 0);
	assert_int_equal(count, 5);
	assert_memory_equal(p, "hello", 5);
	assert_int_equal(cps_section_get(&s, 2, 8, &p, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal((uintptr_t)p % CPS_SECTION_ALIGN, 0);
	assert_memory_equal(p, "12345678abcdefgh", 16);
	assert_int_equal(cps_section_get(&s, 3, 4, NULL, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cps_section_get(&s, 4, 4, NULL, NULL), -ENOENT);
	assert_int_equal(cps_section_get(&s, 2, 16, NULL, NULL), -EBADMSG);
	assert_int_equal(cps_sections_verify(&s, NULL), 0);
}

static void a_file_is_of_one_kind_and_key(void **state)
{
	cps_auto(cps_buf) struct cps_buf file = file_of_three();
	struct cps_sections s;

	(void)state;
	assert_int_equal(
		cps_sections_open(file.data, file.len, KIND + 1, &key, &s, NULL),
		-EBADMSG);
	assert_int_equal(cps_sections_open(file.data, file.len, KIND, &src, &s, NULL),
			 -EBADMSG);
	assert_int_equal(cps_sections_open(file.data, file.len, KIND, NULL, &s, NULL),
			 0);
}

static void any_flipped_bit_of_the_head_is_noticed(void **state)
{
	cps_auto(cps_buf) struct cps_buf file = file_of_three();
	size_t head = CPS_SECTION_HEADER_SIZE + 3 * CPS_SECTION_ENTRY_SIZE;
	struct cps_sections s;

	(void)state;
	for (size_t at = 0; at < head; at++) {
		file.data[at] ^= 1;
		/* A newer minor version reads the same; the rest counts. */
		assert_int_equal(open_rc(&file, &s),
				 at == 10 || at == 11 ? 0 : -EBADMSG);
		file.data[at] ^= 1;
	}
}

static void any_flipped_bit_of_a_section_fails_its_check(void **state)
{
	cps_auto(cps_buf) struct cps_buf file = file_of_three();
	struct cps_err err = CPS_ERR_INIT;
	struct cps_sections s;
	const void *p;

	(void)state;
	assert_int_equal(open_rc(&file, &s), 0);
	assert_int_equal(cps_section_get(&s, 2, 8, &p, NULL), 0);
	file.data[(const uint8_t *)p - file.data + 15] ^= 128;
	assert_int_equal(cps_sections_verify(&s, &err), -EBADMSG);
	assert_string_equal(err.msg, "derived file: checksum of section 0x2");
	assert_int_equal(cps_section_verify(&s, 1, NULL), 0);
	assert_int_equal(cps_section_verify(&s, 2, NULL), -EBADMSG);
	assert_int_equal(cps_section_verify(&s, 9, NULL), -ENOENT);
}

static void a_file_cut_short_or_grown_is_refused(void **state)
{
	cps_auto(cps_buf) struct cps_buf file = file_of_three();
	size_t whole = file.len;
	struct cps_sections s;

	(void)state;
	for (file.len = 0; file.len < whole; file.len++)
		assert_int_equal(open_rc(&file, &s), -EBADMSG);
	assert_int_equal(cps_buf_zeros(&file, 8, NULL), 0);
	assert_int_equal(open_rc(&file, &s), -EBADMSG);
}

/* One line of the table changed, everything sealed again. */
static void a_table_that_lies_is_refused(void **state)
{
	static const struct {
		size_t at; /* in the line of section 2 */
		uint64_t value;
	} lies[] = {
		{8, 0},
		{8, 208},
		{8, 225},
		{8, 1u << 20},
		{8, UINT64_MAX - 7},
		{16, 15},
		{16, 24},
		{16, UINT64_MAX},
		{16, UINT64_MAX - 7},
		{16, 1000},
		{0, 2},                /* entries of no bytes */
		{0, (8ull << 32) + 1}, /* another section of type 1 */
		{0, (5ull << 32) + 2}, /* entries that are not whole */
	};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(lies); i++) {
		cps_auto(cps_buf) struct cps_buf file = file_of_three();
		struct cps_sections s;

		cps_put_le64(file.data + CPS_SECTION_HEADER_SIZE +
				     CPS_SECTION_ENTRY_SIZE + lies[i].at,
			     lies[i].value);
		seal(file.data, file.len);
		assert_int_equal(open_rc(&file, &s), -EBADMSG);
	}
}

static void a_writer_takes_whole_entries_once(void **state)
{
	struct cps_section_writer w;

	(void)state;
	cps_section_begin(&w, KIND, NULL, NULL);
	assert_int_equal(cps_section_add(&w, 1, 0, "x", 1), -EINVAL);
	assert_int_equal(cps_section_add(&w, 1, 2, "xyz", 3), -EINVAL);
	for (uint32_t i = 0; i < CPS_SECTIONS_MAX; i++)
		assert_int_equal(cps_section_add(&w, i, 1, "x", 1), 0);
	assert_int_equal(cps_section_add(&w, 5, 1, "x", 1), -EINVAL);
	assert_int_equal(cps_section_add(&w, CPS_SECTIONS_MAX, 1, "x", 1), -ENOSPC);
}

static void a_file_over_the_limit_is_not_written(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(200);
	struct cps_section_writer w;

	(void)state;
	cps_section_begin(&w, KIND, NULL, NULL);
	assert_int_equal(cps_section_add(&w, 1, 1, "0123456789", 10), 0);
	assert_int_equal(cps_section_add(&w, 2, 1, "0123456789", 10), 0);
	assert_int_equal(cps_section_finish(&w, &out), -EFBIG);
}

static void the_first_section_may_be_made_in_its_place(void **state)
{
	cps_auto(cps_buf) struct cps_buf copied = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf placed = CPS_BUF_INIT(0);
	struct cps_section_writer w;

	(void)state;
	cps_section_begin(&w, KIND, NULL, NULL);
	assert_int_equal(cps_section_add(&w, 1, 1, "hello", 5), 0);
	assert_int_equal(cps_section_add(&w, 2, 1, "world!", 6), 0);
	assert_int_equal(cps_section_finish(&w, &copied), 0);
	assert_int_equal(cps_section_place(&placed, 2), 0);
	assert_int_equal(cps_buf_str(&placed, "hell"), 0);
	assert_int_equal(cps_section_finish(&w, &placed), -EINVAL);
	assert_int_equal(cps_buf_str(&placed, "o"), 0);
	assert_int_equal(cps_section_finish(&w, &placed), 0);
	assert_int_equal(placed.len, copied.len);
	assert_memory_equal(placed.data, copied.data, copied.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_file_is_of_one_kind_and_key),
		cmocka_unit_test(any_flipped_bit_of_the_head_is_noticed),
		cmocka_unit_test(any_flipped_bit_of_a_section_fails_its_check),
		cmocka_unit_test(a_file_cut_short_or_grown_is_refused),
		cmocka_unit_test(a_table_that_lies_is_refused),
		cmocka_unit_test(a_writer_takes_whole_entries_once),
		cmocka_unit_test(a_file_over_the_limit_is_not_written),
		cmocka_unit_test(the_first_section_may_be_made_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
