#ifndef CPS_FS_INIT_REPLY_H
#define CPS_FS_INIT_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct cps_init_wishes {
	bool default_permissions, writable;
	uint32_t kernel_flags; /* of the kernel's INIT */
};

/** Set in libfuse's answer to INIT what libfuse 3.14 has no call for: parallel lookups
 *  and listings in one folder; id-mapped mounts where the kernel checks permissions;
 *  and for a mount that is written, that we clear setuid bits by ourselves
 *  (HANDLE_KILLPRIV_V2) and take all of SETXATTR. An answer of another shape is left as
 *  it is. */
void cps_init_reply_patch(struct iovec *iov, int count,
			  const struct cps_init_wishes *wishes);

#endif
