#ifndef CPS_JSON_H
#define CPS_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/mem.h"

/* Reading JSON documents from outside: I-JSON, no duplicate names, exact case. `null`
 * is the same as absent (image-spec). */

static inline void cps_json_auto(json_t **doc)
{
	json_decref(*doc);
}

/** The document, which must be one object. NULL with the error -EBADMSG set. */
json_t *cps_json_object(const void *data, size_t len, const char *what,
			struct cps_err *err);
/** The same for a document that must be one array. */
json_t *cps_json_array(const void *data, size_t len, const char *what,
		       struct cps_err *err);
/** A member that must be an object (array) when it is there. NULL with *rc 0: absent;
 *  with *rc -EBADMSG: of another kind. */
json_t *cps_json_get(const json_t *doc, const char *key, json_type type, int *rc,
		     struct cps_err *err);
/** A string member, "" when absent or of another kind. Borrowed from the document. */
const char *cps_json_text(const json_t *doc, const char *key);
/** The member that is an array or an object, to be changed; made where there is none,
 * or one of another kind. Borrowed from the document. NULL: no memory. */
json_t *cps_json_member(json_t *doc, const char *key, json_type type);
/** Is there a member whose name is `key` in any case? */
bool cps_json_has_nocase(const json_t *doc, const char *key);
/** Is there one that other readers may take for `key`, in another case? */
bool cps_json_has_lookalike(const json_t *doc, const char *key);

#endif
