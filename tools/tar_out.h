#ifndef CPS_TOOLS_TAR_OUT_H
#define CPS_TOOLS_TAR_OUT_H

#include "store/root.h"
#include "store/tar.h"

/** Write inode `ino` and everything below it as a tar archive whose first member is
 *  `name`. Owners, xattrs and hard links are the image's; a hole is written as zeros.
 *  `write` sets the message when it fails. */
int cps_tar_out(struct cps_root *root, uint32_t ino, const char *name,
		const struct cps_progress *progress, cps_write_fn write, void *ctx,
		struct cps_err *err);

#endif
