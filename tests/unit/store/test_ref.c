#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/ref.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_read_as_docker_reads_them(void **state)
{
	static const struct {
		const char *text, *full, *familiar;
	} cases[] = {
		{"debian", "docker.io/library/debian:latest", "debian:latest"},
		{"debian:12", "docker.io/library/debian:12", "debian:12"},
		{"a.b:5000", "docker.io/library/a.b:5000", "a.b:5000"},
		{"docker.io/debian", "docker.io/library/debian:latest",
		 "debian:latest"},
		{"library/debian", "docker.io/library/debian:latest", "debian:latest"},
		{"index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"},
		{"a/b:c", "docker.io/a/b:c", "a/b:c"},
		{"library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
		{"localhost/a", "localhost/a:latest", "localhost/a:latest"},
		{"localhost:5000/a", "localhost:5000/a:latest",
		 "localhost:5000/a:latest"},
		{"host:5000/a/b:T_1.x-y", "host:5000/a/b:T_1.x-y",
		 "host:5000/a/b:T_1.x-y"},
		{"Host/a", "Host/a:latest", "Host/a:latest"},
		{"a.b/c", "a.b/c:latest", "a.b/c:latest"},
		{"docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"},
		{"[::1]:443/a", "[::1]:443/a:latest", "[::1]:443/a:latest"},
		{"[fe80::a]/b", "[fe80::a]/b:latest", "[fe80::a]/b:latest"},
		{"a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest",
		 "a__b/c--d.e_f:latest"},
		{"a@sha256:" HEX, "docker.io/library/a@sha256:" HEX, "a@sha256:" HEX},
		{"a:b@sha256:" HEX, "docker.io/library/a:b@sha256:" HEX,
		 "a:b@sha256:" HEX},
	};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		cps_auto(cps_buf) struct cps_buf full = CPS_BUF_INIT(0);
		cps_auto(cps_buf) struct cps_buf familiar = CPS_BUF_INIT(0);
		struct cps_err err = CPS_ERR_INIT;
		struct cps_ref ref;

		if (cps_ref_parse(cases[i].text, &ref, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(cps_ref_full(&ref, &full), 0);
		assert_int_equal(cps_ref_familiar(&ref, &familiar), 0);
		assert_string_equal(cps_buf_cstr(&full), cases[i].full);
		assert_string_equal(cps_buf_cstr(&familiar), cases[i].familiar);
	}
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = {
		"",           "/",
		"a/",         "/a",
		"a//b",       "A",
		"a/B",        "a b",
		"a\n",        "-a",
		"a-",         ".a",
		"a.",         "_a",
		"a_",         "a..b",
		"a___b",      "a._b",
		"a:",         "a:-x",
		"a:.x",       "a:x y",
		"a:b:c",      ":x",
		"a@",         "@sha256:" HEX,
		"a@sha256:0", "a@sha256:" HEX "@x",
		"host:x/a",   "host:/a",
		"-h.x/a",     "h-.x/a",
		"h..x/a",     "h_x.y/a",
		"[::1/a",     "[]/a",
		"[g::1]/a",   "[::1]x/a",
		"a.b/",       "../a",
		"a/../b",     "docker.io/",
		"a/\xc3\xa4", HEX,
		"a%41",
	};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++) {
		struct cps_err err = CPS_ERR_INIT;
		struct cps_ref ref;
		int rc = cps_ref_parse(bad[i], &ref, &err);

		if (rc != -EINVAL)
			fail_msg("'%s' gives %d", bad[i], rc);
		assert_true(err.msg[0]);
	}
}

static void an_image_id_is_no_name(void **state)
{
	struct cps_err err = CPS_ERR_INIT;
	struct cps_ref ref;

	(void)state;
	assert_int_equal(cps_ref_parse(HEX, &ref, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is an image ID"));
	assert_int_equal(cps_ref_parse(HEX ":x", &ref, NULL), 0);
	assert_int_equal(cps_ref_parse("x/" HEX, &ref, NULL), 0);
}

static void only_sha256_is_taken(void **state)
{
	struct cps_err err = CPS_ERR_INIT;
	struct cps_ref ref;

	(void)state;
	assert_int_equal(cps_ref_parse("a@sha512:00", &ref, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "reference 'a@sha512:00'"));
}

static int parse_long(size_t name, size_t tag)
{
	static char text[2000];
	struct cps_ref ref;

	memset(text, 'a', sizeof(text));
	text[name] = tag ? ':' : '\0';
	text[name + 1 + tag] = '\0';
	return cps_ref_parse(text, &ref, NULL);
}

static void names_and_tags_have_limits(void **state)
{
	/* "docker.io/library/" comes in front. */
	const size_t most = CPS_REF_NAME_MAX - 18;

	(void)state;
	assert_int_equal(parse_long(most, 0), 0);
	assert_int_equal(parse_long(most + 1, 0), -EINVAL);
	assert_int_equal(parse_long(most, CPS_REF_TAG_MAX), 0);
	assert_int_equal(parse_long(most, CPS_REF_TAG_MAX + 1), -EINVAL);
	assert_int_equal(parse_long(1, CPS_REF_TAG_MAX + 1), -EINVAL);
	assert_int_equal(parse_long(1000, 500), -EINVAL);
}

static void the_same_name_is_one_name(void **state)
{
	struct cps_ref a, b;

	(void)state;
	assert_int_equal(cps_ref_parse("debian", &a, NULL), 0);
	assert_int_equal(cps_ref_parse("docker.io/library/debian:latest", &b, NULL), 0);
	assert_true(cps_ref_same_name(&a, &b));
	assert_int_equal(cps_ref_parse("debian:12", &b, NULL), 0);
	assert_false(cps_ref_same_name(&a, &b));
	assert_int_equal(cps_ref_parse("x.y/library/debian", &b, NULL), 0);
	assert_false(cps_ref_same_name(&a, &b));
}

static void a_repository_has_no_tag(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_ref ref;

	(void)state;
	assert_int_equal(cps_ref_parse("host:5000/a/b:x@sha256:" HEX, &ref, NULL), 0);
	assert_int_equal(cps_ref_repository(&ref, &out), 0);
	assert_string_equal(cps_buf_cstr(&out), "host:5000/a/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_as_docker_reads_them),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(an_image_id_is_no_name),
		cmocka_unit_test(only_sha256_is_taken),
		cmocka_unit_test(names_and_tags_have_limits),
		cmocka_unit_test(the_same_name_is_one_name),
		cmocka_unit_test(a_repository_has_no_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
