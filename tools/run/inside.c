#include "tools/run/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/top/top.h"
#include "store/base/fd.h"
#include "store/base/mem.h"
#include "store/base/path.h"

#define LINKS_MAX 40 /* as the kernel's */

static int open_in_root(int root, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	/* EAGAIN: something was renamed meanwhile, and the kernel cannot be sure. */
	do
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int cps_inside_open(int root, const char *path, int flags)
{
	return open_in_root(root, path, flags, 0);
}

/* ---- walking with our own eyes, to make what is missing ---- */

struct walk {
	int root;
	char done[PATH_MAX]; /* relative to the root, without links; "" is the root */
	char rest[PATH_MAX]; /* still to go */
	unsigned int links;
	bool folder; /* what the last component has to be */
	bool stub;   /* what is made is there to be mounted upon */
};

/* Take the next component out of `rest`. 1; 0 at the end; -ENAMETOOLONG. */
static int take_name(struct walk *walk, char name[CPS_NAME_MAX + 1])
{
	const char *part;
	size_t pos = 0, len, left = strlen(walk->rest);

	if (cps_path_next(walk->rest, left, &pos, &part, &len) == 0)
		return 0;
	if (len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	memmove(walk->rest, walk->rest + pos, left - pos + 1);
	return 1;
}

static void step_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	*(slash ? slash : walk->done) = '\0';
}

static int step_down(struct walk *walk, const char *name)
{
	size_t len = strlen(walk->done), more = strlen(name);

	if (len + more + 2 > sizeof(walk->done))
		return -ENAMETOOLONG;
	if (len)
		walk->done[len++] = '/';
	memcpy(walk->done + len, name, more + 1);
	return 0;
}

/* Put the link's text before what is still to go. `done` names the link. */
static int follow(struct walk *walk, int link)
{
	char text[PATH_MAX];
	struct statfs fs;
	ssize_t len = readlinkat(link, "", text, sizeof(text) - 1);
	size_t left = strlen(walk->rest);

	if (len < 0)
		return -errno;
	if (fstatfs(link, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC ||
	    ++walk->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)len + left + 2 > sizeof(walk->rest))
		return -ENAMETOOLONG;
	memmove(walk->rest + len + 1, walk->rest, left + 1);
	memcpy(walk->rest, text, (size_t)len);
	walk->rest[len] = '/';
	if (text[0] == '/')
		walk->done[0] = '\0';
	else
		step_up(walk);
	return 0;
}

/* A descriptor of what was made, or -errno. */
static int make_one(int dir, const char *name, bool folder)
{
	int flags = folder ? O_RDONLY | O_DIRECTORY : O_WRONLY | O_CREAT | O_EXCL;
	int fd;

	if (folder && mkdirat(dir, name, 0755) < 0)
		return -errno;
	fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int cps_inside_stub(int dir, const char *name, bool folder)
{
	struct timespec times[2];
	struct stat before;
	bool known = fstat(dir, &before) == 0;
	cps_auto(cps_fd) int fd = make_one(dir, name, folder);

	if (fd < 0)
		return fd;
	/* A file system that knows no marks or keeps its own times has the stub all the
	 * same; then it is seen. */
	(void)!fsetxattr(fd, CPS_TOP_STUB_XATTR, name, strlen(name), XATTR_CREATE);
	times[0] = before.st_atim;
	times[1] = before.st_mtim;
	if (known)
		(void)!utimensat(dir, ".", times, 0);
	return 0;
}

/* Make `name` in the folder `done`. Whatever appeared there meanwhile stays. */
static int make(struct walk *walk, const char *name, bool folder)
{
	cps_auto(cps_fd) int dir = -1, fd = -1;
	int rc;

	dir = open_in_root(walk->root, walk->done, O_PATH | O_DIRECTORY,
			   RESOLVE_NO_SYMLINKS);
	if (dir < 0)
		return dir;
	if (walk->stub)
		rc = cps_inside_stub(dir, name, folder);
	else
		rc = fd = make_one(dir, name, folder);
	return rc < 0 && rc != -EEXIST ? rc : 0;
}

/* Open `name` in `done` itself, link or not; make it when it is missing. */
static int enter(struct walk *walk, const char *name)
{
	char parent[PATH_MAX];
	size_t pos = 0, len;
	const char *part;
	bool last = !cps_path_next(walk->rest, strlen(walk->rest), &pos, &part, &len);
	int rc, fd;

	strcpy(parent, walk->done);
	rc = step_down(walk, name);
	if (rc < 0)
		return rc;
	fd = open_in_root(walk->root, walk->done, O_PATH | O_NOFOLLOW,
			  RESOLVE_NO_SYMLINKS);
	if (fd != -ENOENT)
		return fd;
	strcpy(walk->done, parent);
	rc = make(walk, name, !last || walk->folder);
	if (rc == 0)
		rc = step_down(walk, name);
	return rc < 0 ? rc
		      : open_in_root(walk->root, walk->done, O_PATH | O_NOFOLLOW,
				     RESOLVE_NO_SYMLINKS);
}

static int walk_on(struct walk *walk, const char *name)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		step_up(walk);
		return 0;
	}
	fd = enter(walk, name);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISLNK(st.st_mode) ? follow(walk, fd) : 0;
}

static int walk_all(struct walk *walk)
{
	char name[CPS_NAME_MAX + 1];
	struct stat st;
	int rc, fd;

	while ((rc = take_name(walk, name)) > 0) {
		rc = walk_on(walk, name);
		if (rc < 0)
			return rc;
	}
	fd = rc < 0 ? rc
		    : open_in_root(walk->root, walk->done, O_PATH, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	rc = fstat(fd, &st) < 0 ? -errno : 0;
	if (rc == 0 && S_ISDIR(st.st_mode) != walk->folder)
		rc = walk->folder ? -ENOTDIR : -EISDIR;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

static int make_path(int root, const char *path, bool folder, bool stub,
		     struct cps_err *err)
{
	struct walk walk = {.root = root, .folder = folder, .stub = stub};
	int fd;

	if (strlen(path) >= sizeof(walk.rest))
		return cps_err_sys(err, -ENAMETOOLONG, "a path of the root");
	strcpy(walk.rest, path);
	fd = walk_all(&walk);
	return fd < 0 ? cps_err_sys(err, fd, "'%s' in the root", path) : fd;
}

int cps_inside_make(int root, const char *path, bool folder, struct cps_err *err)
{
	return make_path(root, path, folder, false, err);
}

int cps_inside_make_stub(int root, const char *path, bool folder, struct cps_err *err)
{
	return make_path(root, path, folder, true, err);
}
