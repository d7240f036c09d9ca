#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acked.h"

/* ---- doing a step ---- */

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

static int sync_folders(const struct model *m, const struct step *s)
{
	char path[64];
	int rc;

	name_folder(m, s->folder, path);
	rc = sync_path(s->kind == RENAME_FOLDER ? "." : path);
	name_folder(m, s->to_folder, path);
	return rc < 0 || s->kind == RENAME_FOLDER ? rc : sync_path(path);
}

/* Acknowledged is what close() or fsync() has said yes to. */
static int write_file(const struct model *m, const struct step *s, const char *path,
		      bool durable)
{
	static uint8_t data[SIZE_MAX_];
	size_t off = s->kind == CREATE   ? 0
		     : s->kind == APPEND ? m->inode[s->inode].size
					 : s->off;
	int flags = s->kind == CREATE   ? O_CREAT | O_EXCL | O_WRONLY
		    : s->kind == APPEND ? O_WRONLY | O_APPEND
					: O_WRONLY;
	int fd, rc = 0;

	if (off + s->len > SIZE_MAX_)
		return 0;
	fd = open(path, flags | O_CLOEXEC, s->mode);
	if (fd < 0)
		return -errno;
	pattern(data, s->len, s->seed);
	for (size_t done = 0; rc == 0 && done < s->len;) {
		ssize_t n = pwrite(fd, data + done, s->len - done, (off_t)(off + done));

		rc = n < 0 ? -errno : 0;
		done += n < 0 ? 0 : (size_t)n;
	}
	if (rc == 0 && durable && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int punch_file(const struct step *s, const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->off,
		       (off_t)s->len);
	rc = rc < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int rename_folder(const struct model *m, const struct step *s, const char *from)
{
	struct model moved = {0};
	char to[64];

	moved.folder[0] = m->folder[s->folder] + FOLDERS;
	name_folder(&moved, 0, to);
	return rename(from, to);
}

static int change_name(const struct model *m, const struct step *s)
{
	char path[64], to[64];

	name_file(m, s->to_folder, s->to_name, to);
	name_file(m, s->folder, s->name, path);
	switch (s->kind) {
	case LINK:
		return link(path, to);
	case UNLINK:
		return unlink(path);
	case RENAME:
		return rename(path, to);
	default:
		name_folder(m, s->folder, path);
		return rename_folder(m, s, path);
	}
}

static int change_attributes(const struct step *s, const char *path)
{
	uint64_t value = s->seed | 1;

	switch (s->kind) {
	case CHMOD:
		return chmod(path, s->mode);
	case XATTR:
		return setxattr(path, "user.acked", &value, sizeof(value), 0);
	default:
		return truncate(path, (off_t)(s->off % 3 ? s->off : 0));
	}
}

int step_run(const struct model *m, const struct step *s, bool durable)
{
	char path[64];
	int rc;

	name_file(m, s->folder, s->name, path);
	if (s->kind == SYNC)
		return sync_path(path);
	if (step_writes(s)) {
		rc = write_file(m, s, path, durable);
		return rc == 0 && durable ? sync_folders(m, s) : rc;
	}
	if (s->kind == PUNCH)
		rc = punch_file(s, path);
	else if (s->kind >= LINK)
		rc = change_name(m, s) < 0 ? -errno : 0;
	else
		rc = change_attributes(s, path) < 0 ? -errno : 0;
	if (rc < 0 || !durable)
		return rc;
	return s->kind >= LINK ? sync_folders(m, s) : sync_path(path);
}

/* ---- checking ---- */

struct report {
	unsigned int bad;
	bool quiet;
};

static void wrong(struct report *r, const char *path, const char *what)
{
	if (!r->quiet && r->bad < 20)
		fprintf(stderr, "  %s: %s\n", path, what);
	r->bad++;
}

static void check_content(struct report *r, const struct inode *i, const char *path)
{
	static uint8_t data[SIZE_MAX_ + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n = 0;

	while (fd >= 0 && got < sizeof(data) &&
	       (n = read(fd, data + got, sizeof(data) - got)) > 0)
		got += (size_t)n;
	if (fd < 0 || (n < 0 && !i->gone))
		wrong(r, path, "cannot be read");
	else if (!i->doubtful && (got != i->size || memcmp(data, i->data, got) != 0))
		wrong(r, path, got != i->size ? "size" : "content");
	if (fd >= 0)
		close(fd);
}

static void check_file(struct report *r, const struct inode *i, const char *path)
{
	struct stat st;
	uint64_t value = 0;

	if (lstat(path, &st) < 0) {
		wrong(r, path, "is lost");
		return;
	}
	if ((st.st_mode & 07777) != i->mode)
		wrong(r, path, "mode");
	if (st.st_nlink != i->links)
		wrong(r, path, "link count");
	if (getxattr(path, "user.acked", &value, sizeof(value)) < 0 && i->xattr)
		wrong(r, path, "xattr");
	if (value != i->xattr)
		wrong(r, path, "value of its xattr");
	check_content(r, i, path);
}

/* Nothing is in a folder that the model does not have there. */
static void check_strangers(struct report *r, const char *path, size_t want)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	size_t n = 0;

	if (!dir) {
		wrong(r, path, "folder is lost");
		return;
	}
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (n != want)
		wrong(r, path, n > want ? "has too many names" : "has too few names");
	closedir(dir);
}

unsigned int model_check(const struct model *m, bool quiet)
{
	struct report r = {.quiet = quiet}; /* the first fault is enough */
	char path[64];

	check_strangers(&r, ".", FOLDERS);
	for (int f = 0; f < FOLDERS && !(quiet && r.bad); f++) {
		size_t names = 0;

		for (int n = 0; n < NAMES; n++) {
			if (m->name[f][n] < 0 || (quiet && r.bad))
				continue;
			names++;
			name_file(m, f, n, path);
			check_file(&r, &m->inode[m->name[f][n]], path);
		}
		name_folder(m, f, path);
		check_strangers(&r, path, names);
	}
	return r.bad;
}

int model_write(const struct model *m)
{
	char path[64];

	umask(0);
	for (int f = 0; f < FOLDERS; f++) {
		name_folder(m, f, path);
		if (mkdir(path, 0755) < 0)
			return -errno;
		for (int n = 0; n < NAMES; n++) {
			const struct inode *i;
			int fd;

			if (m->name[f][n] < 0)
				continue;
			i = &m->inode[m->name[f][n]];
			name_file(m, f, n, path);
			fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, i->mode);
			if (fd < 0 || write(fd, i->data, i->size) != (ssize_t)i->size ||
			    close(fd) < 0)
				return -errno;
		}
	}
	return 0;
}
