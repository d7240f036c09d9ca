#ifndef CPS_RUN_PROGRAM_H
#define CPS_RUN_PROGRAM_H

#include "tools/run/sandbox.h"
#include "tools/run/user.h"

/* From a process in the sandbox's namespaces to the program. */

#define CPS_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct cps_launch {
	struct cps_process process; /* borrowed */
	struct cps_user user;
	int cwd;  /* O_PATH of the working folder */
	int step; /* see step.h */
	int tty;  /* slave of the terminal; -1: process.stdio */
	bool dies_with_parent;
};

#define CPS_LAUNCH_INIT                                                                \
	{                                                                              \
		.cwd = -1, .step = -1, .tty = -1                                       \
	}

/** Look everything up in the root, which is O_PATH of "/" by now or soon: the user, the
 *  working folder, which is made when missing. */
int cps_launch_prepare(struct cps_launch *launch, int root, struct cps_err *err);
/** Fork the program and wait until it runs.
 *  flags  of clone(2), CLONE_PARENT or 0
 *  0 with its process ID; -ENOENT, -EACCES: the program's fault; -errno */
int cps_launch_start(struct cps_launch *launch, unsigned long flags, pid_t *pid,
		     struct cps_err *err);
void cps_launch_release(struct cps_launch *launch);

#endif
