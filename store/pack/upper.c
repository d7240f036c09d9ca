/* An upper directory as the source of a plan. */
#include "store/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "store/base/fd.h"
#include "store/pack/upper_internal.h"

static int read_link(int dirfd, const char *name, char *out, size_t size)
{
	ssize_t n = readlinkat(dirfd, name, out, size);

	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

/* The descriptor must be of the very file that was looked at. */
static int open_file(struct cps_upper *u, int dirfd, const char *name,
		     const struct stat *seen)
{
	struct stat st;

	cps_fd_auto(&u->file);
	u->file = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (u->file < 0 || fstat(u->file, &st) < 0)
		return -errno;
	return st.st_ino == seen->st_ino && st.st_dev == seen->st_dev ? 0 : -EAGAIN;
}

static int fill(struct cps_upper *u, int dirfd, const char *name, struct stat *st,
		struct cps_tar_entry *out)
{
	int rc = 0;

	out->type = cps_tar_type_of(st->st_mode);
	if (out->type == CPS_TAR_SYMLINK) {
		rc = read_link(dirfd, name, u->link, sizeof(u->link));
		out->link = u->link;
	} else if (out->type == CPS_TAR_REG) {
		out->size = (uint64_t)st->st_size;
		rc = u->closed ? 0 : open_file(u, dirfd, name, st);
	}
	return rc;
}

static int describe(void *ctx, const struct cps_pack_item *item, const char *path,
		    struct cps_tar_entry *out, struct cps_err *err)
{
	struct cps_upper_marks marks;
	struct cps_upper *u = ctx;
	const char *name = ".";
	struct stat st;
	int dirfd = strcmp(path, ".") == 0
			    ? u->dir.root
			    : cps_upper_open_parent(&u->dir, path, &name);
	int rc = dirfd < 0 ? dirfd
			   : cps_upper_look(dirfd, name, &st, &u->xattrs, &marks);

	if (rc == 0)
		rc = fill(u, dirfd, name, &st, out);
	if (rc < 0)
		return cps_err_sys(err, rc, "cannot be read");
	u->seen = st;
	out->mode = st.st_mode & 07777;
	out->uid = st.st_uid;
	out->gid = st.st_gid;
	out->major = major(st.st_rdev);
	out->minor = minor(st.st_rdev);
	out->mtime_s = st.st_mtim.tv_sec;
	out->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	out->xattrs = u->xattrs.items;
	out->xattr_count = u->xattrs.count;
	return 0;
}

static ssize_t read_bytes(void *ctx, const struct cps_pack_item *item, void *buf,
			  size_t len, uint64_t off, struct cps_err *err)
{
	struct cps_upper *u = ctx;
	ssize_t n = cps_pread_full(u->file, buf, len, off);

	return n < 0 ? cps_err_sys(err, (int)n, "cannot be read") : n;
}

int cps_upper_plan(int dirfd, const struct cps_tree *lower, int64_t mtime_max_s,
		   struct cps_upper **out, struct cps_err *err)
{
	cps_auto(cps_upper_free) struct cps_upper *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return cps_err_nomem(err);
	u->file = u->dir.fd = -1;
	u->dir.root = dirfd;
	u->source = (struct cps_pack_source){u, describe, read_bytes};
	rc = cps_upper_find(u, lower, err);
	if (rc < 0)
		return rc;
	u->stream = cps_pack_stream_new(&u->plan, &u->source, mtime_max_s);
	if (!u->stream)
		return cps_err_nomem(err);
	*out = CPS_TAKE(u);
	return 0;
}

bool cps_upper_is_empty(const struct cps_upper *upper)
{
	return cps_pack_is_empty(&upper->plan);
}

ssize_t cps_upper_read(void *upper, void *buf, size_t len, struct cps_err *err)
{
	struct cps_upper *u = upper;

	return cps_pack_stream_read(u->stream, buf, len, err);
}

void cps_upper_free(struct cps_upper *upper)
{
	if (!upper)
		return;
	cps_pack_stream_free(upper->stream);
	cps_pack_release(&upper->plan);
	cps_upper_xattrs_release(&upper->xattrs);
	cps_upper_dir_release(&upper->dir);
	cps_fd_auto(&upper->file);
	free(upper);
}
