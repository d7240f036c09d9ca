#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "store/base/log.h"
#include "store/base/path.h"
#include "tools/extract_internal.h"

#define SET_ID (S_ISUID | S_ISGID)

/** A target that cannot be turned elsewhere any more: its own descriptor, or one that
 *  holds it and the kernel's name of that. */
struct handle {
	int fd; /* O_PATH unless it is the target's own */
	bool owned;
	char path[32]; /* /proc/self/fd/N */
};

static void handle_close(struct handle *h)
{
	if (h->owned && h->fd >= 0)
		close(h->fd);
}

static int handle_open(const struct cps_target *target, struct handle *out)
{
	out->fd = target->fd;
	out->owned = target->fd < 0;
	if (out->owned)
		out->fd = openat(target->dirfd, target->name,
				 O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (out->fd < 0)
		return -errno;
	snprintf(out->path, sizeof(out->path), "/proc/self/fd/%d", out->fd);
	return 0;
}

/* As cp -a: who may not give files away keeps them, without set-id bits. */
static int set_owner(const struct handle *h, const struct cps_inode *in, bool *kept)
{
	*kept = fchownat(h->fd, "", in->uid, in->gid, AT_EMPTY_PATH) == 0;
	return *kept || (errno == EPERM && geteuid() != 0) ? 0 : -errno;
}

static int set_mode(const struct handle *h, mode_t mode)
{
	int rc = h->owned ? chmod(h->path, mode) : fchmod(h->fd, mode);

	return rc < 0 ? -errno : 0;
}

/* A symlink is named through its folder: its own O_PATH name would be followed. */
static int set_one(const struct cps_target *target, const struct handle *h,
		   const struct cps_inode *in, const struct cps_tar_xattr *attr)
{
	char path[CPS_NAME_MAX + 40];

	if (!h->owned)
		return fsetxattr(h->fd, attr->name, attr->value, attr->value_len, 0);
	if (!S_ISLNK(in->mode))
		return setxattr(h->path, attr->name, attr->value, attr->value_len, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", target->dirfd,
		 target->name);
	return lsetxattr(path, attr->name, attr->value, attr->value_len, 0);
}

static int set_xattrs(const struct cps_tree *tree, uint32_t ino,
		      const struct cps_inode *in, const struct cps_target *target,
		      const struct handle *h, const char *path)
{
	struct cps_tar_xattr attr;
	uint32_t pos = 0;
	size_t len;
	int rc;

	while ((rc = cps_tree_xattr(tree, ino, pos++, &attr, &len)) == 1)
		if (set_one(target, h, in, &attr) < 0)
			cps_warn("'%s': attribute '%s' is not kept: %m", path,
				 attr.name);
	return rc;
}

static int set_times(const struct handle *h, const struct cps_inode *in)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = (time_t)in->mtime_s, .tv_nsec = (long)in->mtime_ns},
	};

	return utimensat(h->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Owner first, for that clears set-id bits and capabilities; times last. */
int cps_extract_attributes(const struct cps_tree *tree, uint32_t ino,
			   const struct cps_inode *in, const struct cps_target *target,
			   bool archive, const char *path, struct cps_err *err)
{
	__attribute__((cleanup(handle_close))) struct handle h = {.fd = -1};
	bool owner_kept = false;
	int rc = handle_open(target, &h);

	if (rc == 0 && archive)
		rc = set_owner(&h, in, &owner_kept);
	if (rc == 0 && !S_ISLNK(in->mode))
		rc = set_mode(&h, in->mode & (owner_kept ? 07777u : 07777u & ~SET_ID));
	if (rc == 0 && archive)
		rc = set_xattrs(tree, ino, in, target, &h, path);
	if (rc == 0)
		rc = set_times(&h, in);
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", path) : 0;
}
