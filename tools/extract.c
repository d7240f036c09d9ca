#include "tools/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "store/base/log.h"
#include "store/base/path.h"
#include "tools/extract_internal.h"

#define COPY_BYTES (256u << 10)
#define DEPTH_MAX  4096
#define ASIDE      ".capas-cp.%08x" /* while it takes the place of another file */
#define ASIDE_LEN  24

struct extraction {
	struct cps_root *root;
	const struct cps_extract_opts *opts;
	struct cps_extract_result *result;
	struct cps_buf path; /* of what is being made, from the base folder */
	struct cps_first_names firsts;
	uint32_t aside; /* number of the last file that was made aside */
	uint8_t buf[COPY_BYTES];
	struct cps_err *err;
};

static int fail(struct extraction *x, int rc)
{
	return cps_err_sys(x->err, rc, "'%s'", cps_buf_cstr(&x->path));
}

/* ---- names that are taken ---- */

/* Something of that name is there: may it be replaced? */
static int may_replace(struct extraction *x, int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(x, -errno);
	if (S_ISDIR(st.st_mode))
		return cps_err_set(x->err, -EISDIR,
				   "'%s' is a folder here and something else in the "
				   "image; it is left as it is",
				   cps_buf_cstr(&x->path));
	return 0;
}

/** Makes one thing at a name; 0, -EEXIST when the name is taken, -errno. */
typedef int (*make_fn)(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		       const struct cps_inode *in);

/* Make it at its name, or when that is taken aside, and then put it there in one step.
 */
static int make(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		const struct cps_inode *in, make_fn fn)
{
	int rc = fn(x, dirfd, name, ino, in);
	char aside[ASIDE_LEN];

	if (rc != -EEXIST)
		return rc;
	rc = may_replace(x, dirfd, name);
	if (rc < 0)
		return rc;
	do {
		snprintf(aside, sizeof(aside), ASIDE, ++x->aside);
		rc = fn(x, dirfd, aside, ino, in);
	} while (rc == -EEXIST && x->aside != 0);
	if (rc < 0)
		return rc;
	rc = renameat(dirfd, aside, dirfd, name) < 0 ? fail(x, -errno) : 0;
	/* Two names of one file: rename does nothing then, and calls it done. */
	unlinkat(dirfd, aside, 0);
	return rc;
}

static int set_attributes(struct extraction *x, int dirfd, const char *name, int fd,
			  uint32_t ino, const struct cps_inode *in)
{
	const struct cps_target target = {dirfd, name, fd};

	return cps_extract_attributes(x->root->tree, ino, in, &target, x->opts->archive,
				      cps_buf_cstr(&x->path), x->err);
}

/* ---- regular files ---- */

static int copy_run(struct extraction *x, int fd, uint32_t ino, uint64_t off,
		    uint64_t len)
{
	while (len > 0) {
		size_t want = len < COPY_BYTES ? (size_t)len : COPY_BYTES;
		ssize_t n = cps_root_pread(x->root, ino, x->buf, want, off, 0);
		int rc;

		if (n <= 0)
			return fail(x, n < 0 ? (int)n : -EIO);
		rc = cps_pwrite_full(fd, x->buf, (size_t)n, off);
		if (rc < 0)
			return fail(x, rc);
		off += (uint64_t)n;
		len -= (uint64_t)n;
		x->result->bytes += (uint64_t)n;
		cps_progress_tell(&x->opts->progress, "files", x->result->bytes, 0);
	}
	return 0;
}

static int copy_content(struct extraction *x, int fd, uint32_t ino,
			const struct cps_inode *in)
{
	struct cps_extent e;
	uint32_t pos = 0;
	int rc;

	if (!(in->flags & CPS_INODE_SPARSE))
		return copy_run(x, fd, ino, 0, in->size);
	while ((rc = cps_tree_extent(x->root->tree, ino, pos++, &e)) == 1) {
		rc = copy_run(x, fd, ino, e.logical, e.len);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && ftruncate(fd, (off_t)in->size) < 0)
		rc = -errno;
	return rc < 0 ? fail(x, rc) : 0;
}

