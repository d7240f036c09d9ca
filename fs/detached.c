#include "fs/detached.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/fd.h"

static int set_text(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_number(int fs, const char *key, const char *format, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), format, value);
	return set_text(fs, key, text);
}

static int set_flag(int fs, const char *key, bool wanted)
{
	if (!wanted)
		return 0;
	return fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0) < 0 ? -errno : 0;
}

static int configure(int fs, const struct cps_mount_opts *opts, bool writable,
		     int device)
{
	int rc = set_text(fs, "source", opts->fsname ? opts->fsname : "capas");

	if (rc == 0)
		rc = set_text(fs, "subtype", "capas");
	if (rc == 0)
		rc = set_number(fs, "fd", "%u", (unsigned int)device);
	if (rc == 0)
		rc = set_number(fs, "rootmode", "%o", S_IFDIR);
	if (rc == 0)
		rc = set_number(fs, "user_id", "%u", getuid());
	if (rc == 0)
		rc = set_number(fs, "group_id", "%u", getgid());
	if (rc == 0)
		rc = set_flag(fs, "allow_other", opts->allow_other);
	if (rc == 0)
		rc = set_flag(fs, "default_permissions", opts->default_permissions);
	if (rc == 0)
		rc = set_flag(fs, "ro", !writable);
	return rc;
}

static unsigned int attributes(const struct cps_mount_opts *opts, bool writable)
{
	return (opts->suid ? 0 : MOUNT_ATTR_NOSUID) |
	       (opts->dev ? 0 : MOUNT_ATTR_NODEV) |
	       (opts->noexec ? MOUNT_ATTR_NOEXEC : 0) |
	       (opts->noatime ? MOUNT_ATTR_NOATIME : 0) |
	       (opts->nodiratime ? MOUNT_ATTR_NODIRATIME : 0) |
	       (writable ? 0 : MOUNT_ATTR_RDONLY);
}

int cps_detached_new(const struct cps_mount_opts *opts, bool writable, int *device,
		     int *root, struct cps_err *err)
{
	cps_auto(cps_fd) int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	cps_auto(cps_fd) int fs = -1;
	int rc;

	if (dev < 0)
		return cps_err_sys(err, errno == ENOENT ? -ENODEV : -errno,
				   "open /dev/fuse");
	fs = fsopen("fuse", FSOPEN_CLOEXEC);
	if (fs < 0)
		return cps_err_sys(err, -errno, "make a FUSE file system");
	rc = configure(fs, opts, writable, dev);
	if (rc == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		rc = -errno;
	if (rc < 0)
		return cps_err_sys(err, rc, "make a FUSE file system");
	*root = fsmount(fs, FSMOUNT_CLOEXEC, attributes(opts, writable));
	if (*root < 0)
		return cps_err_sys(err, -errno, "mount a FUSE file system");
	*device = CPS_TAKE_FD(dev);
	return 0;
}
