#define FUSE_USE_VERSION 314

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fs/ops.h"

/* The parts of requests that libfuse passes over are read here from the request itself;
 * the kernel's own structures are the contract. */

static struct cps_top *top_of(fuse_req_t req)
{
	return cps_ops_of(req)->top;
}

static struct cps_top_who who_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct cps_top_who){ctx->pid, ctx->uid, ctx->gid, ctx->umask};
}

/* The body of the request that the calling thread answers. */
static const void *body_of(fuse_req_t req)
{
	const struct cps_worker *me = cps_loop_leader(cps_ops_of(req)->loop);

	return (const uint8_t *)cps_worker_request(me) + sizeof(struct fuse_in_header);
}

static void reply(fuse_req_t req, int rc)
{
	fuse_reply_err(req, -rc);
}

/* ---- names ---- */

static void make(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
		 dev_t rdev, const char *target)
{
	struct cps_top_who who = who_of(req);
	uint64_t ino = 0;
	int rc = cps_top_make(top_of(req), &who, dir, name, mode, rdev, target, &ino);

	cps_ops_reply_entry(req, rc, ino);
}

void cps_op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
		  dev_t rdev)
{
	make(req, dir, name, mode, rdev, NULL);
}

void cps_op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	make(req, dir, name, (mode & 07777) | S_IFDIR, 0, NULL);
}

void cps_op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
		    const char *name)
{
	make(req, dir, name, S_IFLNK | 0777, 0, target);
}

void cps_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	struct cps_top_who who = who_of(req);

	cps_ops_reply_entry(req, cps_top_link(top_of(req), &who, ino, dir, name), ino);
}

static void remove_name(fuse_req_t req, fuse_ino_t dir, const char *name, bool folder)
{
	struct cps_ops *ops = cps_ops_of(req);
	struct cps_worker *me = cps_loop_leader(ops->loop);
	struct cps_top_who who = who_of(req);

	reply(req, cps_top_unlink(ops->top, &who, dir, name, folder));
	if (cps_top_wants_sync(ops->top)) {
		cps_worker_pass_lead(me);
		cps_top_sync(ops->top);
	}
}

void cps_op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	remove_name(req, dir, name, false);
}

void cps_op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	remove_name(req, dir, name, true);
}

void cps_op_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to_dir,
		   const char *to_name, unsigned int flags)
{
	struct cps_top_who who = who_of(req);

	reply(req,
	      cps_top_rename(top_of(req), &who, dir, name, to_dir, to_name, flags));
}

/* ---- attributes ---- */

static unsigned int mask_of(int to_set, const struct fuse_setattr_in *in)
{
	static const struct {
		int set;
		unsigned int mask;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, CPS_TOP_MODE},
		{FUSE_SET_ATTR_UID, CPS_TOP_UID},
		{FUSE_SET_ATTR_GID, CPS_TOP_GID},
		{FUSE_SET_ATTR_SIZE, CPS_TOP_SIZE},
		{FUSE_SET_ATTR_ATIME, CPS_TOP_ATIME},
		{FUSE_SET_ATTR_MTIME, CPS_TOP_MTIME},
		{FUSE_SET_ATTR_CTIME, CPS_TOP_CTIME},
	};
	unsigned int mask = in->valid & FATTR_KILL_SUIDGID ? CPS_TOP_KILL_PRIV : 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(bits); i++)
		mask |= to_set & bits[i].set ? bits[i].mask : 0;
	return mask;
}

void cps_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	unsigned int mask = mask_of(to_set, body_of(req));
	struct cps_top_who who = who_of(req);
	struct stat st;
	int rc;

	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		clock_gettime(CLOCK_REALTIME, &attr->st_atim);
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		clock_gettime(CLOCK_REALTIME, &attr->st_mtim);
	rc = cps_top_setattr(top_of(req), &who, ino, mask, attr);
	if (rc == 0)
		rc = cps_top_tell(top_of(req), ino, &st);
	if (rc < 0)
		reply(req, rc);
	else
		fuse_reply_attr(req, &st, CPS_FOREVER_S);
}

void cps_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct cps_top_who who = who_of(req);

	reply(req, cps_top_xattr_remove(top_of(req), &who, ino, name));
}

/* ---- content ---- */

/* A kernel that collects writes believes its own size and times, and never asks for
 * st_blocks again. */
static void tell_blocks(struct cps_ops *ops, fuse_ino_t ino)
{
	if (ops->writeback && cps_top_tell_again(ops->top, ino))
		fuse_lowlevel_notify_inval_inode(ops->se, ino, -1, 0);
}

void cps_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		  off_t off, struct fuse_file_info *fi)
{
	const struct fuse_write_in *in = body_of(req);
	struct cps_ops *ops = cps_ops_of(req);
	struct cps_top_who who = who_of(req);
	/* Pages come back some time after they were written. What write(2) costs the
	 * file the kernel took away then, and a map takes nothing: capabilities that
	 * are there now were set since, and stay. */
	bool late = in->write_flags & FUSE_WRITE_CACHE;
	bool cached = ops->writeback && late;
	bool kill_priv = in->write_flags & FUSE_WRITE_KILL_SUIDGID;
	unsigned int flags = (cached ? CPS_TOP_WRITE_CACHED : 0) |
			     (late ? CPS_TOP_WRITE_LATE : 0) |
			     (kill_priv ? CPS_TOP_WRITE_KILL_PRIV : 0);
	int rc = cps_top_write(ops->top, &who, ino, buf, size, (uint64_t)off, flags);

	if (rc < 0) {
		reply(req, rc);
		return;
	}
	fuse_reply_write(req, size);
	tell_blocks(ops, ino);
}

