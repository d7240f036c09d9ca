#ifndef CPS_TOOLS_DOCUMENT_H
#define CPS_TOOLS_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "store/base/buf.h"
#include "store/base/mem.h"

/* What --json prints. jansson is seen in tools/document.c alone; its values pass
 * through here unopened. Whatever is put into another value belongs to it afterwards.
 * Memory that runs out is told by the printing alone: until then NULL may be passed on.
 * Field names are Docker's where Docker has the field; sizes are bytes, times RFC 3339.
 */

struct json_t;

struct json_t *cps_doc_new_object(void);
struct json_t *cps_doc_new_array(void);
void cps_doc_free(struct json_t *value);
CPS_AUTO_DEFINE(struct json_t, cps_doc_free)

/** Set a member of an object, or with `key` NULL append to an array. `value` is taken.
 */
void cps_doc_put(struct json_t *to, const char *key, struct json_t *value);
void cps_doc_put_text(struct json_t *to, const char *key, const char *text);
void cps_doc_put_number(struct json_t *to, const char *key, uint64_t number);
void cps_doc_put_bool(struct json_t *to, const char *key, bool value);
void cps_doc_put_null(struct json_t *to, const char *key);
/** Bytes out of an image: what is not UTF-8 becomes U+FFFD, and the bytes themselves
 *  are then told in hex by a second member, <key>Hex. */
void cps_doc_put_bytes(struct json_t *to, const char *key, const char *bytes,
		       size_t len);
/** A member of a JSON document, by name; an empty object when it has none. */
void cps_doc_put_member(struct json_t *to, const char *key, const void *document,
			size_t len, const char *member);

/* ---- looking into one, for templates ---- */

enum cps_doc_kind {
	CPS_DOC_NULL,
	CPS_DOC_TEXT,
	CPS_DOC_NUMBER,
	CPS_DOC_LIST,
	CPS_DOC_OBJECT,
	CPS_DOC_OTHER
};

/** CPS_DOC_NULL of NULL, too. */
enum cps_doc_kind cps_doc_kind(const struct json_t *value);
/** A member of an object, or NULL. Borrowed, as the next. */
struct json_t *cps_doc_get(const struct json_t *object, const char *key);
/** An element of a list, or NULL. */
struct json_t *cps_doc_at(const struct json_t *list, size_t i);
/** Elements, members, or bytes of a text. */
size_t cps_doc_count(const struct json_t *value);
/** One more owner. */
struct json_t *cps_doc_ref(struct json_t *value);
struct json_t *cps_doc_new_text(const char *text, size_t len);
struct json_t *cps_doc_new_number(uint64_t number);
/** Append it as JSON on one line. 0 or -ENOMEM. */
int cps_doc_line(const struct json_t *value, struct cps_buf *out);
/** Append it as Go prints it: a text as it is, [a b], map[k:v], true, 1. */
int cps_doc_plain(const struct json_t *value, struct cps_buf *out);

/** Print one document with a newline and free it. 0; -ENOMEM; -EIO. */
int cps_doc_print(struct json_t *value, FILE *out);

/** One array whose elements are printed as they come, each on a line of its own: it may
 *  be as long as it likes. */
struct cps_doc_list {
	FILE *out;
	bool begun;
	int failed;
};

/** Print and free one element. */
void cps_doc_list_add(struct cps_doc_list *list, struct json_t *value);
/** 0, or the first failure. */
int cps_doc_list_end(struct cps_doc_list *list);

#endif
