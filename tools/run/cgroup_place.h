#ifndef CPS_RUN_CGROUP_PLACE_H
#define CPS_RUN_CGROUP_PLACE_H

#include <linux/limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where in the file system a process's control group is. */

struct cps_cgroup_place {
	bool unified;         /* version 2 */
	char mount[PATH_MAX]; /* of the hierarchy */
	char path[PATH_MAX];  /* of the group, the mount's first */
};

/** The group that rules a process by a controller ("memory", ...), or with "" its group
 *  of version 2.
 *  0; -ENOENT no hierarchy that is mounted has it; -errno */
int cps_cgroup_find(pid_t pid, const char *controller, struct cps_cgroup_place *out);

/** Call `visit` for each hierarchy that both processes are in. */
typedef int (*cps_cgroup_visit_fn)(void *ctx, const struct cps_cgroup_place *place);
int cps_cgroup_each(pid_t pid, cps_cgroup_visit_fn visit, void *ctx);

#endif
