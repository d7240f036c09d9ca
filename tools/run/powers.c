#include "tools/run/powers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/base/mem.h"
#include "tools/run/caps.h"

/* ---- capabilities ---- */

static int find_cap(const char *text, struct cps_err *err)
{
	int cap = cps_cap_number(text);

	return cap >= 0 ? cap
			: cps_err_set(err, -EINVAL, "invalid capability: '%s'", text);
}

static bool is_all(const char *text)
{
	return strcasecmp(text, "ALL") == 0 || strcasecmp(text, "CAP_ALL") == 0;
}

static int drop_caps(char *const *list, uint64_t *caps, struct cps_err *err)
{
	for (; list && *list; list++) {
		int cap = is_all(*list) ? 0 : find_cap(*list, err);

		if (cap < 0)
			return cap;
		*caps &= is_all(*list) ? 0 : ~((uint64_t)1 << cap);
	}
	return 0;
}

int cps_powers_caps(struct cps_powers *powers, char *const *drop, char *const *add,
		    struct cps_err *err)
{
	const uint64_t usual = cps_caps_usual();
	uint64_t caps = usual, added = 0;
	int rc = drop_caps(drop, &caps, err);

	for (; rc == 0 && add && *add; add++) {
		int cap = is_all(*add) ? -1 : find_cap(*add, err);

		if (cap < 0 && !is_all(*add))
			return cap;
		if (cap < 0 || !cps_cap_may_be_added(cap))
			return cps_err_set(
				err, -EINVAL,
				"capability '%s' cannot be added: what keeps a "
				"container in is made for one that does not have it",
				*add);
		added |= (uint64_t)1 << cap;
	}
	if (rc < 0)
		return rc;
	caps |= added;
	powers->caps_gone = usual & ~caps;
	powers->caps_more = caps & ~usual;
	return 0;
}

/* ---- limits ---- */

static const struct kind {
	const char *name;
	int resource;
} kinds[] = {
	{"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},         {"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

static const struct kind *find_kind(const char *name, size_t len)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == len &&
		    memcmp(kinds[i].name, name, len) == 0)
			return &kinds[i];
	return NULL;
}

/* A number up to `end`; -1 for no limit. */
static bool take_number(const char **at, char end, rlim_t *out)
{
	char *stop;
	long long n = strtoll(*at, &stop, 10);

	if (stop == *at || *stop != end || n < -1)
		return false;
	*out = n < 0 ? RLIM_INFINITY : (rlim_t)n;
	*at = stop + (end != '\0');
	return true;
}

/* The last word on a resource counts. */
static struct cps_limit *place_of(struct cps_powers *powers, int resource)
{
	size_t i = 0;

	_Static_assert(CPS_ARRAY_LEN(kinds) <= CPS_LIMITS_MAX, "one of each kind");
	while (i < powers->limit_count && powers->limits[i].resource != resource)
		i++;
	return &powers->limits[i];
}

int cps_powers_limit(struct cps_powers *powers, const char *text, struct cps_err *err)
{
	size_t len = strcspn(text, "=");
	const struct kind *kind = find_kind(text, len);
	const char *at = text + len + 1;
	struct cps_limit *out;

	if (!kind || !text[len])
		return cps_err_set(err, -EINVAL, "invalid ulimit: '%s'", text);
	out = place_of(powers, kind->resource);
	out->resource = kind->resource;
	if (!take_number(&at, strchr(at, ':') ? ':' : '\0', &out->limit.rlim_cur))
		return cps_err_set(err, -EINVAL, "invalid ulimit: '%s'", text);
	out->limit.rlim_max = out->limit.rlim_cur;
	if (at[-1] == ':' && !take_number(&at, '\0', &out->limit.rlim_max))
		return cps_err_set(err, -EINVAL, "invalid ulimit: '%s'", text);
	if (out->limit.rlim_cur > out->limit.rlim_max)
		return cps_err_set(err, -EINVAL,
				   "ulimit '%s': the soft limit is above the hard one",
				   text);
	if (out == &powers->limits[powers->limit_count])
		powers->limit_count++;
	return 0;
}

const char *cps_limit_name(int resource)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(kinds); i++)
		if (kinds[i].resource == resource)
			return kinds[i].name;
	return "";
}

int cps_powers_set_limits(const struct cps_powers *powers, struct cps_err *err)
{
	for (size_t i = 0; i < powers->limit_count; i++) {
		const struct cps_limit *l = &powers->limits[i];

		if (setrlimit((__rlimit_resource_t)l->resource, &l->limit) < 0)
			return cps_err_sys(err, -errno, "ulimit %s",
					   cps_limit_name(l->resource));
	}
	return 0;
}
