#include "fs/init_reply.h"

#include <linux/fuse.h>
#include <string.h>

#define ALLOW_IDMAP_2 (1u << (40 - 32)) /* of flags2; younger than our headers */

void cps_init_reply_patch(struct iovec *iov, int count, bool default_permissions)
{
	struct fuse_init_out init;

	if (count != 2 || iov[1].iov_len != sizeof(init))
		return;
	memcpy(&init, iov[1].iov_base, sizeof(init));
	/* Kernels pass over flags that they do not know. */
	init.flags |= FUSE_PARALLEL_DIROPS;
	if (default_permissions && (init.flags & FUSE_INIT_EXT))
		init.flags2 |= ALLOW_IDMAP_2;
	memcpy(iov[1].iov_base, &init, sizeof(init));
}
