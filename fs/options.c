#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mount.h"
#include "store/base/distance.h"
#include "store/base/path.h"

#define OPTION_MAX     64 /* bytes of a name that is worth a guess */
#define GUESS_DISTANCE 3u /* at most, of a typing error from what was meant */

enum kind { SET, CLEAR, NUMBER, PASS };

struct option {
	const char *name;
	enum kind kind;
	size_t at; /* of the field */
	unsigned int max;
};

#define FIELD(field) offsetof(struct cps_mount_opts, field)

static const struct option options[] = {
	{"suid", SET, FIELD(suid), 0},
	{"nosuid", CLEAR, FIELD(suid), 0},
	{"dev", SET, FIELD(dev), 0},
	{"nodev", CLEAR, FIELD(dev), 0},
	{"exec", CLEAR, FIELD(noexec), 0},
	{"noexec", SET, FIELD(noexec), 0},
	{"atime", CLEAR, FIELD(noatime), 0},
	{"noatime", SET, FIELD(noatime), 0},
	{"diratime", CLEAR, FIELD(nodiratime), 0},
	{"nodiratime", SET, FIELD(nodiratime), 0},
	{"allow_other", SET, FIELD(allow_other), 0},
	{"noallow_other", CLEAR, FIELD(allow_other), 0},
	{"default_permissions", SET, FIELD(default_permissions), 0},
	{"nodefault_permissions", CLEAR, FIELD(default_permissions), 0},
	{"writeback", SET, FIELD(writeback), 0},
	{"nowriteback", CLEAR, FIELD(writeback), 0},
	{"volatile", SET, FIELD(is_volatile), 0},
	{"spin_us", NUMBER, FIELD(spin_us), CPS_SPIN_MAX_US},
	{"threads", NUMBER, FIELD(threads), CPS_THREADS_MAX},
	{"cache_mb", NUMBER, FIELD(cache_mb), CPS_CACHE_MAX_MB},
	{"keep_mb", NUMBER, FIELD(keep_mb), CPS_CACHE_MAX_MB},
	/* mount(8) says rw to every helper unless told ro; times of access are never
	 * kept; the rest is for fstab. */
	{"ro", PASS, 0, 0},
	{"rw", PASS, 0, 0},
	{"defaults", PASS, 0, 0},
	{"relatime", PASS, 0, 0},
	{"norelatime", PASS, 0, 0},
	{"strictatime", PASS, 0, 0},
	{"nostrictatime", PASS, 0, 0},
	{"lazytime", PASS, 0, 0},
	{"nolazytime", PASS, 0, 0},
	{"async", PASS, 0, 0},
	{"sync", PASS, 0, 0},
	{"dirsync", PASS, 0, 0},
	{"auto", PASS, 0, 0},
	{"noauto", PASS, 0, 0},
	{"nofail", PASS, 0, 0},
	{"_netdev", PASS, 0, 0},
	{"user", PASS, 0, 0},
	{"nouser", PASS, 0, 0},
	{"users", PASS, 0, 0},
	{"nousers", PASS, 0, 0},
	{"owner", PASS, 0, 0},
	{"noowner", PASS, 0, 0},
	{"group", PASS, 0, 0},
	{"nogroup", PASS, 0, 0},
};

void cps_mount_defaults(struct cps_mount_opts *opts)
{
	bool root = geteuid() == 0; /* also of a user namespace */

	*opts = (struct cps_mount_opts){
		.allow_other = root,
		.default_permissions = root,
		.spin_us = CPS_SPIN_DEFAULT_US,
		.keep_mb = CPS_KEEP_DEFAULT_MB,
	};
}

static const struct option *find(const char *name, size_t len)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(options); i++)
		if (strlen(options[i].name) == len &&
		    memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static const char *nearest(const char *name, size_t len)
{
	size_t best = GUESS_DISTANCE + 1;
	const char *guess = NULL;
	char word[OPTION_MAX + 1];

	if (len > OPTION_MAX)
		return NULL;
	memcpy(word, name, len);
	word[len] = '\0';
	for (size_t i = 0; i < CPS_ARRAY_LEN(options); i++) {
		size_t d = cps_distance(word, options[i].name);

		if (d < best && d < len) {
			best = d;
			guess = options[i].name;
		}
	}
	return guess;
}

static int unknown(const char *name, size_t len, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf shown = CPS_BUF_INIT(CPS_ERR_MAX);
	const char *guess = nearest(name, len);

	if (cps_escape(&shown, name, len) < 0)
		return cps_err_set(err, -EINVAL, "unknown mount option");
	if (!guess)
		return cps_err_set(err, -EINVAL, "unknown mount option '%s'",
				   cps_buf_cstr(&shown));
	return cps_err_set(err, -EINVAL, "unknown mount option '%s'; is it '%s'?",
			   cps_buf_cstr(&shown), guess);
}

static int take_number(const struct option *option, const char *text, size_t len,
		       struct cps_mount_opts *opts, struct cps_err *err)
{
	unsigned int *field = (unsigned int *)((char *)opts + option->at);
	unsigned int value = 0;

	for (size_t i = 0; i < len && value <= option->max; i++) {
		if (text[i] < '0' || text[i] > '9')
			return cps_err_set(err, -EINVAL,
					   "mount option '%s' takes a number",
					   option->name);
		value = value * 10 + (unsigned int)(text[i] - '0');
	}
	if (len == 0 || value > option->max)
		return cps_err_set(err, -EINVAL,
				   "mount option '%s' takes a number up to %u",
				   option->name, option->max);
	*field = value;
	return 0;
}

static bool for_fstab(const char *word, size_t len)
{
	return len > 2 && (memcmp(word, "x-", 2) == 0 || memcmp(word, "X-", 2) == 0);
}

static int take_word(const char *word, size_t len, struct cps_mount_opts *opts,
		     struct cps_err *err)
{
	const char *equals = memchr(word, '=', len);
	size_t name_len = equals ? (size_t)(equals - word) : len;
	const struct option *option = find(word, name_len);

	if (!option)
		return for_fstab(word, len) ? 0 : unknown(word, name_len, err);
	if (option->kind == PASS)
		return 0;
	if (option->kind == NUMBER)
		return take_number(option, equals ? equals + 1 : "",
				   equals ? len - name_len - 1 : 0, opts, err);
	if (equals)
		return cps_err_set(err, -EINVAL, "mount option '%s' takes no value",
				   option->name);
	*(bool *)((char *)opts + option->at) = option->kind == SET;
	return 0;
}

int cps_mount_parse_options(const char *text, struct cps_mount_opts *opts,
			    struct cps_err *err)
{
	int rc = 0;

	while (*text && rc == 0) {
		size_t len = strcspn(text, ",");

		if (len)
			rc = take_word(text, len, opts, err);
		text += len + (text[len] == ',');
	}
	return rc;
}
