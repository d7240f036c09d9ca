#include "fs/init_reply.h"

#include <linux/fuse.h>
#include <string.h>

#define ALLOW_IDMAP_2 (1u << (40 - 32)) /* of flags2; younger than our headers */

void cps_init_reply_patch(struct iovec *iov, int count,
			  const struct cps_init_wishes *wishes)
{
	struct fuse_init_out init;

	if (count != 2 || iov[1].iov_len != sizeof(init))
		return;
	memcpy(&init, iov[1].iov_base, sizeof(init));
	/* Kernels pass over flags that they do not know. */
	init.flags |= FUSE_PARALLEL_DIROPS;
	if (wishes->default_permissions && (init.flags & FUSE_INIT_EXT))
		init.flags2 |= ALLOW_IDMAP_2;
	if (wishes->writable) {
		init.flags &= ~(uint32_t)FUSE_HANDLE_KILLPRIV;
		init.flags |= wishes->kernel_flags &
			      (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT);
	}
	memcpy(iov[1].iov_base, &init, sizeof(init));
}
