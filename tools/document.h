#ifndef CPS_TOOLS_DOCUMENT_H
#define CPS_TOOLS_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What --json prints. jansson is seen in tools/document.c alone; its values pass
 * through here unopened. Whatever is put into another value belongs to it afterwards.
 * Memory that runs out is told by the printing alone: until then NULL may be passed on.
 * Field names are Docker's where Docker has the field; sizes are bytes, times RFC 3339.
 */

struct json_t;

struct json_t *cps_doc_new_object(void);
struct json_t *cps_doc_new_array(void);
void cps_doc_free(struct json_t *value);

/** Set a member of an object, or with `key` NULL append to an array. `value` is taken.
 */
void cps_doc_put(struct json_t *to, const char *key, struct json_t *value);
void cps_doc_put_text(struct json_t *to, const char *key, const char *text);
void cps_doc_put_number(struct json_t *to, const char *key, uint64_t number);
void cps_doc_put_bool(struct json_t *to, const char *key, bool value);
/** Bytes out of an image: what is not UTF-8 becomes U+FFFD, and the bytes themselves
 *  are then told in hex by a second member, <key>Hex. */
void cps_doc_put_bytes(struct json_t *to, const char *key, const char *bytes,
		       size_t len);
/** A member of a JSON document, by name; an empty object when it has none. */
void cps_doc_put_member(struct json_t *to, const char *key, const void *document,
			size_t len, const char *member);

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
