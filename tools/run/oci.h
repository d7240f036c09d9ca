#ifndef CPS_RUN_OCI_H
#define CPS_RUN_OCI_H

#include <stdio.h>

#include "tools/run/sandbox.h"
#include "tools/run/user.h"

/* The same sandbox made by runc or crun. They find their way in the root by paths, and
 * follow what a hostile one plants there (CVE-2025-31133 and its like): whatever they
 * mount on is looked up and made before, and links in its place are refused. */

/** The runtime's process, which ends with the program's exit status. */
struct cps_oci {
	char *id, *bundle; /* owned */
	const char *runtime;
	pid_t pid;
	int pidfd;
	pid_t keeper; /* ends all of it when we are killed */
	int alive;    /* owned; what the keeper waits for the end of */
	pid_t init;   /* the program's process, PID 1 inside */
	size_t volume_count;
};

/** Write the bundle and run it.
 *  opts   as for cps_sandbox_new(); opts->runtime and opts->bundle are set
 *  root   a detached mount or one to be bound; borrowed
 *  tty    as for cps_sandbox_start() */
int cps_oci_start(const struct cps_sandbox_opts *opts, int root,
		  const struct cps_process *process, struct cps_oci *out, int *tty,
		  struct cps_err *err);
/** Kill all that is in it; the runtime's process ends then. */
void cps_oci_kill(const struct cps_oci *oci);
/** End what still runs and remove the bundle's files. */
void cps_oci_release(struct cps_oci *oci);

/* ---- its parts ---- */

#define CPS_OCI_ROOTFS "rootfs" /* the root's name in the bundle */

/** All that is made for one start. */
struct cps_oci_setup {
	const struct cps_sandbox_opts *opts;
	const struct cps_process *process;
	struct cps_user user;
	const char *path; /* of the bundle, absolute, borrowed */
	char *base;       /* owned; where the root is mounted */
	/* Without links, owned; the targets are of the root's own folders, which
	 * others may hide, then of volumes, tmpfs and files, and NULL ends them. */
	char *cwd, **targets;
	int bundle, root; /* owned */
};

/** Mount root and volumes in the bundle, and look up or make all that the runtime will
 *  go to by a path. 0 or -errno. */
int cps_oci_prepare_root(struct cps_oci_setup *setup, int root, struct cps_err *err);
void cps_oci_setup_release(struct cps_oci_setup *setup);

/** 0 or -errno. */
int cps_oci_write_file(int dir, const char *name, const char *text);

/** Where a volume is mounted in the bundle. */
#define CPS_OCI_VOLUME_MAX 32
static inline void cps_oci_volume_name(char name[CPS_OCI_VOLUME_MAX], size_t i)
{
	snprintf(name, CPS_OCI_VOLUME_MAX, "volume-%zu", i);
}

/** Write config.json. 0 or -errno. */
int cps_oci_write_config(const struct cps_oci_setup *setup, int fd,
			 struct cps_err *err);

#endif