static int make_file(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		     const struct cps_inode *in)
{
	cps_auto(cps_fd) int fd =
		openat(dirfd, name,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return errno == EEXIST ? -EEXIST : fail(x, -errno);
	rc = copy_content(x, fd, ino, in);
	if (rc == 0)
		rc = set_attributes(x, dirfd, name, fd, ino, in);
	if (rc < 0)
		unlinkat(dirfd, name, 0); /* nobody sees half a file */
	return rc;
}

/* ---- hard links ---- */

static int make_link(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		     const struct cps_inode *in)
{
	return cps_first_names_link(&x->firsts, ino, dirfd, name);
}

/* ---- everything else ---- */

static int make_symlink(struct extraction *x, int dirfd, const char *name, uint32_t ino,
			const struct cps_inode *in)
{
	cps_auto(cps_free) char *target = NULL;
	const char *text;
	size_t len;
	int rc = cps_tree_inline(x->root->tree, ino, &text, &len);

	if (rc < 0)
		return fail(x, rc);
	target = strndup(text, len);
	if (!target)
		return cps_err_nomem(x->err);
	if (symlinkat(target, dirfd, name) < 0)
		return errno == EEXIST ? -EEXIST : fail(x, -errno);
	return set_attributes(x, dirfd, name, -1, ino, in);
}

static int make_node(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		     const struct cps_inode *in)
{
	dev_t dev = makedev(in->rdev_major, in->rdev_minor);

	if (mknodat(dirfd, name, (in->mode & S_IFMT) | 0600, dev) < 0)
		return errno == EEXIST ? -EEXIST : fail(x, -errno);
	return set_attributes(x, dirfd, name, -1, ino, in);
}

static int put_entry(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		     unsigned int depth);

/* The entries of a folder, in the order of their data. */
static int put_content(struct extraction *x, int dirfd, uint32_t dir,
		       unsigned int depth)
{
	size_t keep = x->path.len;
	struct cps_dirent d;
	uint32_t pos = 0;
	int rc;

	if (depth > DEPTH_MAX)
		return fail(x, -ELOOP);
	while ((rc = cps_tree_readdir(x->root->tree, dir, pos++, &d)) == 1) {
		char name[CPS_NAME_MAX + 1];

		if (!cps_name_ok_n(d.name, d.name_len))
			return cps_err_set(x->err, -EIO, "'%s': a name that is none",
					   cps_buf_cstr(&x->path));
		memcpy(name, d.name, d.name_len);
		name[d.name_len] = '\0';
		rc = cps_buf_printf(&x->path, "%s%s", keep ? "/" : "", name);
		if (rc < 0)
			return cps_err_nomem(x->err);
		rc = put_entry(x, dirfd, name, d.ino, depth + 1);
		if (rc < 0)
			return rc;
		x->path.len = keep;
		x->path.data[keep] = '\0';
	}
	return rc < 0 ? fail(x, rc) : 0;
}

static int put_dir(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		   const struct cps_inode *in, unsigned int depth)
{
	bool fresh = mkdirat(dirfd, name, 0700) == 0;
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (!fresh && errno != EEXIST)
		return fail(x, -errno);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return cps_err_set(x->err, -ENOTDIR,
				   "'%s' is a folder in the image and something else "
				   "here; it is left as it is",
				   cps_buf_cstr(&x->path));
	if (fd < 0)
		return fail(x, -errno);
	rc = put_content(x, fd, ino, depth);
	if (rc == 0 && (fresh || x->opts->archive))
		rc = set_attributes(x, dirfd, name, fd, ino, in);
	return rc;
}

static int put_file(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		    const struct cps_inode *in, make_fn fn)
{
	int rc = -ENOENT;

	if (cps_first_names_has(&x->firsts, ino))
		rc = make(x, dirfd, name, ino, in, make_link);
	/* A file system without links, or too many of them: a copy then. */
	if (rc == 0 || rc == -EISDIR)
		return rc;
	rc = make(x, dirfd, name, ino, in, fn);
	if (rc == 0 && in->nlink > 1)
		rc = cps_first_names_add(&x->firsts, ino, dirfd, name,
					 cps_buf_cstr(&x->path), x->err);
	return rc;
}

static int put_entry(struct extraction *x, int dirfd, const char *name, uint32_t ino,
		     unsigned int depth)
{
	struct cps_inode in;
	int rc = cps_tree_inode(x->root->tree, ino, &in);

	if (rc < 0)
		return fail(x, rc);
	x->result->files++;
	switch (in.mode & S_IFMT) {
	case S_IFDIR:
		return put_dir(x, dirfd, name, ino, &in, depth);
	case S_IFREG:
		return put_file(x, dirfd, name, ino, &in, make_file);
	case S_IFLNK:
		return put_file(x, dirfd, name, ino, &in, make_symlink);
	case S_IFIFO:
		return put_file(x, dirfd, name, ino, &in, make_node);
	default:
		if (x->opts->archive)
			return put_file(x, dirfd, name, ino, &in, make_node);
		x->result->devices++;
		return 0;
	}
}

/* ---- beginning and end ---- */

static struct extraction *begin(struct cps_root *root, int base,
				const struct cps_extract_opts *opts,
				struct cps_extract_result *result, struct cps_err *err)
{
	struct extraction *x = calloc(1, sizeof(*x));

	if (!x) {
		cps_err_nomem(err);
		return NULL;
	}
	*result = (struct cps_extract_result){0};
	x->root = root;
	x->firsts.base = base;
	x->firsts.inode_count = cps_tree_inode_count(root->tree);
	x->opts = opts;
	x->result = result;
	x->err = err;
	return x;
}

static void end(struct extraction *x)
{
	cps_first_names_release(&x->firsts);
	cps_buf_release(&x->path);
	free(x);
}

int cps_extract(struct cps_root *root, uint32_t ino, int dirfd, const char *name,
		const struct cps_extract_opts *opts, struct cps_extract_result *out,
		struct cps_err *err)
{
	struct extraction *x = begin(root, dirfd, opts, out, err);
	int rc;

	if (!x)
		return -ENOMEM;
	if (!cps_name_ok(name))
		rc = cps_err_set(err, -EINVAL, "'%s' is no name of a file", name);
	else if (cps_buf_str(&x->path, name) < 0)
		rc = cps_err_nomem(err);
	else
		rc = put_entry(x, dirfd, name, ino, 0);
	end(x);
	return rc;
}

int cps_extract_content(struct cps_root *root, uint32_t ino, int dirfd,
			const struct cps_extract_opts *opts,
			struct cps_extract_result *out, struct cps_err *err)
{
	struct extraction *x = begin(root, dirfd, opts, out, err);
	struct cps_inode in;
	int rc;

	if (!x)
		return -ENOMEM;
	rc = cps_buf_str(&x->path, "");
	if (rc == 0)
		rc = cps_tree_inode(root->tree, ino, &in);
	if (rc < 0)
		cps_err_sys(err, rc, "the tree");
	else
		rc = put_content(x, dirfd, ino, 0);
	if (rc == 0 && opts->archive)
		rc = set_attributes(x, dirfd, ".", dirfd, ino, &in);
	end(x);
	return rc;
}
