#include "tools/run/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "tools/run/inside.h"
#include "tools/run/mounts.h"

int cps_scene_folder(int root, const char *name, struct cps_err *err)
{
	struct stat st;
	int fd, rc = cps_inside_stub(root, name, true);

	if (rc < 0 && rc != -EEXIST && rc != -EROFS)
		return cps_err_sys(err, rc, "make '/%s' in the root", name);
	fd = openat(root, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cps_err_sys(err, -errno, "'/%s' of the root", name);
	if (S_ISDIR(st.st_mode))
		return fd;
	close(fd);
	return cps_err_set(err, -ENOTDIR, "'/%s' of the root is %s, not a folder", name,
			   S_ISLNK(st.st_mode) ? "a link" : "something else");
}

int cps_scene_put(int mount, int onto, const char *what, struct cps_err *err)
{
	int rc = cps_mount_attach(mount, onto);

	close(onto);
	return rc < 0 ? cps_err_sys(err, rc, "mount %s", what) : 0;
}

int cps_scene_node(const struct cps_scene *scene, const char *name, int mount,
		   struct cps_err *err)
{
	int rc, fd = openat(scene->dev, name,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

	rc = fd < 0 ? cps_err_sys(err, -errno, "make '/dev/%s'", name)
		    : cps_scene_put(mount, fd, name, err);
	close(mount);
	return rc;
}

int cps_scene_begin(struct cps_scene *scene, int root, struct cps_err *err)
{
	static const char *const options[] = {"mode=0700", "size=4m", NULL};
	int old, rc = cps_mount_all_private();

	if (rc < 0)
		return cps_err_sys(err, rc, "make the mounts private");
	old = open("/", O_PATH | O_CLOEXEC);
	if (old < 0)
		return cps_err_sys(err, -errno, "'/'");
	scene->root = root;
	/* Nodes open as devices where we bind ours, and nowhere else. */
	rc = cps_mount_set(root, MOUNT_ATTR_NODEV, true);
	if (rc < 0)
		cps_err_sys(err, rc, "make the root's nodes inert");
	else
		rc = cps_scene_put(root, CPS_TAKE_FD(old), "the root", err);
	if (old >= 0)
		close(old);
	if (rc < 0)
		return rc;
	scene->stuff = cps_mount_new("tmpfs", options, 0, err);
	if (scene->stuff < 0)
		return scene->stuff;
	rc = cps_mount_attach(scene->stuff, root);
	return rc < 0 ? cps_err_sys(err, rc, "mount a tmpfs") : 0;
}

int cps_scene_end(struct cps_scene *scene, struct cps_err *err)
{
	int rc = cps_mount_detach(scene->stuff);

	if (rc == 0 && scene->opts->read_only)
		rc = cps_mount_set(scene->root, MOUNT_ATTR_RDONLY, false);
	if (rc == 0)
		rc = cps_mount_pivot(scene->root);
	return rc < 0 ? cps_err_sys(err, rc, "enter the root") : 0;
}
