#include "tools/run/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"

#define OPTION_MAX 256 /* bytes of "key=value" */

static int configure(int fs, const char *option)
{
	char key[OPTION_MAX], *value;

	if (strlen(option) >= sizeof(key))
		return -ENAMETOOLONG;
	strcpy(key, option);
	value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value,
		     0) < 0)
		return -errno;
	return 0;
}

int cps_mount_new(const char *type, const char *const *options, unsigned int attrs,
		  struct cps_err *err)
{
	cps_auto(cps_fd) int fs = fsopen(type, FSOPEN_CLOEXEC);
	int mount;

	if (fs < 0)
		return cps_err_sys(err, -errno, "a %s", type);
	for (; options && *options; options++) {
		int rc = configure(fs, *options);

		if (rc < 0)
			return cps_err_sys(err, rc, "a %s with '%s'", type, *options);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return cps_err_sys(err, -errno, "make a %s", type);
	mount = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	return mount < 0 ? cps_err_sys(err, -errno, "mount a %s", type) : mount;
}

int cps_mount_clone(int dirfd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	int fd;

	if (*path == '\0')
		flags |= AT_EMPTY_PATH;
	if (recursive)
		flags |= AT_RECURSIVE;
	fd = open_tree(dirfd, path, flags);
	return fd < 0 ? -errno : fd;
}

int cps_mount_copy(int mount)
{
	int fd = cps_mount_clone(mount, "", true);

	if (fd == -EINVAL)
		fd = fcntl(mount, F_DUPFD_CLOEXEC, 0);
	return fd == -1 ? -errno : fd;
}

int cps_mount_attach(int mount, int onto)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	return move_mount(mount, "", onto, "", flags) < 0 ? -errno : 0;
}

static int set_attr(int dirfd, const char *path, unsigned int flags,
		    struct mount_attr *attr)
{
	return mount_setattr(dirfd, path, flags, attr, sizeof(*attr)) < 0 ? -errno : 0;
}

int cps_mount_set(int mount, uint64_t attrs, bool recursive)
{
	struct mount_attr attr = {.attr_set = attrs};

	return set_attr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
			&attr);
}

int cps_mount_all_private(void)
{
	struct mount_attr attr = {.propagation = MS_PRIVATE};

	return set_attr(AT_FDCWD, "/", AT_RECURSIVE, &attr);
}

int cps_mount_detach(int mount)
{
	if (fchdir(mount) < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

int cps_mount_pivot(int mount)
{
	if (fchdir(mount) < 0)
		return -errno;
	/* Old and new root in one place: the old one then lies on top. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}
