#define FUSE_USE_VERSION 314

#include "fs/ops.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fs/view.h"

/* Only we could change anything, and we never do: the kernel may keep it all. */
#define FOREVER_S      1e9
#define MAX_BACKGROUND 64u /* requests of read-ahead under way */
#define GENERATION     1u  /* nodeids are never used again */

static struct cps_ops *ops_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static const struct cps_root *root_of(fuse_req_t req)
{
	return ops_of(req)->root;
}

/* A nodeid is the inode's position and one; one that is none finds no inode. */
static uint32_t position(fuse_ino_t nodeid)
{
	return nodeid - 1 < UINT32_MAX ? (uint32_t)(nodeid - 1) : UINT32_MAX;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct cps_ops *ops = userdata;

	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_CACHE_SYMLINKS |
				       FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPORT_SUPPORT |
				       FUSE_CAP_EXPLICIT_INVAL_DATA);
	conn->want &=
		~(unsigned int)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC |
				FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA);
	/* With ACLs the kernel asks for every file's before it lets others in; so only
	 * where there are some. */
	if (ops->default_permissions && cps_view_has_acls(ops->root))
		conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
	conn->max_write = CPS_IO_MAX;
	conn->max_readahead = CPS_IO_MAX;
	conn->max_background = MAX_BACKGROUND;
	ops->init_reply = true;
}

static int fill_entry(const struct cps_root *root, uint32_t ino,
		      struct fuse_entry_param *out)
{
	*out = (struct fuse_entry_param){
		.ino = cps_view_number(ino),
		.generation = GENERATION,
		.attr_timeout = FOREVER_S,
		.entry_timeout = FOREVER_S,
	};
	return cps_view_stat(root, ino, &out->attr);
}

static void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	/* No inode: the kernel remembers that there is none. */
	struct fuse_entry_param entry = {.entry_timeout = FOREVER_S};
	uint32_t ino;
	int rc = cps_view_lookup(root_of(req), position(dir), name, &ino);

	if (rc == 0)
		rc = fill_entry(root_of(req), ino, &entry);
	if (rc == 0 || rc == -ENOENT)
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, -rc);
}

static void op_getattr(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct stat st;
	int rc = cps_view_stat(root_of(req), position(nodeid), &st);

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_attr(req, &st, FOREVER_S);
}

static void op_readlink(fuse_req_t req, fuse_ino_t nodeid)
{
	char target[PATH_MAX];
	int rc = cps_view_readlink(root_of(req), position(nodeid), target,
				   sizeof(target));

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, target);
}

/* ENOSYS once, and the kernel opens files without asking, and keeps what it read. */
static void op_open(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

/* The same for folders: their listings stay in the kernel. */
static void op_opendir(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void op_read(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct cps_ops *ops = ops_of(req);
	struct cps_worker *me = cps_loop_leader(ops->loop);
	void *buf = cps_worker_buffer(me);
	uint32_t ino = position(nodeid);
	ssize_t n;

	if (size > CPS_IO_MAX)
		size = CPS_IO_MAX;
	n = cps_root_pread(ops->root, ino, buf, size, (uint64_t)off, CPS_READ_NOWAIT);
	if (n == -EAGAIN) {
		cps_worker_pass_lead(me);
		n = cps_root_pread(ops->root, ino, buf, size, (uint64_t)off, 0);
	}
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* ---- listings ---- */

typedef ssize_t (*add_fn)(fuse_req_t req, char *buf, size_t room,
			  const struct cps_view_entry *entry);

static ssize_t add_plain(fuse_req_t req, char *buf, size_t room,
			 const struct cps_view_entry *entry)
{
	struct stat st = {
		.st_ino = cps_view_number(entry->ino),
		.st_mode = (mode_t)entry->type << 12,
	};

	return (ssize_t)fuse_add_direntry(req, buf, room, entry->name, &st,
					  (off_t)entry->next);
}

static ssize_t add_plus(fuse_req_t req, char *buf, size_t room,
			const struct cps_view_entry *entry)
{
	struct fuse_entry_param param;
	int rc = fill_entry(root_of(req), entry->ino, &param);

	if (rc < 0)
		return rc;
	if (entry->dot)
		param.ino = 0; /* listed, but not looked up */
	return (ssize_t)fuse_add_direntry_plus(req, buf, room, entry->name, &param,
					       (off_t)entry->next);
}

static void list(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, add_fn add)
{
	char *buf = cps_worker_buffer(cps_loop_leader(ops_of(req)->loop));
	struct cps_view_entry entry = {.next = (uint64_t)off};
	size_t used = 0;
	int rc;

	if (size > CPS_IO_MAX)
		size = CPS_IO_MAX;
	while ((rc = cps_view_readdir(root_of(req), position(nodeid), entry.next,
				      &entry)) == 1) {
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

static void op_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	list(req, nodeid, size, off, add_plain);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	list(req, nodeid, size, off, add_plus);
}

/* ---- the rest ---- */

static void op_statfs(fuse_req_t req, fuse_ino_t nodeid)
{
	struct statvfs st;

	cps_view_statfs(root_of(req), &st);
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

static void op_getxattr(fuse_req_t req, fuse_ino_t nodeid, const char *name,
			size_t size)
{
	char *buf = cps_worker_buffer(cps_loop_leader(ops_of(req)->loop));

	if (size > CPS_VIEW_XATTR_MAX)
		size = CPS_VIEW_XATTR_MAX;
	reply_xattr(req,
		    cps_view_xattr_get(root_of(req), position(nodeid), name, buf, size),
		    buf, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t nodeid, size_t size)
{
	char *buf = cps_worker_buffer(cps_loop_leader(ops_of(req)->loop));

	if (size > CPS_VIEW_XATTR_MAX)
		size = CPS_VIEW_XATTR_MAX;
	reply_xattr(req, cps_view_xattr_list(root_of(req), position(nodeid), buf, size),
		    buf, size);
}

static void op_lseek(fuse_req_t req, fuse_ino_t nodeid, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	uint64_t at = 0;
	int rc = cps_view_seek(root_of(req), position(nodeid), (uint64_t)off, whence,
			       &at);

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_lseek(req, (off_t)at);
}

/* No forget: a nodeid costs nothing. No access, flush or release: libfuse answers. */
const struct fuse_lowlevel_ops cps_fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.opendir = op_opendir,
	.read = op_read,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.lseek = op_lseek,
};
