/* --format over a document: it gives a text, or says why not; and it gives the same
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] =
	"{\"d\":{\"Id\":\"sha256:ab\",\"A\":{\"B\":[1,true,null,\"x\\u00e9\"]},"
	"\"Labels\":{\"x.y\":\"z\"},\"N\":42}}";

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_free) char *text = malloc(size + 1);
	cps_auto(cps_doc_free) struct json_t *holder = cps_doc_new_object();
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf again = CPS_BUF_INIT(0);
	struct cps_err err = CPS_ERR_INIT;
	struct json_t *doc;
	int rc;

	if (!text || !holder)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	cps_doc_put_member(holder, "d", document, strlen(document), "d");
	doc = cps_doc_get(holder, "d");
	rc = cps_template(text, doc, &out, &err);
	require(rc == 0 || err.msg[0]);
	require(cps_template(text, doc, &again, NULL) == rc);
	require(strcmp(cps_buf_cstr(&out), cps_buf_cstr(&again)) == 0);
	/* Without an action it is what it is. */
	require(strstr(text, "{{") || strcmp(text, cps_buf_cstr(&out)) == 0 || rc < 0);
	return 0;
}
