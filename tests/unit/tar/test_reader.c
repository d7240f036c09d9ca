#include "sample.h"

static void empty_stream_is_an_empty_archive(void **state)
{
	assert_int_equal(next(*state), 0);
	assert_int_equal(next(*state), 0);
}

static void missing_end_marker_is_a_plain_end(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 3);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "a");
	assert_int_equal(s->entry.size, 3);
	assert_int_equal(s->entry.data_off, BLOCK);
	assert_int_equal(next(s), 0);
}

static void data_is_read_in_any_portions(void **state)
{
	struct sample *s = *state;
	char buf[8] = "";

	s->chunk = 1;
	add_header(s, "a", '0', 3);
	add_data(s, "abc", 3);
	add_header(s, "b", '0', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(cps_tar_read(s->tar, buf, 8, &s->err), 1);
	assert_int_equal(buf[0], 'a');
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "b");
	assert_int_equal(s->entry.header_off, 2 * BLOCK);
	assert_int_equal(cps_tar_read(s->tar, buf, 8, &s->err), 0);
}

static void header_after_one_zero_block_is_an_error(void **state)
{
	struct sample *s = *state;

	cps_buf_zeros(&s->bytes, BLOCK, NULL);
	add_header(s, "a", '0', 0);
	expect_bad(s, "one zero block");
	assert_int_equal(next(s), -EBADMSG);
}

static void nothing_is_read_behind_the_end_marker(void **state)
{
	struct sample *s = *state;

	cps_buf_zeros(&s->bytes, 2 * BLOCK, NULL);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 0);
	assert_int_equal(s->pos, 2 * BLOCK);
}

static void bad_checksum_names_the_offset(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 0);
	add_header(s, "b", '0', 0)[0] = 'c';
	assert_int_equal(next(s), 1);
	expect_bad(s, "offset 512: bad checksum");
}

static void signed_checksum_is_taken(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "\xc3\xa4", '0', 0);
	unsigned int sum = 0;
	char text[8];

	memset(block + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned int)(signed char)block[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + 148, text, 7);
	assert_int_equal(next(s), 1);
}

static void truncated_archive_ends_inside(void **state)
{
	struct sample *s = *state;

	add_header(s, "bad\033name", '0', 2000);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	expect_bad(s, "ends inside");
	assert_non_null(strstr(s->err.msg, "'bad\\x1bname' at offset 0"));
	restart(s);
	add_header(s, "a", '0', 0);
	s->bytes.len -= 1;
	expect_bad(s, "ends inside");
	restart(s);
	add_pax_text(s, "path", "x");
	expect_bad(s, "ends inside");
}

static void missing_padding_of_the_last_member_is_no_loss(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 3);
	cps_buf_str(&s->bytes, "abc");
	assert_int_equal(next(s), 1);
	assert_int_equal(next(s), 0);
}

static void numbers_may_be_base_256(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", '0', 0);

	memcpy(block + 108, "\x80\0\0\0\xff\xff\xff\xfe", 8);
	memset(block + 136, 0xff, 12);
	seal(block);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.uid, 0xfffffffe);
	assert_int_equal(s->entry.mtime_s, -1);
}

static void impossible_sizes_are_refused(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", '0', 0);

	memset(block + 124, 0xff, 12);
	seal(block);
	expect_bad(s, "negative size");
	restart(s);
	block = add_header(s, "a", '0', 0);
	memcpy(block + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	seal(block);
	expect_bad(s, "out of range");
	restart(s);
	add_pax_text(s, "size", "-1");
	add_header(s, "a", '0', 0);
	expect_bad(s, "negative size");
	restart(s);
	add_pax_text(s, "size", "9223372036854775808");
	add_header(s, "a", '0', 0);
	expect_bad(s, "pax size is no number");
	restart(s);
	memcpy(add_header(s, "a", '0', 0) + 124, "12x", 3);
	seal(s->bytes.data);
	expect_bad(s, "size is no number");
}

static void gnu_long_names_are_joined(void **state)
{
	struct sample *s = *state;
	char name[201], link[301];

	memset(name, 'n', 200);
	memset(link, 'l', 300);
	name[200] = link[300] = '\0';
	link[100] = '/';
	add_header(s, "././@LongLink", 'L', 201);
	add_data(s, name, 201);
	add_header(s, "././@LongLink", 'K', 301);
	add_data(s, link, 301);
	add_header(s, "nnn", '2', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, name);
	assert_string_equal(s->entry.link, link);
	assert_int_equal(s->entry.data_off, s->bytes.len);
}

static void names_have_limits(void **state)
{
	struct sample *s = *state;
	char name[5000];

	memset(name, 'a', 256);
	name[256] = '\0';
	add_pax_text(s, "path", name);
	add_header(s, "a", '0', 0);
	expect_bad(s, "part of 256 bytes");
	restart(s);
	for (int i = 0; i < 4096; i++)
		name[i] = i % 2 ? '/' : 'a';
	name[4096] = '\0';
	add_pax_text(s, "path", name);
	add_header(s, "a", '0', 0);
	expect_bad(s, "path of 4096 bytes");
	restart(s);
	add_header(s, "", '0', 0);
	expect_bad(s, "empty path");
	restart(s);
	add_header(s, "a", '2', 0);
	expect_bad(s, "link target");
}

static void paths_are_not_judged(void **state)
{
	struct sample *s = *state;

	add_header(s, "/../x//./y", '0', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "/../x//./y");
}

static void old_directories_end_with_a_slash(void **state)
{
	struct sample *s = *state;

	add_header(s, "d/", '\0', 0);
	add_header(s, "d/", '0', 0);
	add_header(s, "f", '7', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_DIR);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_REG);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_REG);
}

static void data_behind_a_hardlink_is_read_as_a_header(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "h", '1', 3);

	block[157] = 'a';
	seal(block);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.size, 0);
	expect_bad(s, "bad checksum");
}

static void unknown_types_are_named(void **state)
{
	struct sample *s = *state;

	add_header(s, "v", 'V', 0);
	assert_int_equal(next(s), -ENOTSUP);
	assert_non_null(strstr(s->err.msg, "'v' at offset 0: member type 'V'"));
}

static void global_headers_are_passed_over(void **state)
{
	struct sample *s = *state;

	add_header(s, "g", 'g', 10);
	add_data(s, "10 path=b\n", 10);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "a");
	assert_int_equal(s->entry.header_off, 2 * BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(empty_stream_is_an_empty_archive),
		CASE(missing_end_marker_is_a_plain_end),
		CASE(data_is_read_in_any_portions),
		CASE(header_after_one_zero_block_is_an_error),
		CASE(nothing_is_read_behind_the_end_marker),
		CASE(bad_checksum_names_the_offset),
		CASE(signed_checksum_is_taken),
		CASE(truncated_archive_ends_inside),
		CASE(missing_padding_of_the_last_member_is_no_loss),
		CASE(numbers_may_be_base_256),
		CASE(impossible_sizes_are_refused),
		CASE(gnu_long_names_are_joined),
		CASE(names_have_limits),
		CASE(paths_are_not_judged),
		CASE(old_directories_end_with_a_slash),
		CASE(data_behind_a_hardlink_is_read_as_a_header),
		CASE(unknown_types_are_named),
		CASE(global_headers_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
