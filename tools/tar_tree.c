#include "tools/tar_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"
#include "store/base/path.h"

#define COPY_BYTES (256u << 10)
#define DEPTH_MAX  2048

struct tar_tree {
	cps_write_fn write;
	void *ctx;
	struct cps_buf path, header;
	char buf[COPY_BYTES];
	struct cps_err *err;
};

static int fail(struct tar_tree *t, int rc)
{
	return cps_err_sys(t->err, rc, "'%s'", cps_buf_cstr(&t->path));
}

/* Exactly the bytes that the header promised: a file that shrinks is filled up. */
static int put_bytes(struct tar_tree *t, int fd, uint64_t size)
{
	uint64_t padded = (size + 511) & ~(uint64_t)511;
	int rc = 0;

	for (uint64_t off = 0; rc == 0 && off < padded;) {
		size_t want =
			padded - off < COPY_BYTES ? (size_t)(padded - off) : COPY_BYTES;
		size_t real = off >= size         ? 0
			      : size - off < want ? (size_t)(size - off)
						  : want;
		ssize_t n = real ? cps_pread_full(fd, t->buf, real, off) : 0;

		if (n < 0)
			return fail(t, (int)n);
		memset(t->buf + n, 0, want - (size_t)n);
		rc = t->write(t->ctx, t->buf, want, t->err);
		off += want;
	}
	return rc;
}

static int put_header(struct tar_tree *t, const struct stat *st, enum cps_tar_type type,
		      const char *link)
{
	const struct cps_tar_entry entry = {
		.path = cps_buf_cstr(&t->path),
		.link = link,
		.type = type,
		.mode = st->st_mode & 07777u,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.size = type == CPS_TAR_REG ? (uint64_t)st->st_size : 0,
	};
	int rc;

	t->header.len = 0;
	rc = cps_tar_format_header(&entry, &t->header, t->err);
	return rc < 0 ? rc : t->write(t->ctx, t->header.data, t->header.len, t->err);
}

static int put_entry(struct tar_tree *t, int dirfd, const char *name,
		     unsigned int depth);

static int put_content(struct tar_tree *t, int fd, unsigned int depth)
{
	int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list < 0 ? NULL : fdopendir(list);
	size_t keep = t->path.len;
	struct dirent *entry;
	int rc = dir ? 0 : fail(t, -errno);

	if (!dir && list >= 0)
		close(list);
	if (rc == 0 && depth > DEPTH_MAX)
		rc = fail(t, -ELOOP);
	while (rc == 0 && (entry = readdir(dir))) {
		if (!cps_name_ok(entry->d_name))
			continue;
		rc = cps_buf_printf(&t->path, "/%s", entry->d_name);
		rc = rc < 0 ? cps_err_nomem(t->err)
			    : put_entry(t, fd, entry->d_name, depth + 1);
		t->path.len = keep;
		t->path.data[keep] = '\0';
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int put_file(struct tar_tree *t, int held, const struct stat *st)
{
	cps_auto(cps_fd) int fd = -1;
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
	fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return fail(t, -errno);
	rc = put_header(t, st, CPS_TAR_REG, "");
	return rc < 0 ? rc : put_bytes(t, fd, (uint64_t)st->st_size);
}

static int put_link(struct tar_tree *t, int held, const struct stat *st)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(held, "", target, sizeof(target) - 1);

	if (n < 0)
		return fail(t, -errno);
	target[n] = '\0';
	return put_header(t, st, CPS_TAR_SYMLINK, target);
}

static int put_entry(struct tar_tree *t, int dirfd, const char *name,
		     unsigned int depth)
{
	cps_auto(cps_fd) int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(t, -errno);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		rc = put_header(t, &st, CPS_TAR_DIR, "");
		return rc < 0 ? rc : put_content(t, fd, depth);
	case S_IFREG:
		return put_file(t, fd, &st);
	case S_IFLNK:
		return put_link(t, fd, &st);
	case S_IFCHR:
		return put_header(t, &st, CPS_TAR_CHR, "");
	case S_IFBLK:
		return put_header(t, &st, CPS_TAR_BLK, "");
	case S_IFIFO:
		return put_header(t, &st, CPS_TAR_FIFO, "");
	default:
		return 0;
	}
}

int cps_tar_tree(int dirfd, const char *name, const char *as, cps_write_fn write,
		 void *ctx, struct cps_err *err)
{
	static const char end[1024];
	struct tar_tree *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return cps_err_nomem(err);
	t->write = write;
	t->ctx = ctx;
	t->err = err;
	rc = cps_buf_str(&t->path, as) < 0 ? cps_err_nomem(err)
					   : put_entry(t, dirfd, name, 0);
	if (rc == 0)
		rc = write(ctx, end, sizeof(end), err);
	cps_buf_release(&t->path);
	cps_buf_release(&t->header);
	free(t);
	return rc;
}
