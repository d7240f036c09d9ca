#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int cps_folder_each(int folder, cps_folder_fn fn, void *ctx, struct cps_err *err)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int rc = 0;

	if (!dir) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return cps_err_sys(err, rc, "read a folder of the store");
	}
	while (rc == 0 && (errno = 0, de = readdir(dir))) {
		struct cps_digest id;
		struct stat st;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (fstatat(folder, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* another process was faster */
		rc = fn(ctx, folder, de->d_name,
			cps_digest_parse_hex(de->d_name, &id) == 0 ? &id : NULL, &st);
	}
	if (rc == 0 && !de && errno)
		rc = cps_err_sys(err, -errno, "read a folder of the store");
	closedir(dir);
	return rc;
}

#define DEPTH_MAX 8 /* folders in folders */

/* Takes fd. */
static int remove_all(int fd, unsigned int depth);

static int remove_one(int dirfd, const char *name, unsigned int depth)
{
	static const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV,
	};
	int fd, rc;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	/* What somebody mounted there is not the store's to remove. */
	fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = remove_all(fd, depth + 1);
	if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

static int remove_all(int fd, unsigned int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *de;
	int rc = dir && depth > DEPTH_MAX ? -ELOOP : 0;

	if (!dir) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, de = readdir(dir)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			rc = remove_one(fd, de->d_name, depth);
	if (rc == 0 && errno)
		rc = -errno;
	closedir(dir);
	return rc;
}

int cps_folder_remove(int dirfd, const char *name)
{
	return remove_one(dirfd, name, 0);
}
