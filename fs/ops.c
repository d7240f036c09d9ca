#define FUSE_USE_VERSION 314

#include "fs/ops.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/mount.h"
#include "fs/seeker.h"

#define MAX_BACKGROUND 64u /* requests of read-ahead and writing back under way */

static struct cps_top *top_of(fuse_req_t req)
{
	return cps_ops_of(req)->top;
}

/* With ACLs the kernel asks for every file's before it lets others in; so only where
 * there are some, or may be. */
static bool wants_acls(const struct cps_ops *ops)
{
	return ops->default_permissions && (cps_top_writable(ops->top) ||
					    cps_view_has_acls(cps_top_root(ops->top)));
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct cps_ops *ops = userdata;

	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_CACHE_SYMLINKS |
				       FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPORT_SUPPORT |
				       FUSE_CAP_EXPLICIT_INVAL_DATA);
	/* Without OPEN, nobody would see an O_TRUNC that comes with it. */
	conn->want &=
		~(unsigned int)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC |
				FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA);
	if (wants_acls(ops))
		conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
	if (cps_top_writable(ops->top))
		conn->want |= conn->capable & FUSE_CAP_DONT_MASK;
	if (ops->writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = CPS_IO_MAX;
	conn->max_readahead = CPS_IO_MAX;
	conn->max_background = MAX_BACKGROUND;
	ops->init_reply = true;
}

int cps_ops_entry(struct cps_top *top, uint64_t ino, struct fuse_entry_param *out)
{
	int rc;

	*out = (struct fuse_entry_param){
		.ino = ino,
		.generation = CPS_GENERATION,
		.attr_timeout = CPS_FOREVER_S,
		.entry_timeout = CPS_FOREVER_S,
	};
	rc = cps_top_tell(top, ino, &out->attr);
	if (rc == 0)
		cps_top_ref(top, ino);
	return rc;
}

