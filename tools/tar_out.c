#include "tools/tar_out.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/path.h"

#define COPY_BYTES (256u << 10)
#define DEPTH_MAX  4096
#define XATTRS_MAX 4096 /* of one file; its header takes 1 MiB of them at most */

struct tar_out {
	struct cps_root *root;
	const struct cps_progress *progress;
	cps_write_fn write;
	void *ctx;
	struct cps_buf path;
	struct cps_buf header;
	char **first; /* by inode: the first name of one with several; owned */
	uint64_t bytes;
	uint8_t buf[COPY_BYTES];
	struct cps_err *err;
};

static int fail(struct tar_out *t, int rc)
{
	return cps_err_sys(t->err, rc, "'%s'", cps_buf_cstr(&t->path));
}

static int put(struct tar_out *t, const void *data, size_t len)
{
	return t->write(t->ctx, data, len, t->err);
}

static int put_padding(struct tar_out *t, uint64_t size)
{
	static const uint8_t zeros[512];

	return put(t, zeros, -size & 511);
}

static int put_bytes(struct tar_out *t, uint32_t ino, uint64_t size)
{
	uint64_t off = 0;
	int rc = 0;

	while (rc == 0 && off < size) {
		size_t want =
			size - off < COPY_BYTES ? (size_t)(size - off) : COPY_BYTES;
		ssize_t n = cps_root_pread(t->root, ino, t->buf, want, off, 0);

		if (n <= 0)
			return fail(t, n < 0 ? (int)n : -EIO);
		rc = put(t, t->buf, (size_t)n);
		off += (uint64_t)n;
		t->bytes += (uint64_t)n;
		cps_progress_tell(t->progress, "files", t->bytes, 0);
	}
	return rc < 0 ? rc : put_padding(t, size);
}

/* ---- headers ---- */

