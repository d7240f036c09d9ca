#include "tools/run/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/base/path.h"
#include "tools/run/cgroup_place.h"

/* Groups that exist: joining them, and removing those that nobody is in any more. */

/* ---- what was left ---- */

#define DEPTH_MAX 16 /* of groups in groups that are looked at */

/* Remove the folders of that name below `dir`, which is closed. */
static void remove_below(int dir, const char *name, unsigned int depth)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;

	if (!stream) {
		close(dir);
		return;
	}
	while ((entry = readdir(stream))) {
		int child;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (strcmp(entry->d_name, name) == 0) {
			unlinkat(dir, name, AT_REMOVEDIR);
			continue;
		}
		child = depth ? openat(dir, entry->d_name,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			      : -1;
		if (child >= 0)
			remove_below(child, name, depth - 1);
	}
	closedir(stream);
}

int cps_sandbox_cgroup_remove(const char *name)
{
	static const char *const controllers[] = {"memory", "cpu", "pids", ""};
	cps_auto(cps_free) struct cps_cgroup_place *place = calloc(1, sizeof(*place));

	if (!place)
		return -ENOMEM;
	if (!cps_name_ok(name))
		return -EINVAL;
	for (size_t i = 0; i < CPS_ARRAY_LEN(controllers); i++) {
		int dir;

		if (cps_cgroup_find(0, controllers[i], place) < 0)
			continue;
		dir = open(place->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			remove_below(dir, name, DEPTH_MAX);
	}
	return 0;
}

/* ---- joining ---- */

static int join_one(void *ctx, const struct cps_cgroup_place *place)
{
	struct cps_err *err = ctx;
	cps_auto(cps_free) char *path = NULL;
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (asprintf(&path, "%s/cgroup.procs", place->path) < 0) {
		path = NULL;
		return cps_err_nomem(err);
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 || write(fd, "0", 1) < 0 ? -errno : 0;

	/* An ordinary user may be in a session that he cannot leave. */
	if ((rc == -EACCES || rc == -EPERM) && geteuid() != 0)
		return 0;
	return rc < 0 ? cps_err_sys(err, rc, "enter the control group '%s'",
				    place->path)
		      : 0;
}

static int read_groups(const char *path, struct cps_buf *out)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : cps_read_all(fd, out);
}

int cps_cgroup_join(pid_t other, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf ours = CPS_BUF_INIT(1u << 20);
	cps_auto(cps_buf) struct cps_buf theirs = CPS_BUF_INIT(1u << 20);
	char path[64];
	int rc = read_groups("/proc/self/cgroup", &ours);

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)other);
	if (rc == 0)
		rc = read_groups(path, &theirs);
	if (rc < 0)
		return cps_err_sys(err, rc, "the container's control groups");
	if (strcmp(cps_buf_cstr(&ours), cps_buf_cstr(&theirs)) == 0)
		return 0;
	return cps_cgroup_each(other, join_one, err);
}
