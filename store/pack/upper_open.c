/* Folders of an upper directory, opened component by component. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/pack/upper_internal.h"

static int open_one(int dirfd, const char *name, size_t len)
{
	char text[CPS_NAME_MAX + 1];
	int fd;

	if (!cps_name_ok_n(name, len))
		return -EINVAL;
	memcpy(text, name, len);
	text[len] = '\0';
	fd = openat(dirfd, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_open(const struct cps_upper_dir *dir, const char *path, size_t len)
{
	return dir->path.len == len &&
	       (len == 0 || memcmp(dir->path.data, path, len) == 0);
}

static int remember(struct cps_upper_dir *dir, int fd, const char *path, size_t len)
{
	cps_fd_auto(&dir->fd);
	dir->fd = fd;
	dir->path.len = 0;
	if (cps_buf_append(&dir->path, path, len) < 0)
		return -ENOMEM;
	return fd >= 0 ? fd : dir->root;
}

int cps_upper_open_dir(struct cps_upper_dir *dir, const char *path, size_t len)
{
	cps_auto(cps_fd) int fd = -1;
	size_t pos = 0, name_len;
	const char *name;

	if (is_open(dir, path, len))
		return dir->fd >= 0 ? dir->fd : dir->root;
	while (cps_path_next(path, len, &pos, &name, &name_len)) {
		int next = open_one(fd >= 0 ? fd : dir->root, name, name_len);

		if (next < 0)
			return next;
		cps_fd_auto(&fd);
		fd = next;
	}
	return remember(dir, CPS_TAKE_FD(fd), path, len);
}

int cps_upper_open_parent(struct cps_upper_dir *dir, const char *path,
			  const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return cps_upper_open_dir(dir, path, slash ? (size_t)(slash - path) : 0);
}

void cps_upper_dir_release(struct cps_upper_dir *dir)
{
	cps_fd_auto(&dir->fd);
	dir->fd = -1;
	cps_buf_release(&dir->path);
}
