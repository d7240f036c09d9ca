#ifndef CPS_RUN_ROOTLESS_H
#define CPS_RUN_ROOTLESS_H

#include <stdbool.h>

#include "store/base/err.h"

/** What makes a container, or mounts one's files, is root: an ordinary user becomes it
 *  in a user namespace of his own (userns.h); one that somebody else has made serves as
 *  well. Before any thread.
 *  rootless  out: not the machine's root */
int cps_become_root(bool *rootless, struct cps_err *err);

/** What this process mounts from now on nobody else sees, and it goes with the process.
 *  0; -errno. */
int cps_own_mounts(struct cps_err *err);

#endif
