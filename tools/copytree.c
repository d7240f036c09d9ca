#include "tools/copytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/path.h"

#define COPY_BYTES (256u << 10)
#define DEPTH_MAX  2048
#define XATTR_MAX  (64u << 10) /* bytes of one value, and of a list */
#define SET_ID     (S_ISUID | S_ISGID)

/** Where an inode with several names went first. */
struct first {
	dev_t dev;
	ino_t ino;
	char *path; /* owned; below the base */
};

struct copy {
	const struct cps_copy_opts *opts;
	int base; /* folder that paths are told from; borrowed */
	struct cps_buf path;
	struct first *firsts;
	size_t first_count, first_cap;
	uint64_t bytes, left_out;
	uint32_t aside;
	char buf[COPY_BYTES];
	struct cps_err *err;
};

/** One file: held by O_PATH, so that it cannot become another one. */
struct source {
	int fd;
	char path[32]; /* /proc/self/fd/N */
	struct stat st;
};

static int fail(struct copy *c, int rc)
{
	return cps_err_sys(c->err, rc, "'%s'", cps_buf_cstr(&c->path));
}

static int open_source(struct copy *c, int dirfd, const char *name, struct source *out)
{
	out->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (out->fd < 0 || fstat(out->fd, &out->st) < 0)
		return fail(c, -errno);
	snprintf(out->path, sizeof(out->path), "/proc/self/fd/%d", out->fd);
	return 0;
}

/* ---- attributes ---- */

static void copy_xattr(struct copy *c, const struct source *s, const char *target,
		       const char *name)
{
	ssize_t n = getxattr(s->path, name, c->buf, XATTR_MAX);

	/* Of our own mounts, or of another file system's affairs. */
	if (strncmp(name, "user.capas.", 11) == 0)
		return;
	if (n < 0 || setxattr(target, name, c->buf, (size_t)n, 0) < 0)
		cps_warn("'%s': attribute '%s' is not kept: %m", cps_buf_cstr(&c->path),
			 name);
}

static int copy_xattrs(struct copy *c, const struct source *s, const char *target)
{
	cps_auto(cps_free) char *names = malloc(XATTR_MAX);
	ssize_t n = names ? listxattr(s->path, names, XATTR_MAX) : -1;

	if (!names)
		return cps_err_nomem(c->err);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1)
		copy_xattr(c, s, target, names + at);
	return 0;
}

