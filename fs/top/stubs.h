#ifndef CPS_TOP_STUBS_H
#define CPS_TOP_STUBS_H

#include "fs/top/internal.h"

/** Forget what a sandbox made to mount upon and nobody touched since, after replay. The
 *  log keeps it: only for a top that is not written. 0; -ENOMEM. */
int cps_top_hide_stubs(struct cps_top *top);

/** The same with one that was touched, if it is one; and those above it that it was the
 *  last in. `name` in the folder `dir`. */
int cps_top_hide_stub(struct cps_top *top, uint64_t dir, const char *name, size_t len);

#endif
