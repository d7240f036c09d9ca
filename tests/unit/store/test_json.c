#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "store/json.h"

static json_t *object(const char *text)
{
	struct cps_err err = CPS_ERR_INIT;
	json_t *doc = cps_json_object(text, strlen(text), "the document", &err);

	if (!doc)
		fail_msg("%s", err.msg);
	return doc;
}

static void a_document_is_one_object(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"1",
		"\"x\"",
		"null",
		"{} {}",
		"{}x",
		"{'a':1}",
		"{a:1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":NaN}",
		"\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++) {
		struct cps_err err = CPS_ERR_INIT;

		if (cps_json_object(bad[i], strlen(bad[i]), "the document", &err))
			fail_msg("'%s' is taken", bad[i]);
		assert_non_null(strstr(err.msg, "the document is no JSON object"));
	}
	assert_null(cps_json_object(NULL, 0, "it", NULL));
	json_decref(object(" {\"a\":{\"b\":[1,null,true]}} \n"));
}

static void deep_nesting_is_refused(void **state)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);

	(void)state;
	cps_buf_str(&text, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		cps_buf_str(&text, "[");
	assert_null(cps_json_object(text.data, text.len, "it", NULL));
}

static void an_array_is_one_array(void **state)
{
	cps_auto(cps_json) json_t *doc = cps_json_array("[1]", 3, "it", NULL);
	struct cps_err err = CPS_ERR_INIT;

	(void)state;
	assert_int_equal(json_array_size(doc), 1);
	assert_null(cps_json_array("{}", 2, "it", &err));
	assert_string_equal(err.msg, "it is no JSON array");
}

static void a_member_is_of_its_kind_or_absent(void **state)
{
	cps_auto(cps_json) json_t *doc =
		object("{\"o\":{},\"n\":null,\"s\":\"x\",\"a\":[]}");
	struct cps_err err = CPS_ERR_INIT;
	int rc = 1;

	(void)state;
	assert_non_null(cps_json_get(doc, "o", JSON_OBJECT, &rc, &err));
	assert_int_equal(rc, 0);
	assert_null(cps_json_get(doc, "n", JSON_OBJECT, &rc, &err));
	assert_int_equal(rc, 0);
	assert_null(cps_json_get(doc, "O", JSON_OBJECT, &rc, &err));
	assert_int_equal(rc, 0);
	assert_null(cps_json_get(doc, "a", JSON_OBJECT, &rc, &err));
	assert_int_equal(rc, -EBADMSG);
	assert_string_equal(err.msg, "'a' is of the wrong kind");
	assert_string_equal(cps_json_text(doc, "s"), "x");
	assert_string_equal(cps_json_text(doc, "a"), "");
	assert_string_equal(cps_json_text(doc, "none"), "");
}

/* Go's reader takes "Layers" for "layers"; who reads exactly must know. */
static void a_name_in_another_case_is_seen(void **state)
{
	cps_auto(cps_json) json_t *doc =
		object("{\"Layers\":[],\"config\":{},\"NULL\":null,\"x\":null}");

	(void)state;
	assert_true(cps_json_has_lookalike(doc, "layers"));
	assert_true(cps_json_has_nocase(doc, "layers"));
	assert_false(cps_json_has_lookalike(doc, "config"));
	assert_true(cps_json_has_nocase(doc, "config"));
	assert_false(cps_json_has_lookalike(doc, "null"));
	assert_false(cps_json_has_nocase(doc, "x"));
	assert_false(cps_json_has_nocase(doc, "layer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_one_object),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(an_array_is_one_array),
		cmocka_unit_test(a_member_is_of_its_kind_or_absent),
		cmocka_unit_test(a_name_in_another_case_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