/* Owner first, for that clears set-id bits; times last. */
static int set_attributes(struct copy *c, const struct source *s, int dirfd,
			  const char *name)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, s->st.st_mtim};
	cps_auto(cps_fd) int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool link = S_ISLNK(s->st.st_mode), archive = c->opts->archive;
	mode_t mode = s->st.st_mode & 07777u;
	char path[32];
	int rc = 0;

	if (fd < 0)
		return fail(c, -errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (archive &&
	    fchownat(fd, "", s->st.st_uid, s->st.st_gid, AT_EMPTY_PATH) < 0) {
		if (errno != EPERM || geteuid() == 0)
			return fail(c, -errno);
		archive = false;
	}
	if (!link && chmod(path, archive ? mode : mode & ~SET_ID) < 0)
		return fail(c, -errno);
	if (c->opts->archive && !link)
		rc = copy_xattrs(c, s, path);
	if (rc == 0 && utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		rc = fail(c, -errno);
	return rc;
}

/* ---- files ---- */

static int copy_run(struct copy *c, int from, int to, off_t off, off_t end)
{
	while (off < end) {
		size_t want = end - off < (off_t)COPY_BYTES ? (size_t)(end - off)
							    : COPY_BYTES;
		ssize_t n = cps_pread_full(from, c->buf, want, (uint64_t)off);
		int rc;

		if (n < 0)
			return (int)n;
		if (n == 0) /* it became shorter meanwhile */
			return 0;
		rc = cps_pwrite_full(to, c->buf, (size_t)n, (uint64_t)off);
		if (rc < 0)
			return rc;
		off += n;
		c->bytes += (uint64_t)n;
		cps_progress_tell(&c->opts->progress, "files", c->bytes, 0);
	}
	return 0;
}

static int copy_bytes(struct copy *c, const struct source *s, int to)
{
	cps_auto(cps_fd) int from = open(s->path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	off_t size = s->st.st_size, at = 0;
	int rc = from < 0 ? -errno : 0;

	while (rc == 0 && at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		hole = lseek(from, data, SEEK_HOLE);
		at = hole < 0 || hole > size ? size : hole;
		rc = copy_run(c, from, to, data, at);
	}
	if (rc == 0 && ftruncate(to, size) < 0)
		rc = -errno;
	return rc < 0 ? fail(c, rc) : 0;
}

/* Make one thing at a name that is free. 0; -EEXIST without a message; -errno. */
static int make(struct copy *c, const struct source *s, int dirfd, const char *name)
{
	cps_auto(cps_fd) int fd = -1;
	ssize_t n;
	int rc = 0;

	switch (s->st.st_mode & S_IFMT) {
	case S_IFREG:
		fd = openat(dirfd, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		rc = fd < 0 ? -errno : copy_bytes(c, s, fd);
		break;
	case S_IFLNK:
		n = readlinkat(s->fd, "", c->buf, COPY_BYTES - 1);
		if (n >= 0)
			c->buf[n] = '\0';
		rc = n < 0 || symlinkat(c->buf, dirfd, name) < 0 ? -errno : 0;
		break;
	default:
		rc = mknodat(dirfd, name, (s->st.st_mode & S_IFMT) | 0600,
			     s->st.st_rdev) < 0
			     ? -errno
			     : 0;
	}
	if (rc == -EEXIST)
		return rc;
	if (rc == 0)
		rc = set_attributes(c, s, dirfd, name);
	else if (!c->err->msg[0])
		fail(c, rc);
	if (rc < 0)
		unlinkat(dirfd, name, 0); /* nobody sees half a file */
	return rc;
}

/* The name is taken: made aside, and put there in one step. */
static int replace(struct copy *c, const struct source *s, int dirfd, const char *name)
{
	char aside[32];
	struct stat st;
	int rc;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return cps_err_set(c->err, -EISDIR,
				   "cannot overwrite directory '%s' with "
				   "non-directory",
				   cps_buf_cstr(&c->path));
	do {
		snprintf(aside, sizeof(aside), ".capas-cp.%08x", ++c->aside);
		rc = make(c, s, dirfd, aside);
	} while (rc == -EEXIST && c->aside);
	if (rc == 0 && renameat(dirfd, aside, dirfd, name) < 0) {
		rc = fail(c, -errno);
		unlinkat(dirfd, aside, 0);
	}
	return rc;
}

/* ---- hard links ---- */

static const struct first *find_first(const struct copy *c, const struct stat *st)
{
	for (size_t i = 0; i < c->first_count; i++)
		if (c->firsts[i].ino == st->st_ino && c->firsts[i].dev == st->st_dev)
			return &c->firsts[i];
	return NULL;
}

/* 1 linked; 0 a copy is needed. */
static int link_to_first(struct copy *c, const struct stat *st, int dirfd,
			 const char *name)
{
	const struct first *first = st->st_nlink > 1 ? find_first(c, st) : NULL;
	cps_auto(cps_fd) int old = -1;
	char path[32];

	if (!first)
		return 0;
	old = cps_open_beneath(c->base, first->path, O_PATH | O_NOFOLLOW);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", old);
	return old >= 0 && linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) == 0;
}

static int note_first(struct copy *c, const struct stat *st)
{
	if (st->st_nlink < 2)
		return 0;
	if (cps_grow(&c->firsts, &c->first_cap, c->first_count + 1,
		     sizeof(*c->firsts)) < 0)
		return cps_err_nomem(c->err);
	c->firsts[c->first_count] =
		(struct first){st->st_dev, st->st_ino, strdup(cps_buf_cstr(&c->path))};
	return c->firsts[c->first_count++].path ? 0 : cps_err_nomem(c->err);
}

static int copy_file(struct copy *c, const struct source *s, int dirfd,
		     const char *name)
{
	unsigned int type = s->st.st_mode & S_IFMT;
	int rc;

	if (type == S_IFSOCK ||
	    (!c->opts->archive && (type == S_IFCHR || type == S_IFBLK))) {
		c->left_out++;
		return 0;
	}
	if (link_to_first(c, &s->st, dirfd, name))
		return 0;
	rc = make(c, s, dirfd, name);
	if (rc == -EEXIST)
		rc = replace(c, s, dirfd, name);
	return rc < 0 ? rc : note_first(c, &s->st);
}

/* ---- folders ---- */

static int copy_entry(struct copy *c, int from, const char *from_name, int to,
		      const char *to_name, unsigned int depth);

static int copy_content(struct copy *c, int from, int to, unsigned int depth)
{
	int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list < 0 ? NULL : fdopendir(list);
	size_t keep = c->path.len;
	struct dirent *entry;
	int rc = dir ? 0 : fail(c, -errno);

	if (!dir && list >= 0)
		close(list);
	if (rc == 0 && depth > DEPTH_MAX)
		rc = fail(c, -ELOOP);
	while (rc == 0 && (entry = readdir(dir))) {
		if (!cps_name_ok(entry->d_name))
			continue; /* "." and ".." */
		if (cps_buf_printf(&c->path, "%s%s", keep ? "/" : "", entry->d_name))
			rc = cps_err_nomem(c->err);
		else
			rc = copy_entry(c, from, entry->d_name, to, entry->d_name,
					depth + 1);
		c->path.len = keep;
		if (c->path.data)
			c->path.data[keep] = '\0';
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int copy_dir(struct copy *c, const struct source *s, int to, const char *name,
		    unsigned int depth)
{
	bool fresh = strcmp(name, ".") != 0 && mkdirat(to, name, 0700) == 0;
	cps_auto(cps_fd) int fd =
		openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return cps_err_set(c->err, -ENOTDIR,
				   "cannot overwrite non-directory '%s' with directory",
				   cps_buf_cstr(&c->path));
	if (fd < 0)
		return fail(c, -errno);
	rc = copy_content(c, s->fd, fd, depth);
	if (rc == 0 && (fresh || c->opts->archive))
		rc = set_attributes(c, s, to, name);
	return rc;
}

static int copy_entry(struct copy *c, int from, const char *from_name, int to,
		      const char *to_name, unsigned int depth)
{
	struct source s = {.fd = -1};
	int rc = open_source(c, from, from_name, &s);

	if (rc == 0)
		rc = S_ISDIR(s.st.st_mode) ? copy_dir(c, &s, to, to_name, depth)
					   : copy_file(c, &s, to, to_name);
	if (s.fd >= 0)
		close(s.fd);
	return rc;
}

int cps_copy_tree(int from, const char *from_name, int to, const char *to_name,
		  const struct cps_copy_opts *opts, struct cps_err *err)
{
	struct copy *c = calloc(1, sizeof(*c));
	struct cps_err own = CPS_ERR_INIT;
	int rc;

	if (!c)
		return cps_err_nomem(err);
	c->opts = opts;
	c->base = to;
	c->err = &own;
	rc = strcmp(to_name, ".") == 0 ? 0 : cps_buf_str(&c->path, to_name);
	rc = rc < 0 ? cps_err_nomem(&own)
		    : copy_entry(c, from, from_name, to, to_name, 0);
	if (c->left_out)
		cps_warn("cp: devices and sockets are left out (%llu)%s",
			 (unsigned long long)c->left_out,
			 opts->archive ? "" : "; -a copies devices");
	for (size_t i = 0; i < c->first_count; i++)
		free(c->firsts[i].path);
	free(c->firsts);
	cps_buf_release(&c->path);
	free(c);
	return rc < 0 ? cps_err_set(err, rc, "%s", own.msg) : 0;
}
