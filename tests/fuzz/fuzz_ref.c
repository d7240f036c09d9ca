/* A name from a command line or a document: what parses is within its limits, and each
 * of its forms parses to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_form(const struct cps_ref *ref,
		       int (*form)(const struct cps_ref *, struct cps_buf *))
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	struct cps_ref again;

	require(form(ref, &text) == 0);
	require(cps_ref_parse(cps_buf_cstr(&text), &again, NULL) == 0);
	require(cps_ref_same_name(ref, &again));
	require(ref->has_digest == again.has_digest);
	require(cps_digest_equal(&ref->digest, &again.digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_free) char *text = malloc(size + 1);
	struct cps_err err = CPS_ERR_INIT;
	struct cps_ref ref;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (cps_ref_parse(text, &ref, &err) < 0) {
		require(err.msg[0]);
		return 0;
	}
	require(strlen(ref.domain) + 1 + strlen(ref.path) <= CPS_REF_NAME_MAX);
	require(ref.path[0] && ref.domain[0]);
	require(ref.tag[0] || ref.has_digest);
	check_form(&ref, cps_ref_full);
	check_form(&ref, cps_ref_familiar);
	return 0;
}
