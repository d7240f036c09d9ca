#ifndef CPS_TOP_COMPACT_H
#define CPS_TOP_COMPACT_H

#include "fs/top/top.h"

/** Write the log anew when more than half of it is garbage and no mark needs it: a log
 *  of the state as it is, made aside and renamed over `name`. For a top that nobody
 * uses any more; what was there stays good if anything fails. */
int cps_top_compact(struct cps_top *top, const char *name, struct cps_err *err);

#endif
