#ifndef CPS_TOP_STUBS_H
#define CPS_TOP_STUBS_H

#include "fs/top/internal.h"

/** Forget what a sandbox made to mount upon and nobody touched since, after replay. The
 *  log keeps it: only for a top that is not written. 0; -ENOMEM. */
int cps_top_hide_stubs(struct cps_top *top);

#endif
