/* The words of run's options: volumes, networks, signals. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "store/names.h"
#include "tools/run/spec.h"

/* ---- volumes ---- */

void cps_bind_release(struct cps_bind *bind)
{
	free(bind->source);
	*bind = (struct cps_bind){0};
}

static int bad(const char *text, const char *why, struct cps_err *err)
{
	return cps_err_set(err, -EINVAL, "invalid volume specification: '%s': %s", text,
			   why);
}

static int take_mode(const char *text, const char *mode, struct cps_bind *out,
		     struct cps_err *err)
{
	/* What other tools' files say about labels and caches changes nothing here. */
	static const char *const idle[] = {"rw",     "z",         "Z",
					   "cached", "delegated", "consistent"};

	while (*mode) {
		size_t len = strcspn(mode, ","), i;

		if (len == 2 && strncmp(mode, "ro", 2) == 0) {
			out->read_only = true;
		} else {
			for (i = 0; i < CPS_ARRAY_LEN(idle); i++)
				if (strlen(idle[i]) == len &&
				    strncmp(idle[i], mode, len) == 0)
					break;
			if (i == CPS_ARRAY_LEN(idle))
				return cps_err_set(err, -EINVAL,
						   "'%s': invalid mode: '%.*s'", text,
						   (int)len, mode);
		}
		mode += len + (mode[len] == ',');
	}
	return 0;
}

/* "./data" is meant from where the caller is. */
static int make_absolute(struct cps_bind *out)
{
	cps_auto(cps_free) char *here = NULL;
	char *whole;
	const char *target = out->target;
	int n;

	if (out->source[0] != '.')
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return -errno;
	/* The target lives behind the source's NUL, as it did before. */
	n = asprintf(&whole, "%s/%s%c%s", here, out->source, '\0', target);
	if (n < 0)
		return -ENOMEM;
	free(out->source);
	out->source = whole;
	out->target = whole + strlen(whole) + 1;
	return 0;
}

int cps_bind_parse(const char *text, struct cps_bind *out, struct cps_err *err)
{
	char *target, *mode;
	int rc;

	*out = (struct cps_bind){.source = strdup(text)};
	if (!out->source)
		return cps_err_nomem(err);
	target = strchr(out->source, ':');
	if (!target || target == out->source)
		return bad(text, "it is [SOURCE:]TARGET[:ro]", err);
	*target++ = '\0';
	out->target = target;
	mode = strchr(target, ':');
	if (mode)
		*mode++ = '\0';
	if (target[0] != '/')
		return bad(text, "the target is no absolute path", err);
	if (target[strspn(target, "/.")] == '\0')
		return bad(text, "the target must not be '/'", err);
	if (mode && take_mode(text, mode, out, err) < 0)
		return -EINVAL;
	rc = make_absolute(out);
	if (rc < 0)
		return cps_err_sys(err, rc, "volume '%s'", text);
	out->named = out->source[0] != '/';
	if (out->named && !cps_container_name_ok(out->source))
		return cps_err_set(
			err, -EINVAL,
			"'%s' includes invalid characters for a local "
			"volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
			"allowed. If you intended to pass a host directory, "
			"use absolute path",
			out->source);
	return 0;
}

/* ---- networks ---- */

int cps_network_parse(const char *text, enum cps_net *out, struct cps_err *err)
{
	static const struct {
		const char *name;
		enum cps_net net;
	} names[] = {
		{"", CPS_NET_HOST},          {"host", CPS_NET_HOST},
		{"none", CPS_NET_NONE},      {"private", CPS_NET_PRIVATE},
		{"bridge", CPS_NET_PRIVATE},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(names); i++)
		if (strcmp(text, names[i].name) == 0) {
			*out = names[i].net;
			return 0;
		}
	return cps_err_set(err, -EINVAL,
			   "network '%s' not found: it is host, none or private", text);
}

/* ---- signals ---- */

int cps_signal_parse(const char *text, struct cps_err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char *end;
	long n;

	if (isdigit((unsigned char)text[0])) {
		n = strtol(text, &end, 10);
		if (!*end && n > 0 && n < NSIG)
			return (int)n;
		return cps_err_set(err, -EINVAL, "invalid signal: '%s'", text);
	}
	for (int i = 1; i < NSIG; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && strcasecmp(abbrev, name) == 0)
			return i;
	}
	if (strncasecmp(name, "RTMIN", 5) == 0) {
		n = name[5] == '+' ? strtol(name + 6, NULL, 10) : 0;
		if ((!name[5] || name[5] == '+') && n >= 0 && n <= SIGRTMAX - SIGRTMIN)
			return SIGRTMIN + (int)n;
	}
	return cps_err_set(err, -EINVAL, "invalid signal: '%s'", text);
}

void cps_signal_text(int signo, char out[16])
{
	const char *abbrev = sigabbrev_np(signo);

	if (abbrev)
		snprintf(out, 16, "SIG%s", abbrev);
	else
		snprintf(out, 16, "%d", signo);
}