void cps_ops_reply_entry(fuse_req_t req, int rc, uint64_t ino)
{
	struct cps_top *top = top_of(req);
	struct fuse_entry_param entry;

	if (rc == 0)
		rc = cps_ops_entry(top, ino, &entry);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else if (fuse_reply_entry(req, &entry) < 0)
		cps_top_forget(top, ino, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	/* No inode: the kernel remembers that there is none. */
	const struct fuse_entry_param none = {.entry_timeout = CPS_FOREVER_S};
	uint64_t ino = 0;
	int rc = cps_top_lookup(top_of(req), dir, name, &ino);

	if (rc == -ENOENT)
		fuse_reply_entry(req, &none);
	else
		cps_ops_reply_entry(req, rc, ino);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	cps_top_forget(top_of(req), ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *list)
{
	for (size_t i = 0; i < count; i++)
		cps_top_forget(top_of(req), list[i].ino, list[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int rc = cps_top_tell(top_of(req), ino, &st);

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_attr(req, &st, CPS_FOREVER_S);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX];
	int rc = cps_top_readlink(top_of(req), ino, target, sizeof(target));

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, target);
}

/* ENOSYS once, and the kernel opens files without asking, and keeps what it read. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

/* The same for folders: their listings stay in the kernel. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct cps_ops *ops = cps_ops_of(req);
	struct cps_worker *me = cps_loop_leader(ops->loop);
	void *buf = cps_worker_buffer(me);
	ssize_t n;

	if (size > CPS_IO_MAX)
		size = CPS_IO_MAX;
	n = cps_top_pread(ops->top, ino, buf, size, (uint64_t)off, CPS_READ_NOWAIT);
	if (n == -EAGAIN) {
		cps_worker_pass_lead(me);
		n = cps_top_pread(ops->top, ino, buf, size, (uint64_t)off, 0);
	}
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* ---- listings ---- */

typedef ssize_t (*add_fn)(fuse_req_t req, char *buf, size_t room,
			  const struct cps_top_entry *entry);

static ssize_t add_plain(fuse_req_t req, char *buf, size_t room,
			 const struct cps_top_entry *entry)
{
	struct stat st = {
		.st_ino = entry->ino,
		.st_mode = (mode_t)entry->type << 12,
	};

	return (ssize_t)fuse_add_direntry(req, buf, room, entry->name, &st,
					  (off_t)entry->next);
}

static ssize_t add_plus(fuse_req_t req, char *buf, size_t room,
			const struct cps_top_entry *entry)
{
	struct cps_top *top = top_of(req);
	struct fuse_entry_param param;
	int rc = cps_ops_entry(top, entry->ino, &param);
	size_t n;

	if (rc < 0)
		return rc;
	if (entry->dot)
		param.ino = 0; /* listed, but not looked up */
	n = fuse_add_direntry_plus(req, buf, room, entry->name, &param,
				   (off_t)entry->next);
	if (entry->dot || n > room)
		cps_top_forget(top, entry->ino, 1);
	return (ssize_t)n;
}

static void list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t off, add_fn add)
{
	char *buf = cps_worker_buffer(cps_loop_leader(cps_ops_of(req)->loop));
	struct cps_top_entry entry = {.next = (uint64_t)off};
	size_t used = 0;
	int rc;

	if (size > CPS_IO_MAX)
		size = CPS_IO_MAX;
	while ((rc = cps_top_readdir(top_of(req), dir, entry.next, &entry)) == 1) {
		ssize_t n = add(req, buf + used, size - used, &entry);

		if (n < 0)
			rc = (int)n;
		if (n < 0 || (size_t)n > size - used)
			break;
		used += (size_t)n;
	}
	/* An error comes alone: what was listed before it is given first. */
	if (rc < 0 && used == 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, buf, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	list(req, ino, size, off, add_plain);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	list(req, ino, size, off, add_plus);
}

/* ---- the rest ---- */

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	cps_top_statfs(top_of(req), &st);
	fuse_reply_statfs(req, &st);
}

static void reply_xattr(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static ssize_t tell_driver(char *buf, size_t size)
{
	int n = snprintf(buf, size ? CPS_VIEW_XATTR_MAX : 0, "%d", (int)getpid());

	return size && (size_t)n > size ? -ERANGE : n;
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char *buf = cps_worker_buffer(cps_loop_leader(cps_ops_of(req)->loop));
	ssize_t n;

	if (size > CPS_VIEW_XATTR_MAX)
		size = CPS_VIEW_XATTR_MAX;
	if (ino == CPS_TOP_ROOT && strcmp(name, CPS_MOUNT_DRIVER_XATTR) == 0)
		n = tell_driver(buf, size);
	else
		n = cps_top_xattr_get(top_of(req), ino, name, buf, size);
	reply_xattr(req, n, buf, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char *buf = cps_worker_buffer(cps_loop_leader(cps_ops_of(req)->loop));

	if (size > CPS_VIEW_XATTR_MAX)
		size = CPS_VIEW_XATTR_MAX;
	reply_xattr(req, cps_top_xattr_list(top_of(req), ino, buf, size), buf, size);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	struct cps_ops *ops = cps_ops_of(req);

	if (ops->seeker)
		cps_seeker_take(ops->seeker, req, ino, off, whence);
	else
		cps_seek_reply(ops->top, req, ino, off, whence);
}

/* No create: the kernel then makes files with MKNOD, and needs no RELEASE for them. No
 * access, flush or release: libfuse answers. */
const struct fuse_lowlevel_ops cps_fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = cps_op_setattr,
	.readlink = op_readlink,
	.mknod = cps_op_mknod,
	.mkdir = cps_op_mkdir,
	.symlink = cps_op_symlink,
	.link = cps_op_link,
	.unlink = cps_op_unlink,
	.rmdir = cps_op_rmdir,
	.rename = cps_op_rename,
	.open = op_open,
	.opendir = op_opendir,
	.read = op_read,
	.write = cps_op_write,
	.fsync = cps_op_fsync,
	.fsyncdir = cps_op_fsync,
	.fallocate = cps_op_fallocate,
	.copy_file_range = cps_op_copy_file_range,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = cps_op_removexattr,
	.lseek = op_lseek,
};
