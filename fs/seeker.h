#ifndef CPS_FS_SEEKER_H
#define CPS_FS_SEEKER_H

#include <fuse3/fuse_lowlevel.h>

#include "fs/top/top.h"

/* SEEK_DATA and SEEK_HOLE where the kernel collects writes: it asks the driver without
 * having told it of the pages that it holds back, and would hear of holes where there is
 * data. So it is first made to give them up, by dropping what it keeps of the file. That
 * waits for WRITEs, which the threads of the loop must be free to answer: hence a thread
 * of its own. */

struct cps_seeker;

/** top, se  borrowed until cps_seeker_stop() */
int cps_seeker_start(struct cps_top *top, struct fuse_session *se,
		     struct cps_seeker **out, struct cps_err *err);
/** What waits is answered first. */
void cps_seeker_stop(struct cps_seeker *seeker);
/** Answer `req` some time. */
void cps_seeker_take(struct cps_seeker *seeker, fuse_req_t req, fuse_ino_t ino,
		     off_t off, int whence);
/** Answer it at once. */
void cps_seek_reply(struct cps_top *top, fuse_req_t req, fuse_ino_t ino, off_t off,
		    int whence);

#endif
