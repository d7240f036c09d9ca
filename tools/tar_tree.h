#ifndef CPS_TOOLS_TAR_TREE_H
#define CPS_TOOLS_TAR_TREE_H

#include "store/tar.h"

/** Write `name` in the folder `dirfd` and all below it as a tar archive whose first
 *  member is `as`. No link is followed, nothing but regular files is opened; sockets
 *  are left out; a hole is written as zeros. `write` sets the message when it fails. */
int cps_tar_tree(int dirfd, const char *name, const char *as, cps_write_fn write,
		 void *ctx, struct cps_err *err);

#endif
