#include "tools/run/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "store/base/fd.h"
#include "tools/run/mounts.h"
#include "tools/run/terminal.h"

static const struct node {
	const char *name;
	unsigned int major, minor;
} nodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
	     {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

/* The host's node, where we may make none of our own: nobody inside owns it. */
static int host_node(const struct node *node, struct cps_err *err)
{
	char path[32];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", node->name);
	fd = cps_mount_clone(AT_FDCWD, path, false);
	if (fd < 0)
		return cps_err_sys(err, fd, "'%s' of this machine", path);
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev == makedev(node->major, node->minor))
		return fd;
	close(fd);
	return cps_err_set(err, -ENODEV, "'%s' of this machine is another device",
			   path);
}

/* A node whose mode and owner are nobody else's; as a mount of its own, which may be
 * opened as a device on a /dev that may not. */
static int own_node(const struct cps_scene *scene, const struct node *node,
		    struct cps_err *err)
{
	int fd;

	if (mknodat(scene->stuff, node->name, S_IFCHR | 0666,
		    makedev(node->major, node->minor)) < 0)
		return errno == EPERM
			       ? host_node(node, err)
			       : cps_err_sys(err, -errno, "make '%s'", node->name);
	fd = cps_mount_clone(scene->stuff, node->name, false);
	return fd < 0 ? cps_err_sys(err, fd, "'%s'", node->name) : fd;
}

static int make_nodes(const struct cps_scene *scene, struct cps_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < CPS_ARRAY_LEN(nodes); i++) {
		int fd = own_node(scene, &nodes[i], err);

		if (fd < 0)
			return fd;
		rc = cps_mount_set(fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
		if (rc < 0)
			cps_err_sys(err, rc, "'%s'", nodes[i].name);
		else
			rc = cps_scene_node(scene, nodes[i].name, CPS_TAKE_FD(fd), err);
		if (fd >= 0)
			close(fd);
	}
	return rc;
}

static int make_links(const struct cps_scene *scene, struct cps_err *err)
{
	static const char *const links[][2] = {
		{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
		{"core", "/proc/kcore"},       {"ptmx", "pts/ptmx"},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(links); i++)
		if (symlinkat(links[i][1], scene->dev, links[i][0]) < 0)
			return cps_err_sys(err, -errno, "link '/dev/%s'", links[i][0]);
	return 0;
}

/* Mount `mount` on a new folder of /dev. */
static int put_below(const struct cps_scene *scene, const char *name, int mount,
		     struct cps_err *err)
{
	int fd;

	if (mount < 0)
		return mount;
	if (mkdirat(scene->dev, name, 0755) < 0)
		return cps_err_sys(err, -errno, "make '/dev/%s'", name);
	fd = openat(scene->dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return cps_err_sys(err, -errno, "'/dev/%s'", name);
	return cps_scene_put(mount, fd, name, err);
}

static int make_pts(struct cps_scene *scene, struct cps_err *err)
{
	static const char *const options[] = {"newinstance", "ptmxmode=0666",
					      "mode=0620", "gid=5", NULL};
	/* A user namespace of one id has no group 5. */
	static const char *const plain[] = {"newinstance", "ptmxmode=0666", "mode=0620",
					    NULL};
	unsigned int attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

	scene->pts = cps_mount_new("devpts", options, attrs, err);
	if (scene->pts == -EINVAL)
		scene->pts = cps_mount_new("devpts", plain, attrs, err);
	return put_below(scene, "pts", scene->pts, err);
}

static int make_folders(struct cps_scene *scene, struct cps_err *err)
{
	const char *shm_options[] = {"mode=1777", "size=65536k", NULL};
	cps_auto(cps_fd) int shm = -1, queue = -1;
	int rc = make_pts(scene, err);
	char size[32];

	snprintf(size, sizeof(size), "size=%llu",
		 (unsigned long long)scene->opts->shm_bytes);
	if (scene->opts->shm_bytes)
		shm_options[1] = size;

	if (rc < 0)
		return rc;
	shm = cps_mount_new("tmpfs", shm_options, CPS_MOUNT_INERT, err);
	rc = put_below(scene, "shm", shm, err);
	if (rc < 0)
		return rc;
	queue = cps_mount_new("mqueue", NULL, CPS_MOUNT_INERT, err);
	return put_below(scene, "mqueue", queue, err);
}

int cps_scene_dev(struct cps_scene *scene, struct cps_err *err)
{
	static const char *const options[] = {"mode=755", "size=65536k", NULL};
	int rc, onto = cps_scene_folder(scene->root, "dev", err);

	if (onto < 0)
		return onto;
	scene->dev = cps_mount_new(
		"tmpfs", options,
		MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME, err);
	if (scene->dev < 0) {
		close(onto);
		return scene->dev;
	}
	rc = cps_scene_put(scene->dev, onto, "/dev", err);
	if (rc == 0)
		rc = make_nodes(scene, err);
	if (rc == 0)
		rc = make_links(scene, err);
	return rc < 0 ? rc : make_folders(scene, err);
}

/* ---- the terminal ---- */

int cps_scene_terminal(struct cps_scene *scene, const struct cps_process *size,
		       int tty[2], struct cps_err *err)
{
	char name[16];
	unsigned int number;
	int fd, rc = cps_terminal_open(scene->pts, size, tty);

	if (rc < 0)
		return cps_err_sys(err, rc, "a terminal");
	if (ioctl(tty[0], TIOCGPTN, &number) < 0)
		return cps_err_sys(err, -errno, "a terminal's number");
	snprintf(name, sizeof(name), "%u", number);
	fd = cps_mount_clone(scene->pts, name, false);
	if (fd < 0)
		return cps_err_sys(err, fd, "the terminal");
	return cps_scene_node(scene, "console", fd, err);
}
