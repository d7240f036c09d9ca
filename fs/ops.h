#ifndef CPS_FS_OPS_H
#define CPS_FS_OPS_H

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/loop.h"
#include "fs/top/top.h"

/** What the operations work on; the session's userdata. */
struct cps_ops {
	struct cps_top *top;       /* borrowed */
	struct cps_loop *loop;     /* borrowed; set before the first request */
	struct cps_seeker *seeker; /* owned by the mount; NULL: read-only */
	struct fuse_session *se;   /* borrowed */
	int fd;                    /* borrowed; the device */
	bool default_permissions;
	bool writeback;        /* the kernel collects small writes */
	char *mountpoint;      /* owned by the mount; absolute; NULL: detached */
	int root;              /* owned by the mount; of a detached one; else -1 */
	bool init_reply;       /* the next message to the kernel answers INIT */
	uint32_t kernel_flags; /* of INIT: what the kernel can do */
};

extern const struct fuse_lowlevel_ops cps_fuse_ops;

/* Replies are kept by the kernel for ever: nobody else changes anything. */
#define CPS_FOREVER_S  1e9
#define CPS_GENERATION 1u /* nodeids are never used again */

static inline struct cps_ops *cps_ops_of(fuse_req_t req)
{
	return (struct cps_ops *)fuse_req_userdata(req);
}

/** What the kernel is told of an inode that it looked up: counted. */
int cps_ops_entry(struct cps_top *top, uint64_t ino, struct fuse_entry_param *out);
/** Reply with an entry; a kernel that does not take it forgets it. */
void cps_ops_reply_entry(fuse_req_t req, int rc, uint64_t ino);

/* The operations that change something (fs/ops_write.c). */
void cps_op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
		  dev_t rdev);
void cps_op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode);
void cps_op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
		    const char *name);
void cps_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name);
void cps_op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name);
void cps_op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name);
void cps_op_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to_dir,
		   const char *to_name, unsigned int flags);
void cps_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi);
void cps_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void cps_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		  off_t off, struct fuse_file_info *fi);
void cps_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		      struct fuse_file_info *fi);
void cps_op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_off,
			    struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_off,
			    struct fuse_file_info *to_fi, size_t len, int flags);
void cps_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		  struct fuse_file_info *fi);

/** Requests that this libfuse does not know, or knows half of. For cps_loop_opts.raw;
 *  ctx: the cps_ops. */
bool cps_ops_raw(void *ctx, const void *request, size_t len);

#endif
