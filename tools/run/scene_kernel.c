#include "tools/run/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "tools/run/inside.h"
#include "tools/run/kernel_paths.h"
#include "tools/run/mounts.h"

#define CPUS_MAX 4096

/* Nothing to see: an empty folder, or our own /dev/null. `in` is a mount of the
 * kernel's, so that no name of it is a link's of the root. */
static int mask(const struct cps_scene *scene, int in, const char *name,
		struct cps_err *err)
{
	cps_auto(cps_fd) int cover = -1;
	int onto = cps_inside_open(in, name, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (onto == -ENOENT || onto == -EACCES)
		return 0;
	if (onto < 0 || fstat(onto, &st) < 0)
		return cps_err_sys(err, onto < 0 ? onto : -errno, "hide '%s'", name);
	if (S_ISDIR(st.st_mode))
		cover = cps_mount_new("tmpfs", NULL,
				      CPS_MOUNT_INERT | MOUNT_ATTR_RDONLY, err);
	else
		cover = cps_mount_clone(scene->dev, "null", false);
	if (cover < 0) {
		close(onto);
		return cps_err_wrap(err, cover, "hide '%s'", name);
	}
	return cps_scene_put(cover, onto, name, err);
}

static int make_read_only(int in, const char *name, struct cps_err *err)
{
	cps_auto(cps_fd) int copy = cps_mount_clone(in, name, true);
	int rc, onto;

	if (copy == -ENOENT)
		return 0;
	if (copy < 0)
		return cps_err_sys(err, copy, "'%s'", name);
	rc = cps_mount_set(copy, MOUNT_ATTR_RDONLY | CPS_MOUNT_INERT, true);
	onto = rc < 0 ? rc : cps_inside_open(in, name, O_PATH | O_NOFOLLOW);
	if (onto < 0)
		return cps_err_sys(err, onto, "make '%s' read-only", name);
	return cps_scene_put(copy, onto, name, err);
}

static int make_proc(struct cps_scene *scene, struct cps_err *err)
{
	int rc, onto = cps_scene_folder(scene->root, "proc", err);

	if (onto < 0)
		return onto;
	scene->proc = cps_mount_new("proc", NULL, CPS_MOUNT_INERT, err);
	if (scene->proc < 0) {
		close(onto);
		return scene->proc;
	}
	rc = cps_scene_put(scene->proc, onto, "/proc", err);
	for (size_t i = 0; rc == 0 && cps_proc_masked[i]; i++)
		rc = mask(scene, scene->proc, cps_proc_masked[i], err);
	for (size_t i = 0; rc == 0 && cps_proc_read_only[i]; i++)
		rc = make_read_only(scene->proc, cps_proc_read_only[i], err);
	return rc;
}

/* A sysfs of our own, or the machine's where the network is the machine's and a user
 * namespace may not mount one. */
static int new_sys(struct cps_err *err)
{
	unsigned int attrs = CPS_MOUNT_INERT | MOUNT_ATTR_RDONLY;
	int rc, fd = cps_mount_new("sysfs", NULL, attrs, err);

	if (fd != -EPERM)
		return fd;
	fd = cps_mount_clone(AT_FDCWD, "/sys", true);
	rc = fd < 0 ? fd : cps_mount_set(fd, attrs, true);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? cps_err_sys(err, rc, "bind /sys") : fd;
}

static int mask_cpus(struct cps_scene *scene, struct cps_err *err)
{
	char name[64];
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < CPUS_MAX; i++) {
		snprintf(name, sizeof(name), "devices/system/cpu/cpu%u", i);
		if (faccessat(scene->sys, name, F_OK, 0) < 0)
			break;
		snprintf(name, sizeof(name),
			 "devices/system/cpu/cpu%u/thermal_throttle", i);
		rc = mask(scene, scene->sys, name, err);
	}
	return rc;
}

static int make_sys(struct cps_scene *scene, struct cps_err *err)
{
	int rc, onto = cps_scene_folder(scene->root, "sys", err);

	if (onto < 0)
		return onto;
	scene->sys = new_sys(err);
	if (scene->sys < 0) {
		close(onto);
		return scene->sys;
	}
	rc = cps_scene_put(scene->sys, onto, "/sys", err);
	if (rc == 0)
		rc = cps_scene_cgroup(scene, err);
	for (size_t i = 0; rc == 0 && cps_sys_masked[i]; i++)
		rc = mask(scene, scene->sys, cps_sys_masked[i], err);
	return rc < 0 ? rc : mask_cpus(scene, err);
}

int cps_scene_kernel(struct cps_scene *scene, struct cps_err *err)
{
	int rc = make_proc(scene, err);

	return rc < 0 ? rc : make_sys(scene, err);
}
