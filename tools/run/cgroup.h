#ifndef CPS_RUN_CGROUP_H
#define CPS_RUN_CGROUP_H

#include "tools/run/sandbox.h"

/* Control groups of either version, and of both at once. A sandbox's group lies below
 * the caller's own: what limits the caller limits it too. */

struct cps_cgroup;

/** Make the groups that the limits want. *out is NULL when there are none.
 *  -EPERM, -ENOSYS when the machine's groups cannot do it, and what could not. */
int cps_cgroup_new(const struct cps_sandbox_opts *opts, struct cps_cgroup **out,
		   struct cps_err *err);
/** Put a process in. */
int cps_cgroup_add(struct cps_cgroup *cgroup, pid_t pid, struct cps_err *err);
/** Remove the groups; nobody is in them any more. */
void cps_cgroup_free(struct cps_cgroup *cgroup);

/** Put the calling process where another one is, as far as that is elsewhere. */
int cps_cgroup_join(pid_t other, struct cps_err *err);

#endif
