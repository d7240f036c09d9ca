#include "tools/document.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/mem.h"
#include "store/json.h"

#define INDENT 4 /* as docker inspect */

/* Memory ran out for a part of some document; none is whole from then on. One thread
 * makes documents. */
static bool lost_part;

json_t *cps_doc_new_object(void)
{
	return json_object();
}

json_t *cps_doc_new_array(void)
{
	return json_array();
}

void cps_doc_free(json_t *value)
{
	json_decref(value);
}

void cps_doc_put(json_t *to, const char *key, json_t *value)
{
	int rc = key ? json_object_set_new(to, key, value)
		     : json_array_append_new(to, value);

	lost_part |= rc < 0;
}

void cps_doc_put_text(json_t *to, const char *key, const char *text)
{
	cps_doc_put_bytes(to, key, text, strlen(text));
}

void cps_doc_put_number(json_t *to, const char *key, uint64_t number)
{
	cps_doc_put(to, key, json_integer((json_int_t)number));
}

void cps_doc_put_bool(json_t *to, const char *key, bool value)
{
	cps_doc_put(to, key, json_boolean(value));
}

void cps_doc_put_null(json_t *to, const char *key)
{
	cps_doc_put(to, key, json_null());
}

/* Length of the UTF-8 character at the start, as jansson accepts it; 0: it is none. */
static size_t character(const char *bytes, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++) {
		json_t *one = json_stringn(bytes, n);

		if (!one)
			continue;
		json_decref(one);
		return n;
	}
	return 0;
}

static json_t *mended(const char *bytes, size_t len)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);

	for (size_t i = 0; i < len;) {
		size_t n = character(bytes + i, len - i);
		int rc = n ? cps_buf_append(&text, bytes + i, n)
			   : cps_buf_str(&text, "\xef\xbf\xbd");

		if (rc < 0)
			return NULL;
		i += n ? n : 1;
	}
	return json_stringn(cps_buf_cstr(&text), text.len);
}

static json_t *hex(const char *bytes, size_t len)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);

	for (size_t i = 0; i < len; i++)
		if (cps_buf_printf(&text, "%02x", (unsigned char)bytes[i]) < 0)
			return NULL;
	return json_stringn(cps_buf_cstr(&text), text.len);
}

void cps_doc_put_bytes(json_t *to, const char *key, const char *bytes, size_t len)
{
	cps_auto(cps_buf) struct cps_buf second = CPS_BUF_INIT(0);
	json_t *text = json_stringn(bytes, len);

	if (text || !key) {
		cps_doc_put(to, key, text ? text : mended(bytes, len));
		return;
	}
	cps_doc_put(to, key, mended(bytes, len));
	cps_buf_printf(&second, "%sHex", key);
	cps_doc_put(to, cps_buf_cstr(&second), hex(bytes, len));
}

void cps_doc_put_member(json_t *to, const char *key, const void *document, size_t len,
			const char *member)
{
	cps_auto(cps_json) json_t *doc = json_loadb(document, len, 0, NULL);
	json_t *value = json_object_get(doc, member);

	cps_doc_put(to, key, value ? json_incref(value) : json_object());
}

/* JSON escapes control bytes, but not the C1 controls that some terminals obey. */
static size_t for_terminal(FILE *out)
{
	return isatty(fileno(out)) ? JSON_ENSURE_ASCII : 0;
}

/* ---- looking into one ---- */

enum cps_doc_kind cps_doc_kind(const json_t *value)
{
	if (!value || json_is_null(value))
		return CPS_DOC_NULL;
	switch (json_typeof(value)) {
	case JSON_STRING:
		return CPS_DOC_TEXT;
	case JSON_INTEGER:
		return CPS_DOC_NUMBER;
	case JSON_ARRAY:
		return CPS_DOC_LIST;
	case JSON_OBJECT:
		return CPS_DOC_OBJECT;
	default:
		return CPS_DOC_OTHER;
	}
}

json_t *cps_doc_get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

json_t *cps_doc_at(const json_t *list, size_t i)
{
	return json_array_get(list, i);
}

size_t cps_doc_count(const json_t *value)
{
	return json_is_string(value)   ? json_string_length(value)
	       : json_is_object(value) ? json_object_size(value)
				       : json_array_size(value);
}

json_t *cps_doc_ref(json_t *value)
{
	return json_incref(value);
}

json_t *cps_doc_new_text(const char *text, size_t len)
{
	json_t *whole = json_stringn(text, len);

	return whole ? whole : mended(text, len);
}

json_t *cps_doc_new_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

int cps_doc_line(const json_t *value, struct cps_buf *out)
{
	char *text = json_dumps(value,
				JSON_COMPACT | JSON_ENCODE_ANY | for_terminal(stdout));
	int rc = text ? cps_buf_str(out, text) : -ENOMEM;

	free(text);
	return rc;
}

static int plain_list(const json_t *list, struct cps_buf *out)
{
	int rc = cps_buf_str(out, "[");

	for (size_t i = 0; i < json_array_size(list) && rc == 0; i++) {
		if (i)
			rc = cps_buf_str(out, " ");
		if (rc == 0)
			rc = cps_doc_plain(json_array_get(list, i), out);
	}
	return rc < 0 ? rc : cps_buf_str(out, "]");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Go sorts the keys. */
static int plain_object(json_t *object, struct cps_buf *out)
{
	size_t count = json_object_size(object), i = 0;
	cps_auto(cps_free) const char **keys = calloc(count + 1, sizeof(*keys));
	const char *key;
	json_t *value;
	int rc = keys ? cps_buf_str(out, "map[") : -ENOMEM;

	if (rc < 0)
		return rc;
	json_object_foreach(object, key, value) keys[i++] = key;
	qsort(keys, count, sizeof(*keys), by_text);
	for (i = 0; i < count && rc == 0; i++) {
		rc = cps_buf_printf(out, "%s%s:", i ? " " : "", keys[i]);
		if (rc == 0)
			rc = cps_doc_plain(json_object_get(object, keys[i]), out);
	}
	return rc < 0 ? rc : cps_buf_str(out, "]");
}

int cps_doc_plain(const json_t *value, struct cps_buf *out)
{
	switch (cps_doc_kind(value)) {
	case CPS_DOC_NULL:
		return cps_buf_str(out, "<no value>");
	case CPS_DOC_TEXT:
		return cps_buf_append(out, json_string_value(value),
				      json_string_length(value));
	case CPS_DOC_LIST:
		return plain_list(value, out);
	case CPS_DOC_OBJECT:
		return plain_object((json_t *)value, out);
	default:
		return cps_doc_line(value, out);
	}
}

int cps_doc_print(json_t *value, FILE *out)
{
	cps_auto(cps_json) json_t *doc = value;

	if (!doc || lost_part)
		return -ENOMEM;
	if (json_dumpf(doc, out, JSON_INDENT(INDENT) | for_terminal(out)) < 0 ||
	    fputc('\n', out) == EOF)
		return -EIO;
	return 0;
}

void cps_doc_list_add(struct cps_doc_list *list, json_t *value)
{
	cps_auto(cps_json) json_t *doc = value;

	if (!doc || lost_part) {
		list->failed = -ENOMEM;
		return;
	}
	fputs(list->begun ? ",\n" : "[\n", list->out);
	list->begun = true;
	if (json_dumpf(doc, list->out, JSON_COMPACT | for_terminal(list->out)) < 0)
		list->failed = -EIO;
}

int cps_doc_list_end(struct cps_doc_list *list)
{
	if (fputs(list->begun ? "\n]\n" : "[]\n", list->out) == EOF)
		list->failed = -EIO;
	return list->failed;
}
