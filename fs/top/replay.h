#ifndef CPS_TOP_REPLAY_H
#define CPS_TOP_REPLAY_H

#include "fs/top/internal.h"

/* From a log to a top. */

#define CPS_TOP_DAMAGED "log.damaged" /* what could not be read, beside the log */

/** Where the last mark of that name is in the log `name`; a name used again means the
 *  newer one. -ENOENT. */
int cps_replay_find_mark(int dirfd, const char *name, const struct cps_digest *id,
			 const char *mark, uint64_t *upto, struct cps_err *err);
/** Read the log and do what it says. What a damaged state loses is said by cps_warn();
 *  -EBADMSG when no sense can be made of it. */
int cps_replay(struct cps_top *top, struct cps_err *err);
/** After it, for a writer: what was not acknowledged goes; what was damaged is set
 *  aside, and said. */
int cps_replay_mend(struct cps_top *top, struct cps_err *err);

#endif
