#include "sample.h"

static void pax_records_override_the_header(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "comment", "x", 1);
	add_record(&rec, "path", "long/name", 9);
	add_record(&rec, "size", "4", 1);
	add_record(&rec, "uid", "4294967295", 10);
	add_record(&rec, "gid", "7", 1);
	add_record(&rec, "mtime", "-1.25", 5);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "short", '0', 0);
	add_data(s, "data", 4);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "long/name");
	assert_int_equal(s->entry.size, 4);
	assert_int_equal(s->entry.uid, UINT32_MAX);
	assert_int_equal(s->entry.gid, 7);
	assert_int_equal(s->entry.mtime_s, -2);
	assert_int_equal(s->entry.mtime_ns, 750000000);
	assert_int_equal(s->entry.header_off, 0);
	assert_int_equal(next(s), 0);
}

static void mtime_is_rounded_down(void **state)
{
	static const struct {
		const char *text;
		int64_t sec;
		uint32_t ns;
	} cases[] = {
		{"1.5", 1, 500000000},
		{"1.", 1, 0},
		{"0.0000000019", 0, 1},
		{"-0.5", -1, 500000000},
		{"-3", -3, 0},
		{"-0.0000000001", -1, 999999999},
		{"-1.0000000001", -2, 999999999},
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax_text(s, "mtime", cases[i].text);
		add_header(s, "a", '0', 0);
		assert_int_equal(next(s), 1);
		assert_int_equal(s->entry.mtime_s, cases[i].sec);
		assert_int_equal(s->entry.mtime_ns, cases[i].ns);
	}
}

static void malformed_mtime_is_refused(void **state)
{
	static const char *const cases[] = {
		"99999999999999999999",  "x", ".5", "1e5", "1.-5",
		"-9223372036854775808.5"};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax_text(s, "mtime", cases[i]);
		add_header(s, "a", '0', 0);
		expect_bad(s, "mtime");
	}
}

static void malformed_pax_records_are_refused(void **state)
{
	static const char *const cases[] = {
		"x",
		"6 a=b",
		"99 a=b\n",
		"6 a=bc",
		"5 =b\n",
		"5 ab\n",
		"-6 a=b\n",
		"2 \n",
		"0 a=b\n",
		"6 a=b\n7",
		"18446744073709551622 a=b\n",
		" 6 a=b\n",
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax(s, cases[i], strlen(cases[i]));
		add_header(s, "a", '0', 0);
		expect_bad(s, "pax record");
	}
}

static void nul_in_path_or_xattr_key_is_refused(void **state)
{
	static const char key[] = "26 SCHILY.xattr.user\0.a=b\n";
	struct sample *s = *state;

	add_pax(s, "12 path=a\0b\n", 12);
	add_header(s, "a", '0', 0);
	expect_bad(s, "NUL in pax path");
	restart(s);
	add_pax(s, key, sizeof(key) - 1);
	add_header(s, "a", '0', 0);
	expect_bad(s, "NUL in a pax key");
}

static void xattrs_are_binary_sorted_and_schily_wins(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "SCHILY.xattr.user.b", "\0\n=", 3);
	add_record(&rec, "LIBARCHIVE.xattr.user.b", "eA", 2);
	add_record(&rec, "LIBARCHIVE.xattr.user.a%3dc", "aGVsbG8=", 8);
	add_record(&rec, "SCHILY.xattr.user.z", "old", 3);
	add_record(&rec, "SCHILY.xattr.user.z", "", 0);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "a", '5', 0);
	add_header(s, "b", '5', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, 3);
	assert_string_equal(s->entry.xattrs[0].name, "user.a=c");
	assert_int_equal(s->entry.xattrs[0].value_len, 5);
	assert_memory_equal(s->entry.xattrs[0].value, "hello", 5);
	assert_string_equal(s->entry.xattrs[1].name, "user.b");
	assert_int_equal(s->entry.xattrs[1].value_len, 3);
	assert_memory_equal(s->entry.xattrs[1].value, "\0\n=", 3);
	assert_int_equal(s->entry.xattrs[2].value_len, 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, 0);
}

static void oversized_xattr_is_refused(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);
	char *value = calloc(1, CPS_TAR_XATTR_MAX + 1);

	add_record(&rec, "SCHILY.xattr.user.a", value, CPS_TAR_XATTR_MAX);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 1);
	restart(s);
	rec.len = 0;
	add_record(&rec, "SCHILY.xattr.user.a", value, CPS_TAR_XATTR_MAX + 1);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	expect_bad(s, "xattr of 65537 bytes");
	free(value);
}

static void xattrs_of_a_member_have_a_limit(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);
	char key[40];

	for (unsigned int i = 0; i < CPS_TAR_XATTRS_MAX; i++) {
		snprintf(key, sizeof(key), "SCHILY.xattr.user.%u", i);
		add_record(&rec, key, "x", 1);
	}
	add_pax(s, (const char *)rec.data, rec.len);
	add_header(s, "a", '0', 0);
	add_record(&rec, "SCHILY.xattr.user.one.more", "x", 1);
	add_pax(s, (const char *)rec.data, rec.len);
	add_header(s, "b", '0', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, CPS_TAR_XATTRS_MAX);
	expect_bad(s, "over 1024 xattrs");
}

static void metadata_has_a_limit(void **state)
{
	static const char types[] = "xgLK";
	struct sample *s = *state;

	for (const char *type = types; *type; type++) {
		restart(s);
		add_header(s, "m", *type, CPS_TAR_META_MAX + 1);
		expect_bad(s, "bytes of metadata");
	}
}

static void a_member_has_one_name(void **state)
{
	struct sample *s = *state;

	add_pax_text(s, "path", "a");
	add_header(s, "l", 'L', 2);
	add_data(s, "b", 2);
	add_header(s, "c", '0', 0);
	expect_bad(s, "two different paths");
	restart(s);
	add_pax_text(s, "path", "a");
	add_pax_text(s, "path", "b");
	add_header(s, "c", '0', 0);
	expect_bad(s, "two headers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pax_records_override_the_header),
		CASE(mtime_is_rounded_down),
		CASE(malformed_mtime_is_refused),
		CASE(malformed_pax_records_are_refused),
		CASE(nul_in_path_or_xattr_key_is_refused),
		CASE(xattrs_are_binary_sorted_and_schily_wins),
		CASE(oversized_xattr_is_refused),
		CASE(xattrs_of_a_member_have_a_limit),
		CASE(metadata_has_a_limit),
		CASE(a_member_has_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
