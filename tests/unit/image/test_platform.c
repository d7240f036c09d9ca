#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/platform.h"

static void a_platform_is_read_as_docker_reads_it(void **state)
{
	static const char *const cases[][2] = {
		{"linux/amd64", "linux/amd64"},
		{"linux/arm/v7", "linux/arm/v7"},
		{"arm64", "linux/arm64"},
		{"linux/x86_64", "linux/amd64"},
		{"aarch64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/armhf", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
		{"freebsd/riscv64", "freebsd/riscv64"},
	};
	char text[CPS_PLATFORM_TEXT_MAX];
	struct cps_platform p;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		assert_int_equal(cps_platform_parse(cases[i][0], &p, NULL), 0);
		assert_string_equal(cps_platform_text(&p, text), cases[i][1]);
	}
}

static void what_is_no_platform_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"/",
		"linux/",
		"/amd64",
		"linux//v7",
		"linux/arm/v7/x",
		"linux/arm/",
		"Linux/amd64",
		"linux/am d64",
		"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct cps_platform p;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++)
		assert_int_equal(cps_platform_parse(cases[i], &p, NULL), -EINVAL);
}

static int suits(const char *wanted, const char *arch, const char *variant)
{
	struct cps_platform p;

	assert_int_equal(cps_platform_parse(wanted, &p, NULL), 0);
	return cps_platform_suits(&p, "linux", arch, variant);
}

static void the_nearest_older_variant_suits_best(void **state)
{
	(void)state;
	assert_int_equal(suits("linux/amd64", "arm64", ""), 0);
	assert_int_equal(suits("freebsd/amd64", "amd64", ""), 0);
	assert_true(suits("arm64", "arm64", "v8") == suits("arm64", "arm64", ""));
	assert_true(suits("arm64", "arm64", "v8") > suits("arm64", "arm64", "v9"));
	assert_true(suits("amd64", "amd64", "") > suits("amd64", "amd64", "v2"));
	assert_true(suits("amd64", "amd64", "v2") > 0);
	/* What was asked for, then what is older; never what asks for more. */
	assert_true(suits("linux/arm/v7", "arm", "v7") >
		    suits("linux/arm/v7", "arm", "v6"));
	assert_true(suits("linux/arm/v7", "arm", "v6") >
		    suits("linux/arm/v7", "arm", "v5"));
	assert_true(suits("linux/arm/v7", "arm", "v5") > 0);
	assert_int_equal(suits("linux/arm/v6", "arm", "v7"), 0);
	assert_true(suits("linux/amd64/v3", "amd64", "v3") >
		    suits("linux/amd64/v3", "amd64", "v2"));
	assert_true(suits("linux/amd64/v3", "amd64", "v2") >
		    suits("linux/amd64/v3", "amd64", ""));
	assert_int_equal(suits("linux/amd64/v2", "amd64", "v3"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_platform_is_read_as_docker_reads_it),
		cmocka_unit_test(what_is_no_platform_is_refused),
		cmocka_unit_test(the_nearest_older_variant_suits_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
