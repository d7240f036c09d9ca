#include "tools/container_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "store/base/fd.h"
#include "tools/container.h"
#include "tools/run/life.h"
#include "tools/run/rootless.h"

int cps_open_in_root(int root, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* What its init has as its root. */
static int open_running(struct cps_app *app, const struct cps_live *live,
			struct cps_container_root *out)
{
	cps_auto(cps_fd) int init = cps_life_init(&live->state, &app->err);
	char path[48];
	int rc = init < 0 ? init : cps_live_answers(app, live);

	if (rc < 0)
		return rc;
	/* An ordinary user's container shows its files to its own namespace only. */
	if (geteuid() != 0 && setns(init, CLONE_NEWUSER) < 0)
		return cps_err_sys(&app->err, -errno, "join the container's users");
	snprintf(path, sizeof(path), "/proc/%d/root", (int)live->state.pid);
	out->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->fd < 0)
		return cps_err_sys(&app->err, -errno, "the container's files");
	/* Was it still that process? */
	if (syscall(SYS_pidfd_send_signal, init, 0, NULL, 0) < 0)
		return cps_err_set(&app->err, -ESRCH, "it has just ended");
	return 0;
}

static int open_stopped(struct cps_app *app, const struct cps_live *live, bool write,
			struct cps_container_root *out)
{
	const struct cps_root_opts root = {0};
	const struct cps_top_opts top = {0};
	struct cps_mount_opts mount;
	bool rootless;
	int rc = cps_become_root(&rootless, &app->err);

	if (rc == 0)
		rc = write ? cps_open_top(app->store, &live->info, &root, &top,
					  &out->opened, &app->err)
			   : cps_container_look(app->store, &live->info, NULL,
						&out->opened, &app->err);
	if (rc < 0)
		return rc;
	cps_mount_defaults(&mount);
	mount.fsname = live->info.name;
	mount.allow_other = mount.default_permissions = true;
	rc = cps_mount_open(out->opened.top, &mount, &out->mount, &app->err);
	if (rc == 0)
		rc = cps_mount_start(out->mount, &app->err);
	if (rc < 0)
		return rc;
	out->fd = fcntl(cps_mount_root(out->mount), F_DUPFD_CLOEXEC, 0);
	return out->fd < 0 ? cps_err_sys(&app->err, -errno, "the container's files")
			   : 0;
}

int cps_container_root_open(struct cps_app *app, const struct cps_live *live,
			    bool write, struct cps_container_root *out)
{
	*out = (struct cps_container_root)CPS_CONTAINER_ROOT_INIT;
	return cps_live_is_running(live) ? open_running(app, live, out)
					 : open_stopped(app, live, write, out);
}

int cps_container_root_close(struct cps_container_root *root, struct cps_err *err)
{
	int rc = 0, closed;

	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
	if (root->mount)
		rc = cps_mount_stop(root->mount, err);
	cps_mount_close(root->mount);
	root->mount = NULL;
	closed = root->opened.top ? cps_opened_close(&root->opened, err) : 0;
	return rc < 0 ? rc : closed;
}
