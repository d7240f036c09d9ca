#ifndef CPS_FS_MOUNT_H
#define CPS_FS_MOUNT_H

#include <stdbool.h>

#include "fs/top/top.h"

#define CPS_SPIN_DEFAULT_US 50u
#define CPS_SPIN_MAX_US     10000u
#define CPS_THREADS_MAX     64u
#define CPS_CACHE_MAX_MB    65536u
#define CPS_KEEP_DEFAULT_MB 512u

/** An attribute of a mount's root: the driver's process ID. Not listed. */
#define CPS_MOUNT_DRIVER_XATTR "user.capas.driver"

/** How to mount. A top that is not writable is mounted read-only. */
struct cps_mount_opts {
	const char *mountpoint; /* borrowed; an existing folder; NULL: detached */
	const char *fsname;     /* borrowed; what mount(8) shows as the device */
	bool suid, dev;         /* honour set-id bits and device nodes */
	bool noexec, noatime, nodiratime;
	bool allow_other;         /* others than the mounting user may enter */
	bool default_permissions; /* the kernel checks modes and owners */
	/* Let the kernel collect writes: many small ones cost less, but what it has not
	 * passed on yet is lost with a killed driver. */
	bool writeback;
	bool is_volatile;     /* for whoever opens the top: see cps_top_opts */
	unsigned int spin_us; /* look for the next request so long before sleeping */
	unsigned int threads; /* 0: by the number of processors */
	/* For whoever opens the root: of decoded content, in MiB. 0: its default */
	unsigned int cache_mb;
	/* Likewise: of decoded content that the store keeps for later mounts. */
	unsigned int keep_mb;
};

/** What fits the caller: root shares a mount and has the kernel check permissions; an
 *  ordinary user, to whom the image's owners mean nothing, does neither. */
void cps_mount_defaults(struct cps_mount_opts *opts);

/** Take what stands behind -o, on top of what `opts` says. Options that only mount(8)
 *  and fstab understand are passed over.
 *  0; -EINVAL with the option, and the one that was probably meant, named. */
int cps_mount_parse_options(const char *text, struct cps_mount_opts *opts,
			    struct cps_err *err);

struct cps_mount;

/** Mount; returns when the kernel has the mount. Whoever uses it waits until
 *  cps_mount_serve() answers.
 *  top   borrowed, must outlive the mount
 *  opts  borrowed for the call
 *  0; -ENOENT, -ENOTDIR the mountpoint; -ENODEV no FUSE here; -EPERM. */
int cps_mount_open(struct cps_top *top, const struct cps_mount_opts *opts,
		   struct cps_mount **out, struct cps_err *err);

/** Answer the kernel until the file system is unmounted, or until SIGTERM, SIGINT or
 *  SIGHUP (handled during the call, by one mount of a process at a time): then detach
 *  it and wait a moment for its last users. 0; -EBUSY another mount is served. */
int cps_mount_serve(struct cps_mount *mount, struct cps_err *err);

/** A detached mount is served by threads of the calling process, which goes on. They
 *  inherit its signal mask. */
int cps_mount_start(struct cps_mount *mount, struct cps_err *err);
/** The root of a detached mount, O_PATH. Borrowed. */
int cps_mount_root(const struct cps_mount *mount);
/** Let go of the root, and serve until the others that hold it have done so too, some
 *  seconds at most. 0, or what reading requests said. */
int cps_mount_stop(struct cps_mount *mount, struct cps_err *err);

/** Unmount if that has not happened, and free. */
void cps_mount_close(struct cps_mount *mount);
CPS_AUTO_DEFINE(struct cps_mount, cps_mount_close)

#endif
