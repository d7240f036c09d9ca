#ifndef CPS_FS_OPS_H
#define CPS_FS_OPS_H

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/loop.h"
#include "store/root.h"

/** What the operations work on; the session's userdata. */
struct cps_ops {
	struct cps_root *root; /* borrowed */
	struct cps_loop *loop; /* borrowed; set before the first request */
	bool default_permissions;
	char *mountpoint; /* owned by the mount; absolute */
	bool init_reply;  /* the next message to the kernel is the answer to INIT */
};

extern const struct fuse_lowlevel_ops cps_fuse_ops;

#endif
