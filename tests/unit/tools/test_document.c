#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "tools/document.h"

/** What was printed, in memory. */
struct printed {
	char *text;
	size_t len;
	FILE *file;
};

static void printed_begin(struct printed *p)
{
	p->file = open_memstream(&p->text, &p->len);
	assert_non_null(p->file);
}

static void printed_is(struct printed *p, const char *want)
{
	fclose(p->file);
	assert_string_equal(p->text, want);
	free(p->text);
}

static void fields_keep_their_order(void **state)
{
	struct json_t *doc = cps_doc_new_object();
	struct printed p;

	(void)state;
	cps_doc_put_text(doc, "Name", "a \"b\"");
	cps_doc_put_number(doc, "Size", 1ull << 40);
	cps_doc_put_bool(doc, "Clean", true);
	printed_begin(&p);
	assert_int_equal(cps_doc_print(doc, p.file), 0);
	printed_is(&p,
		   "{\n    \"Name\": \"a \\\"b\\\"\",\n    \"Size\": 1099511627776,\n"
		   "    \"Clean\": true\n}\n");
}

static void bytes_that_are_no_text_are_told_in_hex_too(void **state)
{
	struct cps_doc_list list = {0};
	struct json_t *doc = cps_doc_new_object();
	struct printed p;

	(void)state;
	cps_doc_put_bytes(doc, "Path", "/\xff\xc3\xb1\xe2\x82", 6);
	printed_begin(&p);
	list.out = p.file;
	cps_doc_list_add(&list, doc);
	assert_int_equal(cps_doc_list_end(&list), 0);
	printed_is(&p, "[\n{\"Path\":\"/\xef\xbf\xbd\xc3\xb1\xef\xbf\xbd\xef\xbf\xbd\","
		       "\"PathHex\":\"2fffc3b1e282\"}\n]\n");
}

static void an_empty_list_is_an_array(void **state)
{
	struct cps_doc_list list = {0};
	struct printed p;

	(void)state;
	printed_begin(&p);
	list.out = p.file;
	assert_int_equal(cps_doc_list_end(&list), 0);
	printed_is(&p, "[]\n");
}

static void a_member_of_a_document_is_taken_over(void **state)
{
	static const char config[] = "{\"config\": {\"Cmd\": [\"sh\"]}, \"os\": \"x\"}";
	struct json_t *doc = cps_doc_new_object();
	struct printed p;

	(void)state;
	cps_doc_put_member(doc, "Config", config, strlen(config), "config");
	cps_doc_put_member(doc, "None", config, strlen(config), "nothing");
	cps_doc_put_member(doc, "Broken", "{", 1, "config");
	printed_begin(&p);
	assert_int_equal(cps_doc_print(doc, p.file), 0);
	printed_is(&p, "{\n    \"Config\": {\n        \"Cmd\": [\n            \"sh\"\n"
		       "        ]\n    },\n    \"None\": {},\n    \"Broken\": {}\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_keep_their_order),
		cmocka_unit_test(bytes_that_are_no_text_are_told_in_hex_too),
		cmocka_unit_test(an_empty_list_is_an_array),
		cmocka_unit_test(a_member_of_a_document_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
