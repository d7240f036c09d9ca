/* What --format makes of a document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "tools/template.h"

static const char text[] =
	"{\"d\":{\"Id\":\"sha256:ab\",\"State\":{\"Status\":\"running\",\"Pid\":42,"
	"\"Running\":true,\"Error\":\"\"},\"Config\":{\"Env\":[\"A=b\",\"C=d\"],"
	"\"Labels\":{\"x.y\":\"z\",\"b\":\"c\"},\"Cmd\":null},"
	"\"Ports\":{\"80/tcp\":[{\"HostPort\":\"8080\"}]}}}";

/* The document above. The caller frees it. */
static struct json_t *document(void)
{
	struct json_t *holder = cps_doc_new_object(), *doc;

	cps_doc_put_member(holder, "d", text, strlen(text), "d");
	doc = cps_doc_ref(cps_doc_get(holder, "d"));
	cps_doc_free(holder);
	return doc;
}

static void gives(const char *template, const char *want)
{
	struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_err err = CPS_ERR_INIT;
	struct json_t *doc = document();

	if (cps_template(template, doc, &out, &err) < 0)
		fail_msg("%s: %s", template, err.msg);
	assert_string_equal(cps_buf_cstr(&out), want);
	cps_doc_free(doc);
	cps_buf_release(&out);
}

static void refuses(const char *template, const char *why)
{
	struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_err err = CPS_ERR_INIT;
	struct json_t *doc = document();

	if (cps_template(template, doc, &out, &err) != -EINVAL)
		fail_msg("%s gives '%s'", template, cps_buf_cstr(&out));
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", template, err.msg, why);
	cps_doc_free(doc);
	cps_buf_release(&out);
}

static void fields(void **state)
{
	(void)state;
	gives("", "");
	gives("plain", "plain");
	gives("{{.Id}}", "sha256:ab");
	gives("a {{ .State.Status }} b{{.State.Pid}}c", "a running b42c");
	gives("{{.State.Running}}", "true");
	gives("{{.State.Error}}", "");
	gives("{{.Config.Env}}", "[A=b C=d]");
	gives("{{.Config.Labels}}", "map[b:c x.y:z]");
	gives("{{.Config.Cmd}}", "<no value>");
	gives("{{/* nothing */}}{{.Id}}", "sha256:ab");
	gives("}} {", "}} {");
}

static void labels_may_be_missing(void **state)
{
	(void)state;
	gives("{{.Config.Labels.b}}", "c");
	gives("{{.Config.Labels.none}}", "<no value>");
	gives("{{index .Config.Labels \"none\"}}", "");
	gives("{{index .Config.Cmd \"none\"}}", "");
}

static void functions(void **state)
{
	(void)state;
	gives("{{json .State.Status}}", "\"running\"");
	gives("{{json .Config}}",
	      "{\"Env\":[\"A=b\",\"C=d\"],\"Labels\":{\"x.y\":\"z\","
	      "\"b\":\"c\"},\"Cmd\":null}");
	gives("{{json .Config.Cmd}}", "null");
	gives("{{.Config.Env | json}}", "[\"A=b\",\"C=d\"]");
	gives("{{index .Config.Labels \"x.y\"}}", "z");
	gives("{{.Config.Labels \"x.y\"}}", "z");
	gives("{{index .Config.Env 1}}", "C=d");
	gives("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080");
	gives("{{index .Ports \"80/tcp\" 0 \"HostPort\"}}", "8080");
	gives("{{len .Config.Env}}{{len .Id}}{{len .Config.Labels}}", "292");
	gives("{{upper .State.Status}} {{lower \"ABC\"}}", "RUNNING abc");
	gives("{{join .Config.Env \", \"}}", "A=b, C=d");
	gives("{{println .Id}}{{print `}}`}}", "sha256:ab\n}}");
	gives("{{.State.Status | upper | json}}", "\"RUNNING\"");
}

static void blanks_are_trimmed(void **state)
{
	(void)state;
	gives("a  {{- .State.Pid -}}  b", "a42b");
	gives("a\n{{- .State.Pid }} b", "a42 b");
	gives("{{.Id}} {{- .State.Pid -}} {{.State.Pid}}", "sha256:ab4242");
}

static void what_is_not_known_is_named(void **state)
{
	(void)state;
	refuses("{{range .Config.Env}}{{.}}{{end}}", "'range' is not known");
	refuses("{{if .Id}}x{{end}}", "'if' is not known");
	refuses("{{.State.Nothing}}", "no field 'Nothing'");
	refuses("{{.Id.X}}", "no field 'X'");
	refuses("{{$x := .Id}}", "'$x := .Id' is not understood");
	refuses("{{.Id", "'{{' without '}}'");
	refuses("{{}}", "nothing stands");
	refuses("{{json}}", "number of arguments");
	refuses("{{json .Id .Id}}", "number of arguments");
	refuses("{{index .Config.Env 9}}", "no element 9");
	refuses("{{index .Config.Env \"x\"}}", "'index'");
	refuses("{{len .State.Pid}}", "'len'");
	refuses("{{upper .State}}", "'upper'");
	refuses("{{(.Id}}", "')' is missing");
	refuses("{{.Id)}}", "')' too many");
	refuses("{{\"x}}", "without '}}'");
	refuses("{{.Id | }}", "nothing stands");
	refuses("{{.Id | .State}}", "only a function");
	refuses("{{a_name_that_is_much_too_long .}}", "is not known");
	refuses("{{. . . . . . . . . . .}}", "too many arguments");
	refuses("{{((((((((((((((((((((.))))))))))))))))))))}}",
		"too many parentheses");
	refuses("{{1x}}", "is no number");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(labels_may_be_missing),
		cmocka_unit_test(functions),
		cmocka_unit_test(blanks_are_trimmed),
		cmocka_unit_test(what_is_not_known_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