static int compare_xattrs(const void *a, const void *b)
{
	const struct cps_tar_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_xattrs(struct tar_out *t, uint32_t ino, struct cps_tar_xattr **out,
		       size_t *count)
{
	struct cps_tar_xattr attr;
	size_t cap = 0, len;
	uint32_t pos = 0;
	int rc;

	*count = 0;
	while ((rc = cps_tree_xattr(t->root->tree, ino, pos++, &attr, &len)) == 1) {
		if (*count == XATTRS_MAX)
			return fail(t, -E2BIG);
		if (cps_grow(out, &cap, *count + 1, sizeof(**out)) < 0)
			return cps_err_nomem(t->err);
		(*out)[(*count)++] = attr;
	}
	if (*count)
		qsort(*out, *count, sizeof(**out), compare_xattrs);
	return rc < 0 ? fail(t, rc) : 0;
}

static int put_header(struct tar_out *t, uint32_t ino, const struct cps_inode *in,
		      enum cps_tar_type type, const char *link)
{
	cps_auto(cps_free) struct cps_tar_xattr *xattrs = NULL;
	struct cps_tar_entry entry = {
		.path = cps_buf_cstr(&t->path),
		.link = link,
		.type = type,
		.mode = (uint16_t)(in->mode & 07777u),
		.uid = in->uid,
		.gid = in->gid,
		.major = in->rdev_major,
		.minor = in->rdev_minor,
		.mtime_s = in->mtime_s,
		.mtime_ns = in->mtime_ns,
		.size = type == CPS_TAR_REG ? in->size : 0,
	};
	int rc = 0;

	if (type != CPS_TAR_HARDLINK)
		rc = read_xattrs(t, ino, &xattrs, &entry.xattr_count);
	entry.xattrs = xattrs;
	t->header.len = 0;
	if (rc == 0)
		rc = cps_tar_format_header(&entry, &t->header, t->err);
	return rc < 0 ? rc : put(t, t->header.data, t->header.len);
}

/* ---- members ---- */

static int put_symlink(struct tar_out *t, uint32_t ino, const struct cps_inode *in)
{
	cps_auto(cps_free) char *target = NULL;
	const char *text;
	size_t len;
	int rc = cps_tree_inline(t->root->tree, ino, &text, &len);

	if (rc < 0)
		return fail(t, rc);
	target = strndup(text, len);
	return target ? put_header(t, ino, in, CPS_TAR_SYMLINK, target)
		      : cps_err_nomem(t->err);
}

/* 1 when the inode is in the archive under another name, which *link is; else this
 * name is noted. */
static int find_first(struct tar_out *t, uint32_t ino, const char **link)
{
	uint32_t count = cps_tree_inode_count(t->root->tree);

	if (!t->first)
		t->first = calloc(count, sizeof(*t->first));
	if (!t->first || ino >= count)
		return cps_err_nomem(t->err);
	*link = t->first[ino];
	if (*link)
		return 1;
	t->first[ino] = strdup(cps_buf_cstr(&t->path));
	return t->first[ino] ? 0 : cps_err_nomem(t->err);
}

/* Anything but a folder. */
static int put_file(struct tar_out *t, uint32_t ino, const struct cps_inode *in)
{
	enum cps_tar_type type = cps_tar_type_of(in->mode);
	const char *link = NULL;
	int rc = in->nlink > 1 ? find_first(t, ino, &link) : 0;

	if (rc == 1)
		return put_header(t, ino, in, CPS_TAR_HARDLINK, link);
	if (rc < 0)
		return rc;
	if (type == CPS_TAR_SYMLINK)
		return put_symlink(t, ino, in);
	rc = put_header(t, ino, in, type, "");
	return rc < 0 || type != CPS_TAR_REG ? rc : put_bytes(t, ino, in->size);
}

static int put_member(struct tar_out *t, uint32_t ino, unsigned int depth);

/* In the order of the data, so that the layers are read from front to back. */
static int put_content(struct tar_out *t, uint32_t dir, unsigned int depth)
{
	size_t keep = t->path.len;
	struct cps_dirent d;
	uint32_t pos = 0;
	int rc;

	if (depth > DEPTH_MAX)
		return fail(t, -ELOOP);
	while ((rc = cps_tree_readdir(t->root->tree, dir, pos++, &d)) == 1) {
		if (!cps_name_ok_n(d.name, d.name_len))
			return fail(t, -EIO);
		if (cps_buf_str(&t->path, "/") < 0 ||
		    cps_buf_append(&t->path, d.name, d.name_len) < 0)
			return cps_err_nomem(t->err);
		rc = put_member(t, d.ino, depth + 1);
		if (rc < 0)
			return rc;
		t->path.len = keep;
		t->path.data[keep] = '\0';
	}
	return rc < 0 ? fail(t, rc) : 0;
}

static int put_member(struct tar_out *t, uint32_t ino, unsigned int depth)
{
	struct cps_inode in;
	int rc = cps_tree_inode(t->root->tree, ino, &in);

	if (rc < 0)
		return fail(t, rc);
	if (!S_ISDIR(in.mode))
		return put_file(t, ino, &in);
	rc = put_header(t, ino, &in, CPS_TAR_DIR, "");
	return rc < 0 ? rc : put_content(t, ino, depth);
}

static void release(struct tar_out *t)
{
	uint32_t count = cps_tree_inode_count(t->root->tree);

	for (uint32_t i = 0; t->first && i < count; i++)
		free(t->first[i]);
	free(t->first);
	cps_buf_release(&t->path);
	cps_buf_release(&t->header);
	free(t);
}

int cps_tar_out(struct cps_root *root, uint32_t ino, const char *name,
		const struct cps_progress *progress, cps_write_fn write, void *ctx,
		struct cps_err *err)
{
	static const uint8_t end[1024];
	struct tar_out *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return cps_err_nomem(err);
	t->root = root;
	t->progress = progress;
	t->write = write;
	t->ctx = ctx;
	t->err = err;
	rc = cps_buf_str(&t->path, name) < 0 ? cps_err_nomem(err)
					     : put_member(t, ino, 0);
	if (rc == 0)
		rc = put(t, end, sizeof(end));
	release(t);
	return rc;
}
