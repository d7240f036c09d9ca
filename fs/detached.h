#ifndef CPS_FS_DETACHED_H
#define CPS_FS_DETACHED_H

#include "fs/mount.h"

/** Make a FUSE file system that is mounted nowhere: the caller has its root as a
 *  descriptor, and whoever moves it into a mount namespace makes it seen there. It is
 *  unmounted when nobody holds it any more.
 *  device  out: the open /dev/fuse, owned
 *  root    out: O_PATH of its root, owned
 *  0; -ENODEV no FUSE here; -EPERM neither root nor in a user namespace of our own. */
int cps_detached_new(const struct cps_mount_opts *opts, bool writable, int *device,
		     int *root, struct cps_err *err);

#endif