void cps_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		      struct fuse_file_info *fi)
{
	struct cps_top_who who = who_of(req);

	reply(req, cps_top_fallocate(top_of(req), &who, ino, mode, (uint64_t)off,
				     (uint64_t)len));
}

/* One buffer's worth; the caller comes again for the rest. */
void cps_op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_off,
			    struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_off,
			    struct fuse_file_info *to_fi, size_t len, int flags)
{
	struct cps_ops *ops = cps_ops_of(req);
	struct cps_worker *me = cps_loop_leader(ops->loop);
	struct cps_top_who who = who_of(req);
	void *buf = cps_worker_buffer(me);
	ssize_t n;
	int rc = 0;

	cps_worker_pass_lead(me);
	n = cps_top_pread(ops->top, from, buf, len < CPS_IO_MAX ? len : CPS_IO_MAX,
			  (uint64_t)from_off, 0);
	if (n > 0)
		rc = cps_top_write(ops->top, &who, to, buf, (size_t)n, (uint64_t)to_off,
				   CPS_TOP_WRITE_ASK_PRIV);
	if (n < 0 || rc < 0)
		reply(req, n < 0 ? (int)n : rc);
	else
		fuse_reply_write(req, (size_t)n);
}

void cps_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		  struct fuse_file_info *fi)
{
	struct cps_ops *ops = cps_ops_of(req);

	/* The kernel then takes it as done, and does not ask again. */
	if (cps_top_volatile(ops->top)) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	cps_worker_pass_lead(cps_loop_leader(ops->loop));
	reply(req, cps_top_sync_inode(ops->top, ino));
}

/* ---- what libfuse does not know ---- */

/** A request taken apart. */
struct raw {
	const struct cps_ops *ops;
	const struct fuse_in_header *header;
	const uint8_t *body;
	size_t len; /* of the body */
	struct cps_top_who who;
};

static void raw_reply(const struct raw *raw, int rc, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + (rc < 0 ? 0 : len)),
		.error = rc,
		.unique = raw->header->unique,
	};
	struct iovec iov[] = {{&out, sizeof(out)}, {(void *)data, len}};

	/* ENOENT: the caller was interrupted and does not wait for it any more. */
	(void)!writev(raw->ops->fd, iov, rc < 0 || !len ? 1 : 2);
}

static void fill_attr(const struct stat *st, struct fuse_attr *out)
{
	*out = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.blksize = (uint32_t)st->st_blksize,
	};
}

static void raw_tmpfile(struct raw *raw)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {.entry = {.generation = CPS_GENERATION}};
	struct cps_top *top = raw->ops->top;
	struct fuse_entry_param param;
	struct fuse_create_in in;
	uint64_t ino = 0;
	int rc = -EINVAL;

	if (raw->len >= sizeof(in)) {
		memcpy(&in, raw->body, sizeof(in));
		raw->who.umask = in.umask;
		rc = cps_top_make_nameless(top, &raw->who, raw->header->nodeid,
					   (in.mode & 07777) | S_IFREG, &ino);
	}
	if (rc == 0)
		rc = cps_ops_entry(top, ino, &param);
	if (rc == 0) {
		out.entry.nodeid = ino;
		out.entry.entry_valid = out.entry.attr_valid = (uint64_t)CPS_FOREVER_S;
		out.open.open_flags = FOPEN_KEEP_CACHE;
		fill_attr(&param.attr, &out.entry.attr);
	}
	raw_reply(raw, rc, &out, sizeof(out));
}

/* libfuse knows only the short form, without FUSE_SETXATTR_ACL_KILL_SGID. */
static int raw_setxattr(const struct raw *raw)
{
	size_t head = raw->ops->kernel_flags & FUSE_SETXATTR_EXT &&
				      cps_top_writable(raw->ops->top)
			      ? sizeof(struct fuse_setxattr_in)
			      : FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_setxattr_in in = {0};
	const char *name = (const char *)raw->body + head;
	size_t name_len;

	if (raw->len <= head)
		return -EINVAL;
	memcpy(&in, raw->body, head);
	name_len = strnlen(name, raw->len - head) + 1;
	if (name_len > raw->len - head || in.size > raw->len - head - name_len)
		return -EINVAL;
	return cps_top_xattr_set(raw->ops->top, &raw->who, raw->header->nodeid, name,
				 name + name_len, in.size, (int)in.flags,
				 in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID);
}

bool cps_ops_raw(void *ctx, const void *request, size_t len)
{
	struct cps_ops *ops = ctx;
	const struct fuse_in_header *header = request;
	struct raw raw = {
		.ops = ops,
		.header = header,
		.body = (const uint8_t *)request + sizeof(*header),
		.len = len - sizeof(*header),
		.who = {(pid_t)header->pid, header->uid, header->gid, 0},
	};
	struct fuse_init_in init = {0};

	switch (header->opcode) {
	case FUSE_INIT:
		memcpy(&init, raw.body,
		       raw.len < sizeof(init) ? raw.len : sizeof(init));
		ops->kernel_flags = init.flags;
		return false;
	case FUSE_TMPFILE:
		raw_tmpfile(&raw);
		return true;
	case FUSE_SETXATTR:
		raw_reply(&raw, raw_setxattr(&raw), NULL, 0);
		return true;
	default:
		return false;
	}
}
