#include "tools/run/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "store/base/fd.h"
#include "tools/run/inside.h"
#include "tools/run/mounts.h"

/* Of the control groups only the part that the sandbox is in, as its cgroup namespace
 * has it, and to look at: programs ask there how much memory they may use. */

#define ATTRS           (CPS_MOUNT_INERT | MOUNT_ATTR_RDONLY)
#define CONTROLLERS_MAX 16   /* of one hierarchy */
#define LIST_MAX        4096 /* bytes of /proc/self/cgroup */

static int put_unified(const struct cps_scene *scene, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = cps_mount_new("cgroup2", NULL, ATTRS, err);
	int onto;

	if (fd == -EPERM || fd == -EBUSY)
		return 0;
	onto = fd < 0 ? fd : cps_inside_open(scene->sys, "fs/cgroup", O_PATH);
	if (onto < 0)
		return cps_err_wrap(err, onto, "/sys/fs/cgroup");
	return cps_scene_put(fd, onto, "/sys/fs/cgroup", err);
}

/* One hierarchy of version 1, "cpu,cpuacct". What cannot be shown is left out. */
static void put_hierarchy(int folder, char *list)
{
	const char *options[CONTROLLERS_MAX + 1] = {0};
	cps_auto(cps_fd) int fd = -1, onto = -1;
	char name[128], *save = NULL;
	size_t count = 0;

	snprintf(name, sizeof(name), "%s", list);
	for (char *word = strtok_r(list, ",", &save); word && count < CONTROLLERS_MAX;
	     word = strtok_r(NULL, ",", &save))
		options[count++] = word;
	fd = cps_mount_new("cgroup", options, ATTRS, NULL);
	if (fd < 0 || mkdirat(folder, name, 0755) < 0)
		return;
	onto = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (onto >= 0)
		cps_mount_attach(fd, onto);
}

/* "4:memory:/a" */
static void put_hierarchies(int folder)
{
	cps_auto(cps_fd) int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char text[LIST_MAX], *save = NULL;
	ssize_t len = fd < 0 ? -1 : cps_read_full(fd, text, sizeof(text) - 1);

	if (len <= 0)
		return;
	text[len] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!path || path == list + 1 || strncmp(list + 1, "name=", 5) == 0)
			continue;
		*path = '\0';
		put_hierarchy(folder, list + 1);
	}
}

static int put_old(const struct cps_scene *scene, struct cps_err *err)
{
	static const char *const options[] = {"mode=755", "size=64k", NULL};
	cps_auto(cps_fd) int folder =
		cps_mount_new("tmpfs", options, CPS_MOUNT_INERT, err);
	int rc, onto;

	if (folder < 0)
		return folder;
	onto = cps_inside_open(scene->sys, "fs/cgroup", O_PATH);
	if (onto < 0) /* a kernel without */
		return 0;
	rc = cps_scene_put(folder, onto, "/sys/fs/cgroup", err);
	if (rc < 0)
		return rc;
	put_hierarchies(folder);
	rc = cps_mount_set(folder, MOUNT_ATTR_RDONLY, false);
	return rc < 0 ? cps_err_sys(err, rc, "/sys/fs/cgroup") : 0;
}

int cps_scene_cgroup(const struct cps_scene *scene, struct cps_err *err)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0)
		return 0;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? put_unified(scene, err)
						: put_old(scene, err);
}
