#include "store/change.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "store/base/buf.h"
#include "store/base/mem.h"
#include "store/json.h"

#define LINE_MAX_BYTES (64u << 10)

typedef int (*change_fn)(json_t *config, const char *rest, struct cps_err *err);

/* Next word: quotes group, backslash takes the next byte. 1, 0 at the end, -EINVAL. */
static int next_word(const char **at, struct cps_buf *word)
{
	const char *p = *at;
	char quote = 0;

	word->len = 0;
	while (isspace((unsigned char)*p))
		p++;
	if (!*p)
		return 0;
	cps_buf_str(word, "");
	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'') {
			quote = quote ? 0 : *p;
			continue;
		}
		if (*p == '\\' && p[1] && quote != '\'')
			p++;
		if (cps_buf_append(word, p, 1) < 0)
			return -EINVAL;
	}
	*at = p;
	return quote ? -EINVAL : 1;
}

static json_t *string_array(const char *rest)
{
	json_t *list = *rest == '[' ? json_loads(rest, 0, NULL) : NULL;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The JSON form as it is, the shell form through /bin/sh. */
static int set_command(json_t *config, const char *key, const char *rest)
{
	json_t *list = string_array(rest);

	if (!list)
		list = json_pack("[sss]", "/bin/sh", "-c", rest);
	return json_object_set_new(config, key, list) ? -EINVAL : 0; /* not UTF-8 */
}

static int change_cmd(json_t *config, const char *rest, struct cps_err *err)
{
	return set_command(config, "Cmd", rest);
}

static int change_entrypoint(json_t *config, const char *rest, struct cps_err *err)
{
	return set_command(config, "Entrypoint", rest);
}

static int set_env(json_t *config, const char *pair)
{
	json_t *env = cps_json_member(config, "Env", JSON_ARRAY), *item;
	size_t key_len = strcspn(pair, "=") + 1, i;

	json_array_foreach(env, i, item)
	{
		const char *old = json_string_value(item); /* NULL: no string */

		if (old && strncmp(old, pair, key_len) == 0)
			return json_array_set_new(env, i, json_string(pair));
	}
	return json_array_append_new(env, json_string(pair));
}

static int set_label(json_t *config, const char *pair)
{
	const char *eq = strchr(pair, '=');
	cps_auto(cps_free) char *key = strndup(pair, (size_t)(eq - pair));

	return json_object_set_new(cps_json_member(config, "Labels", JSON_OBJECT), key,
				   json_string(eq + 1));
}

/* KEY=VALUE words, or the old form "KEY the rest". */
static int each_pair(json_t *config, const char *rest,
		     int (*set)(json_t *config, const char *pair), struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf word = CPS_BUF_INIT(LINE_MAX_BYTES);
	const char *at = rest;
	int rc, first = 1;

	while ((rc = next_word(&at, &word)) == 1) {
		if (!strchr(cps_buf_cstr(&word), '=')) {
			while (isspace((unsigned char)*at))
				at++;
			if (!first || !*at)
				return cps_err_set(err, -EINVAL, "'%s' has no value",
						   cps_buf_cstr(&word));
			cps_buf_printf(&word, "=%s", at);
			return set(config, cps_buf_cstr(&word)) ? -EINVAL : 0;
		}
		if (set(config, cps_buf_cstr(&word)))
			return cps_err_set(err, -EINVAL, "'%s' is not UTF-8",
					   cps_buf_cstr(&word));
		first = 0;
	}
	return rc < 0 ? cps_err_set(err, rc, "a quote is not closed") : 0;
}

static int change_env(json_t *config, const char *rest, struct cps_err *err)
{
	return each_pair(config, rest, set_env, err);
}

static int change_label(json_t *config, const char *rest, struct cps_err *err)
{
	return each_pair(config, rest, set_label, err);
}

static int add_key(json_t *config, const char *key, const char *name,
		   struct cps_err *err)
{
	json_t *set = cps_json_member(config, key, JSON_OBJECT);

	if (!set)
		return cps_err_nomem(err);
	return json_object_set_new(set, name, json_object()) < 0
		       ? cps_err_set(err, -EINVAL, "'%s' is not UTF-8", name)
		       : 0;
}

static int change_expose(json_t *config, const char *rest, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf word = CPS_BUF_INIT(LINE_MAX_BYTES);
	int rc;

	while ((rc = next_word(&rest, &word)) == 1) {
		const char *text = cps_buf_cstr(&word);
		size_t digits = strspn(text, "0123456789-");

		if (!digits || (text[digits] && text[digits] != '/'))
			return cps_err_set(err, -EINVAL, "'%s' is no port", text);
		if (!text[digits])
			cps_buf_str(&word, "/tcp");
		rc = add_key(config, "ExposedPorts", cps_buf_cstr(&word), err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int change_volume(json_t *config, const char *rest, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf word = CPS_BUF_INIT(LINE_MAX_BYTES);
	json_t *list = string_array(rest), *item;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, item)
	{
		rc = add_key(config, "Volumes", json_string_value(item), err);
		if (rc < 0)
			break;
	}
	while (!list && (rc = next_word(&rest, &word)) == 1) {
		rc = add_key(config, "Volumes", cps_buf_cstr(&word), err);
		if (rc < 0)
			break;
	}
	json_decref(list);
	return rc;
}

static int set_text(json_t *config, const char *key, const char *rest)
{
	return json_object_set_new(config, key, json_string(rest)) ? -EINVAL : 0;
}

static int change_user(json_t *config, const char *rest, struct cps_err *err)
{
	return set_text(config, "User", rest);
}

static int change_stopsignal(json_t *config, const char *rest, struct cps_err *err)
{
	return set_text(config, "StopSignal", rest);
}

static int change_workdir(json_t *config, const char *rest, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf path = CPS_BUF_INIT(LINE_MAX_BYTES);
	const char *old = json_string_value(json_object_get(config, "WorkingDir"));

	if (*rest == '/')
		return set_text(config, "WorkingDir", rest);
	if (cps_buf_printf(&path, "%s/%s", old && strcmp(old, "/") ? old : "", rest) <
	    0)
		return -EINVAL;
	return set_text(config, "WorkingDir", cps_buf_cstr(&path));
}

static const struct {
	const char *name;
	change_fn apply;
} changes[] = {
	{"CMD", change_cmd},         {"ENTRYPOINT", change_entrypoint},
	{"ENV", change_env},         {"EXPOSE", change_expose},
	{"LABEL", change_label},     {"STOPSIGNAL", change_stopsignal},
	{"USER", change_user},       {"VOLUME", change_volume},
	{"WORKDIR", change_workdir},
};

int cps_change_config(json_t *config, const char *line, struct cps_err *err)
{
	size_t name_len;
	const char *rest;
	int rc;

	while (isspace((unsigned char)*line))
		line++;
	name_len = strcspn(line, " \t");
	rest = line + name_len;
	while (isspace((unsigned char)*rest))
		rest++;
	for (size_t i = 0; i < CPS_ARRAY_LEN(changes); i++) {
		if (strlen(changes[i].name) != name_len ||
		    strncasecmp(changes[i].name, line, name_len) != 0)
			continue;
		if (!*rest)
			return cps_err_set(err, -EINVAL, "change '%s': no value", line);
		rc = changes[i].apply(config, rest, err);
		return rc < 0 ? cps_err_wrap(err, rc, "change '%s'", line) : 0;
	}
	return cps_err_set(err, -EINVAL,
			   "change '%s': not one of CMD, ENTRYPOINT, ENV, EXPOSE, "
			   "LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR",
			   line);
}
