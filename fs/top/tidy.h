#ifndef CPS_TOP_TIDY_H
#define CPS_TOP_TIDY_H

#include "fs/top/internal.h"

/** What a killed process left beside the log goes: data files that nothing is in, and
 *  bytes beyond a file's end that are on no record. A named mark's files stay. 0 or
 *  -errno. */
int cps_top_tidy(struct cps_top *top);

#endif
