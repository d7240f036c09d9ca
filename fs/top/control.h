#ifndef CPS_TOP_CONTROL_H
#define CPS_TOP_CONTROL_H

#include "fs/top/top.h"

/* What another process may ask of a driver that serves a top: to mark a moment. It goes
 * through a socket in the top's folder, which only the store's owner can reach. */

struct cps_control;

/** Serve requests in a thread of its own. What the kernel still holds of changes is
 *  written back before a mark, by syncfs(2) on the mount at `path`, which is looked up
 *  below the folder `at`.
 *  top, dirfd, at  borrowed until cps_control_stop() */
int cps_control_start(struct cps_top *top, int dirfd, int at, const char *path,
		      struct cps_control **out, struct cps_err *err);
void cps_control_stop(struct cps_control *control);

/** Have the driver of the top in folder `dirfd` mark this moment. `name` "": for a
 *  reader that comes now. *upto is the length of the log to read.
 *  -ENOTCONN nobody serves it; else the driver's error. */
int cps_control_mark(int dirfd, const char *name, uint64_t *upto, struct cps_err *err);
/** Does a driver serve the top in folder `dirfd`? One that is about to end does not. */
bool cps_control_alive(int dirfd);

#endif
