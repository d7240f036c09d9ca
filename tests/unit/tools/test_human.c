#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "store/base/mem.h"
#include "tools/human.h"

#define MINUTE 60
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void sizes_have_three_digits_and_decimal_units(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0B"},
		{1, "1B"},
		{999, "999B"},
		{1000, "1kB"},
		{1024, "1.02kB"},
		{4050, "4.05kB"},
		{12345, "12.3kB"},
		{123456789, "123MB"},
		{95757153, "95.8MB"},
		{999499, "999kB"},
		{999500, "1MB"}, /* go-units writes 1e+03kB */
		{999999999, "1GB"},
		{1500000000000, "1.5TB"},
		{UINT64_MAX, "18.4EB"},
	};
	char out[CPS_HUMAN_MAX];

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++)
		assert_string_equal(cps_size_text(cases[i].bytes, out), cases[i].text);
}

/* The table of go-units' duration_test.go, and the edges between its steps. */
static void durations_are_those_of_docker(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{-5, "Less than a second"},
		{0, "Less than a second"},
		{1, "1 second"},
		{45, "45 seconds"},
		{59, "59 seconds"},
		{60, "About a minute"},
		{119, "About a minute"},
		{120, "2 minutes"},
		{3 * MINUTE, "3 minutes"},
		{35 * MINUTE + 40, "35 minutes"},
		{59 * MINUTE + 59, "59 minutes"},
		{HOUR, "About an hour"},
		{HOUR + 29 * MINUTE, "About an hour"},
		{HOUR + 30 * MINUTE, "2 hours"},
		{3 * HOUR, "3 hours"},
		{3 * HOUR + 59 * MINUTE, "4 hours"},
		{24 * HOUR, "24 hours"},
		{36 * HOUR, "36 hours"},
		{2 * DAY, "2 days"},
		{7 * DAY, "7 days"},
		{13 * DAY + 5 * HOUR, "13 days"},
		{2 * 7 * DAY, "2 weeks"},
		{2 * 7 * DAY + 4 * DAY, "2 weeks"},
		{3 * 7 * DAY, "3 weeks"},
		{4 * 7 * DAY + 3 * DAY, "4 weeks"},
		{2 * 30 * DAY, "2 months"},
		{23 * 30 * DAY, "23 months"},
		{2 * 365 * DAY, "2 years"},
		{3 * 365 * DAY + 2 * 30 * DAY, "3 years"},
	};
	char out[CPS_HUMAN_MAX];

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++)
		assert_string_equal(cps_duration_text(cases[i].seconds, out),
				    cases[i].text);
}

static void times_are_read_with_fractions_and_zones(void **state)
{
	static const struct {
		const char *text;
		int64_t unix_s;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-26T20:43:58.694028617Z", 1795725838},
		{"2026-11-26T21:43:58+01:00", 1795725838},
		{"2026-11-26T15:13:58-05:30", 1795725838},
		{"1969-12-31T23:59:59Z", -1},
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		assert_int_equal(cps_time_parse(cases[i].text, &t), 0);
		assert_int_equal(t, cases[i].unix_s);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"yesterday",
		"2026-11-26",
		"2026-11-26T20:43:58",
		"2026-11-26T20:43:58.Z",
		"2026-11-26T20:43:58+1:00",
		"2026-11-26T20:43:58+01:00x",
		"2026-11-26T20:43:58+25:00",
		"2026-13-26T20:43:58Z",
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++)
		assert_int_equal(cps_time_parse(cases[i], &t), -EINVAL);
}

static void created_is_told_from_now(void **state)
{
	char out[CPS_HUMAN_MAX];

	(void)state;
	assert_string_equal(cps_ago_text("1970-01-01T00:00:00Z", 180, out),
			    "3 minutes ago");
	assert_string_equal(cps_ago_text("1970-01-01T01:00:00+01:00", 60, out),
			    "About a minute ago");
	assert_string_equal(cps_ago_text("2026-01-01T00:00:00Z", 0, out),
			    "Less than a second ago");
	assert_string_equal(cps_ago_text("", 0, out), "N/A");
	assert_string_equal(cps_ago_text("0001-01-01T00:00:00Z", 0, out), "N/A");
}

static void an_id_is_short_or_whole(void **state)
{
	struct cps_digest d = {0};
	char out[CPS_HUMAN_MAX];

	(void)state;
	d.bytes[0] = 0xab;
	assert_string_equal(cps_id_text(&d, false, out), "ab0000000000");
	assert_string_equal(cps_id_text(&d, true, out),
			    "sha256:ab000000000000000000000000000000000000000000000000"
			    "00000000000000");
}

static void assert_cut(const char *text, size_t limit, const char *want)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);

	assert_int_equal(cps_ellipsis(&out, text, limit), 0);
	assert_string_equal(cps_buf_cstr(&out), want);
}

static void a_long_text_is_cut_at_a_character(void **state)
{
	(void)state;
	assert_cut("short", 5, "short");
	assert_cut("shorts", 5, "shor…");
	assert_cut("shorts", 0, "shorts");
	assert_cut("ñandúes", 5, "ñand…");
	assert_cut("ñandú", 5, "ñandú");
	assert_cut("", 5, "");
	/* The escape is counted as it is shown. */
	assert_cut("a\nb", 0, "a\\nb");
	assert_cut("\033[2J", 0, "\\x1b[2J");
	assert_int_equal(cps_text_width("ñandú…"), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_three_digits_and_decimal_units),
		cmocka_unit_test(durations_are_those_of_docker),
		cmocka_unit_test(times_are_read_with_fractions_and_zones),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(created_is_told_from_now),
		cmocka_unit_test(an_id_is_short_or_whole),
		cmocka_unit_test(a_long_text_is_cut_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
