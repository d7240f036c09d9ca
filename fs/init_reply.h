#ifndef CPS_FS_INIT_REPLY_H
#define CPS_FS_INIT_REPLY_H

#include <stdbool.h>
#include <sys/uio.h>

/** Set in libfuse's answer to INIT what libfuse 3.14 has no call for: parallel lookups
 *  and listings in one folder, and id-mapped mounts where the kernel checks
 *  permissions. An answer of another shape is left as it is. */
void cps_init_reply_patch(struct iovec *iov, int count, bool default_permissions);

#endif
