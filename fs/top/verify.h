#ifndef CPS_TOP_VERIFY_H
#define CPS_TOP_VERIFY_H

#include "fs/top/internal.h"

/** Are the folders a tree: each below the root, with one name? For the state that
 *  compaction wrote, before any change. 0; -EBADMSG. */
int cps_top_verify(struct cps_top *top);

#endif
