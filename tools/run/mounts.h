#ifndef CPS_RUN_MOUNTS_H
#define CPS_RUN_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "store/base/err.h"

/* Mounts as descriptors. Nothing here takes a path of a root: what is mounted upon was
 * found before, see inside.h. */

#define CPS_MOUNT_INERT (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/** A file system of its own that is mounted nowhere yet.
 *  options  "key=value" or "flag", ended by NULL; NULL: none
 *  attrs    MOUNT_ATTR_*
 *  A descriptor or -errno. */
int cps_mount_new(const char *type, const char *const *options, unsigned int attrs,
		  struct cps_err *err);
/** A copy of a mount, or of a part of it, that is mounted nowhere yet.
 *  dirfd, path  as for openat(2); "" is the descriptor itself
 *  A descriptor or -errno. */
int cps_mount_clone(int dirfd, const char *path, bool recursive);
/** As a mount that is mounted nowhere: a copy with all below it, or the very one where
 * it is mounted nowhere already, which older kernels do not copy. A descriptor or
 * -errno.
 */
int cps_mount_copy(int mount);
/** Mount it. The descriptor stays that of the mount, and borrowed. 0 or -errno. */
int cps_mount_attach(int mount, int onto);
/** Change the flags of one mount, or of all below it. 0 or -errno. */
int cps_mount_set(int mount, uint64_t attrs, bool recursive);
/** Nothing that is mounted here reaches another namespace, and the other way round.
 *  0 or -errno. */
int cps_mount_all_private(void);
/** Take a mount away whose descriptor this is. Changes the working folder. */
int cps_mount_detach(int mount);
/** The mount becomes "/" of the process and its namespace; nothing else is left.
 *  `mount` lies on the old root. 0 or -errno. */
int cps_mount_pivot(int mount);

#endif
