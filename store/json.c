#include "store/json.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "store/libraries.h"

static json_t *load(const void *data, size_t len, json_type type, const char *what,
		    struct cps_err *err)
{
	json_error_t jerr;
	json_t *doc = json_loadb(data ? data : "", len, JSON_REJECT_DUPLICATES, &jerr);

	if (doc && json_typeof(doc) == type)
		return doc;
	cps_err_set(err, -EBADMSG, "%s is no JSON %s%s%s", what,
		    type == JSON_ARRAY ? "array" : "object", doc ? "" : ": ",
		    doc ? "" : jerr.text);
	json_decref(doc);
	return NULL;
}

json_t *cps_json_object(const void *data, size_t len, const char *what,
			struct cps_err *err)
{
	return load(data, len, JSON_OBJECT, what, err);
}

json_t *cps_json_array(const void *data, size_t len, const char *what,
		       struct cps_err *err)
{
	return load(data, len, JSON_ARRAY, what, err);
}

json_t *cps_json_get(const json_t *doc, const char *key, json_type type, int *rc,
		     struct cps_err *err)
{
	json_t *value = json_object_get(doc, key);

	*rc = 0;
	if (!value || json_is_null(value))
		return NULL;
	if (json_typeof(value) == type)
		return value;
	*rc = cps_err_set(err, -EBADMSG, "'%s' is of the wrong kind", key);
	return NULL;
}

const char *cps_json_text(const json_t *doc, const char *key)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return text ? text : "";
}

json_t *cps_json_member(json_t *doc, const char *key, json_type type)
{
	json_t *value = json_object_get(doc, key);

	if (value && json_typeof(value) == type)
		return value;
	value = type == JSON_ARRAY ? json_array() : json_object();
	return json_object_set_new(doc, key, value) < 0 ? NULL : value;
}

bool cps_json_has_nocase(const json_t *doc, const char *key)
{
	const json_t *exact = json_object_get(doc, key);

	return (exact && !json_is_null(exact)) || cps_json_has_lookalike(doc, key);
}

bool cps_json_has_lookalike(const json_t *doc, const char *key)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)doc, name, value)
	{
		if (strcasecmp(name, key) == 0 && strcmp(name, key) != 0 &&
		    !json_is_null(value))
			return true;
	}
	return false;
}

const char *cps_jansson_version(void)
{
	return jansson_version_str();
}
