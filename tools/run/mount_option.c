/* The words of --mount and --add-host. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/names.h"
#include "tools/run/spec.h"

/** --mount, taken apart. */
struct words {
	const char *type, *source, *target, *size, *mode;
	bool read_only;
};

static int bad(const char *text, const char *why, struct cps_err *err)
{
	return cps_err_set(err, -EINVAL, "invalid mount '%s': %s", text, why);
}

static bool is_one_of(const char *word, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(word, *names) == 0)
			return true;
	return false;
}

/* What Go takes for a truth value. False: it is none. */
static bool take_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE", NULL};
	static const char *const no[] = {"0",     "f",     "F", "false",
					 "False", "FALSE", NULL};

	*out = !text || is_one_of(text, yes);
	return *out || is_one_of(text, no);
}

/* One "KEY=VALUE" or "KEY", cut up in place. False: not known. */
static bool take_word(char *word, struct words *out)
{
	static const char *const sources[] = {"source", "src", NULL};
	static const char *const targets[] = {"target", "dst", "destination", NULL};
	static const char *const read_only[] = {"readonly", "ro", NULL};
	/* Nothing here depends on them. */
	static const char *const idle[] = {"consistency", "bind-propagation",
					   "volume-nocopy", NULL};
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (is_one_of(word, read_only))
		return take_bool(value, &out->read_only);
	if (!value)
		return false;
	if (strcmp(word, "type") == 0)
		out->type = value;
	else if (is_one_of(word, sources))
		out->source = value;
	else if (is_one_of(word, targets))
		out->target = value;
	else if (strcmp(word, "tmpfs-size") == 0)
		out->size = value;
	else if (strcmp(word, "tmpfs-mode") == 0)
		out->mode = value;
	else
		return is_one_of(word, idle);
	return true;
}

static int make_tmpfs(const struct words *w, struct cps_buf *out)
{
	return cps_buf_printf(out, "%s:%s%s%s%s%s", w->target,
			      w->read_only ? "ro" : "rw", w->size ? ",size=" : "",
			      w->size ? w->size : "", w->mode ? ",mode=" : "",
			      w->mode ? w->mode : "");
}

static int make_bind(const char *text, const struct words *w, bool named,
		     struct cps_buf *out, struct cps_err *err)
{
	if (!w->source || !w->source[0])
		return bad(text, "it has no source", err);
	if (strchr(w->source, ':') || strchr(w->target, ':'))
		return bad(text, "a path with a colon", err);
	if (named && !cps_container_name_ok(w->source))
		return bad(text, "the source of a volume is a name", err);
	if (!named && w->source[0] != '/')
		return bad(text, "the source is no absolute path", err);
	if (!named && access(w->source, F_OK) < 0)
		return cps_err_set(err, -ENOENT,
				   "invalid mount '%s': bind source path does not "
				   "exist: '%s'",
				   text, w->source);
	return cps_buf_printf(out, "%s:%s%s", w->source, w->target,
			      w->read_only ? ":ro" : "");
}

int cps_mount_option_parse(const char *text, bool *is_tmpfs, char **out,
			   struct cps_err *err)
{
	cps_auto(cps_free) char *copy = strdup(text);
	cps_auto(cps_buf) struct cps_buf made = CPS_BUF_INIT(0);
	struct words w = {.type = "volume"};
	char *save = NULL;
	int rc;

	if (!copy)
		return cps_err_nomem(err);
	for (char *word = strtok_r(copy, ",", &save); word;
	     word = strtok_r(NULL, ",", &save))
		if (!take_word(word, &w))
			return cps_err_set(err, -EINVAL,
					   "invalid mount '%s': '%s' is not known",
					   text, word);
	if (!w.target || w.target[0] != '/')
		return bad(text, "the target is no absolute path", err);
	*is_tmpfs = strcmp(w.type, "tmpfs") == 0;
	if (*is_tmpfs && w.source)
		return bad(text, "a tmpfs has no source", err);
	if (*is_tmpfs)
		rc = make_tmpfs(&w, &made);
	else if (strcmp(w.type, "bind") == 0)
		rc = make_bind(text, &w, false, &made, err);
	else if (strcmp(w.type, "volume") == 0)
		rc = make_bind(text, &w, true, &made, err);
	else
		return bad(text, "the type is bind, tmpfs or volume", err);
	if (rc == 0)
		*out = (char *)cps_buf_steal(&made, NULL);
	return rc == -ENOMEM ? cps_err_nomem(err) : rc;
}

int cps_host_parse(const char *text, char **out, struct cps_err *err)
{
	size_t len = strcspn(text, ":=");
	const char *address = text + len + (text[len] != '\0');
	cps_auto(cps_free) char *plain = strdup(address);
	unsigned char bytes[16];
	size_t n = plain ? strlen(plain) : 0;

	if (!plain)
		return cps_err_nomem(err);
	/* "[::1]" is ::1. */
	if (n > 1 && plain[0] == '[' && plain[n - 1] == ']') {
		memmove(plain, plain + 1, n - 2);
		plain[n - 2] = '\0';
	}
	if (len == 0 || strcspn(text, " \t\r\n#") < len ||
	    (inet_pton(AF_INET, plain, bytes) != 1 &&
	     inet_pton(AF_INET6, plain, bytes) != 1))
		return cps_err_set(err, -EINVAL,
				   "bad format for add-host: '%s': it is NAME:ADDRESS",
				   text);
	return asprintf(out, "%.*s:%s", (int)len, text, plain) < 0 ? cps_err_nomem(err)
								   : 0;
}
