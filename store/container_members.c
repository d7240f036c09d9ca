/* What images and containers say alike: docker's Config. */
#include <errno.h>
#include <string.h>

#include "store/container_internal.h"
#include "store/json.h"

/* ---- reading ---- */

/* An array of texts; Docker of old also wrote a single text. */
static int get_list(const json_t *doc, const char *key, struct cps_strings *out,
		    struct cps_err *err)
{
	const json_t *value = json_object_get(doc, key), *item;
	size_t i;
	int rc = 0;

	if (json_is_string(value))
		rc = cps_strings_add(out, json_string_value(value));
	else if (value && !json_is_array(value) && !json_is_null(value))
		return cps_err_set(err, -EBADMSG, "'%s' is no array", key);
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return cps_err_set(err, -EBADMSG, "'%s' holds what is no text",
					   key);
		if (rc == 0)
			rc = cps_strings_add(out, json_string_value(item));
	}
	return rc < 0 ? cps_err_nomem(err) : 0;
}

/* The names of an object's members; with their values as NAME=VALUE. */
static int get_names(const json_t *doc, const char *key, bool values,
		     struct cps_strings *out, struct cps_err *err)
{
	const json_t *value;
	const char *name;
	int rc = 0;
	json_t *object = cps_json_get(doc, key, JSON_OBJECT, &rc, err);

	if (rc < 0)
		return rc;
	json_object_foreach(object, name, value)
	{
		const char *text = json_string_value(value);

		if (rc == 0 && values)
			rc = cps_strings_printf(out, "%s=%s", name, text ? text : "");
		else if (rc == 0)
			rc = cps_strings_add(out, name);
	}
	return rc < 0 ? cps_err_nomem(err) : 0;
}

int cps_container_members_read(const json_t *doc, struct cps_container_config *out,
			       struct cps_err *err)
{
	int rc = get_list(doc, "Env", &out->env, err);

	if (rc == 0)
		rc = get_list(doc, "Cmd", &out->cmd, err);
	if (rc == 0)
		rc = get_list(doc, "Entrypoint", &out->entrypoint, err);
	if (rc == 0)
		rc = get_names(doc, "Labels", true, &out->labels, err);
	if (rc == 0)
		rc = get_names(doc, "Volumes", false, &out->volumes, err);
	if (rc == 0)
		rc = get_names(doc, "ExposedPorts", false, &out->ports, err);
	if (rc < 0)
		return rc;
	out->user = strdup(cps_json_text(doc, "User"));
	out->working_dir = strdup(cps_json_text(doc, "WorkingDir"));
	out->stop_signal = strdup(cps_json_text(doc, "StopSignal"));
	return out->user && out->working_dir && out->stop_signal ? 0
								 : cps_err_nomem(err);
}

int cps_container_config_of_image(const struct cps_image *image,
				  struct cps_container_config *out, struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = NULL;
	json_t *inner;
	int rc = 0;

	*out = (struct cps_container_config){0};
	doc = cps_json_object(image->config.data, image->config.len, "the config", err);
	if (!doc)
		return -EBADMSG;
	inner = cps_json_get(doc, "config", JSON_OBJECT, &rc, err);
	if (rc == 0)
		rc = cps_container_members_read(inner, out, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, "the image's config");
	out->image = strdup("");
	out->hostname = strdup("");
	out->network = strdup("");
	out->runtime = strdup("");
	return out->image && out->hostname && out->network && out->runtime
		       ? 0
		       : cps_err_nomem(err);
}

/* ---- writing ---- */

/* Absent is how images say that there is none. */
static int put(json_t *doc, const char *key, json_t *value, bool wanted)
{
	if (wanted)
		return json_object_set_new(doc, key, value);
	json_decref(value);
	json_object_del(doc, key);
	return 0;
}

static int put_text(json_t *doc, const char *key, const char *text)
{
	return put(doc, key, json_string(text), text[0] != '\0');
}

static int put_list(json_t *doc, const char *key, const struct cps_strings *list)
{
	json_t *array = json_array();
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++)
		rc = json_array_append_new(array, json_string(list->v[i]));
	if (rc < 0)
		json_decref(array);
	return rc < 0 ? rc : put(doc, key, array, list->count > 0);
}

static int put_names(json_t *doc, const char *key, const struct cps_strings *list,
		     bool values)
{
	json_t *object = json_object();
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++) {
		char *name = list->v[i], *equals = values ? strchr(name, '=') : NULL;

		if (equals)
			*equals = '\0';
		rc = json_object_set_new(object, name,
					 values ? json_string(equals ? equals + 1 : "")
						: json_object());
		if (equals)
			*equals = '=';
	}
	if (rc < 0)
		json_decref(object);
	return rc < 0 ? rc : put(doc, key, object, list->count > 0);
}

int cps_container_members_write(const struct cps_container_config *c, json_t *doc,
				struct cps_err *err)
{
	if (put_text(doc, "User", c->user) < 0)
		return cps_err_set(err, -EINVAL, "the user is not UTF-8");
	if (put_names(doc, "ExposedPorts", &c->ports, false) < 0)
		return cps_err_set(err, -EINVAL, "a port is not UTF-8");
	if (put_list(doc, "Env", &c->env) < 0)
		return cps_err_set(err, -EINVAL, "the environment is not UTF-8");
	if (put_list(doc, "Entrypoint", &c->entrypoint) < 0 ||
	    put_list(doc, "Cmd", &c->cmd) < 0)
		return cps_err_set(err, -EINVAL, "the command is not UTF-8");
	if (put_names(doc, "Volumes", &c->volumes, false) < 0)
		return cps_err_set(err, -EINVAL, "a volume is not UTF-8");
	if (put_text(doc, "WorkingDir", c->working_dir) < 0)
		return cps_err_set(err, -EINVAL, "the working folder is not UTF-8");
	if (put_names(doc, "Labels", &c->labels, true) < 0)
		return cps_err_set(err, -EINVAL, "a label is not UTF-8");
	if (put_text(doc, "StopSignal", c->stop_signal) < 0)
		return cps_err_set(err, -EINVAL, "the signal is not UTF-8");
	return 0;
}
