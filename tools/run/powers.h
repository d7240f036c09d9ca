#ifndef CPS_RUN_POWERS_H
#define CPS_RUN_POWERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "store/base/err.h"

/* What a program in the sandbox may do besides, or less than, what is usual. */

#define CPS_LIMITS_MAX 16 /* one of each kind */

struct cps_powers {
	/* Capabilities, a bit for each number: those of docker's 14 that are not
	 * there, and others that are. */
	uint64_t caps_gone, caps_more;
	struct cps_limit {
		int resource; /* RLIMIT_* */
		struct rlimit limit;
	} limits[CPS_LIMITS_MAX];
	size_t limit_count;
	char *const *groups; /* borrowed; names or numbers, NULL at the end; or NULL */
};

/** --cap-drop and --cap-add, as docker reads them: ALL goes first. Lists end with NULL,
 *  or are NULL.
 *  -EINVAL no capability, or one that a sandbox like ours cannot give. */
int cps_powers_caps(struct cps_powers *powers, char *const *drop, char *const *add,
		    struct cps_err *err);
/** "nofile=1024", "nofile=1024:2048", -1 for none; the last of a name counts. -EINVAL.
 */
int cps_powers_limit(struct cps_powers *powers, const char *text, struct cps_err *err);

/** "nofile" of RLIMIT_NOFILE. */
const char *cps_limit_name(int resource);

/** Set the limits for this process. -errno, with the one that failed named. */
int cps_powers_set_limits(const struct cps_powers *powers, struct cps_err *err);

#endif
