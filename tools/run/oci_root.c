#include "tools/run/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "tools/run/inside.h"
#include "tools/run/mounts.h"
#include "tools/run/scene.h"

/* The root and the volumes, before a runtime looks at them. */

#define FILES_MAX 2 /* resolv.conf and hosts */

void cps_oci_setup_release(struct cps_oci_setup *setup)
{
	for (char **t = setup->targets; t && *t; t++)
		free(*t);
	free(setup->targets);
	free(setup->base);
	free(setup->cwd);
	cps_user_release(&setup->user);
	cps_fd_auto(&setup->bundle);
	cps_fd_auto(&setup->root);
}

/* ---- the root and the volumes ---- */

/* Mount it on the bundle's folder; setup->root is what is found there. */
static int mount_root(struct cps_oci_setup *setup, int root, struct cps_err *err)
{
	cps_auto(cps_fd) int copy = cps_mount_copy(root), onto = -1;
	int rc = copy < 0 ? copy : 0;

	if (rc == 0 && mkdirat(setup->bundle, CPS_OCI_ROOTFS, 0755) < 0 &&
	    errno != EEXIST)
		rc = -errno;
	if (rc == 0) {
		onto = openat(setup->bundle, CPS_OCI_ROOTFS,
			      O_PATH | O_NOFOLLOW | O_CLOEXEC);
		rc = onto < 0 ? -errno : cps_mount_attach(copy, onto);
	}
	if (rc < 0)
		return cps_err_sys(err, rc, "mount the root in the bundle");
	setup->root = CPS_TAKE_FD(copy);
	return 0;
}

/* Mount a copy of it in the bundle, under the number's name. */
static int mount_volume(const struct cps_oci_setup *setup, int copy, size_t number)
{
	cps_auto(cps_fd) int onto = -1;
	char name[CPS_OCI_VOLUME_MAX];
	struct stat st;
	int rc = fstat(copy, &st) < 0 ? -errno : 0;

	cps_oci_volume_name(name, number);
	if (rc == 0 && S_ISDIR(st.st_mode))
		/* One may be left of a run that was killed. */
		rc = mkdirat(setup->bundle, name, 0700) < 0 && errno != EEXIST ? -errno
									       : 0;
	else if (rc == 0)
		rc = cps_oci_write_file(setup->bundle, name, "");
	if (rc < 0)
		return rc;
	onto = openat(setup->bundle, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return onto < 0 ? -errno : cps_mount_attach(copy, onto);
}

/* Volumes get paths: the runtime opens them in a process of its own. */
static int mount_volumes(const struct cps_oci_setup *setup, struct cps_err *err)
{
	const struct cps_sandbox_opts *opts = setup->opts;

	for (size_t i = 0; i < opts->volume_count; i++) {
		cps_auto(cps_fd) int copy = cps_mount_copy(opts->volumes[i].source);
		int rc = copy < 0 ? copy : mount_volume(setup, copy, i);

		if (rc < 0)
			return cps_err_sys(err, rc, "volume for '%s'",
					   opts->volumes[i].target);
	}
	return 0;
}

/* A folder of the root's own is a volume upon itself. */
static int mount_own(const struct cps_oci_setup *setup, size_t i, struct cps_err *err)
{
	const char *path = setup->opts->own[i];
	cps_auto(cps_fd) int fd = cps_inside_make_stub(setup->root, path, true, err);
	cps_auto(cps_fd) int copy = -1;
	int rc;

	if (fd < 0)
		return fd;
	copy = cps_mount_clone(fd, "", false);
	rc = copy < 0 ? copy : mount_volume(setup, copy, setup->opts->volume_count + i);
	return rc < 0 ? cps_err_sys(err, rc, "volume '%s'", path) : 0;
}

/* The path without links of what is there: `fd` of `path`, or what went wrong. */
static int resolve(const struct cps_oci_setup *setup, const char *path, int fd,
		   char **out, struct cps_err *err)
{
	size_t skip = strlen(setup->base);
	char name[64], real[PATH_MAX];
	ssize_t len;

	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	len = readlink(name, real, sizeof(real) - 1);
	if (len < 0)
		return cps_err_sys(err, -errno, "'%s' in the root", path);
	real[len] = '\0';
	if (strncmp(real, setup->base, skip) != 0 || (real[skip] && real[skip] != '/'))
		return cps_err_set(err, -EXDEV, "'%s' is not in the root", path);
	*out = strdup(real[skip] ? real + skip : "/");
	return *out ? 0 : cps_err_nomem(err);
}

/* Of what the runtime mounts itself nothing is there yet, and our looking would not see
 * its links: it is refused by name. */
static bool is_kernels(const char *path)
{
	static const char *const folders[] = {"/proc", "/sys", "/dev"};

	for (size_t i = 0; i < CPS_ARRAY_LEN(folders); i++) {
		size_t len = strlen(folders[i]);

		if (strncmp(path, folders[i], len) == 0 &&
		    (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

static int resolve_target(struct cps_oci_setup *setup, const char *path, bool folder,
			  size_t *count, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = cps_inside_make_stub(setup->root, path, folder, err);
	char **out = &setup->targets[*count];
	int rc = resolve(setup, path, fd, out, err);

	if (rc < 0)
		return cps_err_wrap(err, rc, "mount on '%s'", path);
	(*count)++;
	return strcmp(*out, "/") == 0 || is_kernels(*out)
		       ? cps_err_sys(err, -EPERM, "mount on '%s'", path)
		       : 0;
}

static int resolve_cwd(struct cps_oci_setup *setup, struct cps_err *err)
{
	const char *cwd = setup->process->cwd;
	const char *path = cwd && *cwd ? cwd : "/";
	cps_auto(cps_fd) int fd = cps_inside_make(setup->root, path, true, err);
	int rc = resolve(setup, path, fd, &setup->cwd, err);

	if (rc < 0)
		return cps_err_wrap(err, rc, "working folder");
	return is_kernels(setup->cwd)
		       ? cps_err_sys(err, -EPERM, "working folder '%s'", cwd)
		       : 0;
}

static int resolve_all(struct cps_oci_setup *setup, struct cps_err *err)
{
	const struct cps_sandbox_opts *opts = setup->opts;
	size_t count = 0, max = opts->own_count + opts->volume_count +
				opts->tmpfs_count + FILES_MAX + 1;
	int rc = 0;

	setup->targets = calloc(max, sizeof(char *));
	if (!setup->targets)
		return cps_err_nomem(err);
	for (size_t i = 0; rc == 0 && i < opts->own_count; i++) {
		rc = resolve_target(setup, opts->own[i], true, &count, err);
		if (rc == 0)
			rc = mount_own(setup, i, err);
	}
	for (size_t i = 0; rc == 0 && i < opts->volume_count; i++) {
		struct stat st = {0};

		fstat(opts->volumes[i].source, &st);
		rc = resolve_target(setup, opts->volumes[i].target, S_ISDIR(st.st_mode),
				    &count, err);
	}
	for (size_t i = 0; rc == 0 && i < opts->tmpfs_count; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(opts->tmpfs[i], ":"),
			 opts->tmpfs[i]);
		rc = resolve_target(setup, path, true, &count, err);
	}
	if (rc == 0 && opts->resolv_conf)
		rc = resolve_target(setup, "/etc/resolv.conf", false, &count, err);
	if (rc == 0 && opts->hosts)
		rc = resolve_target(setup, "/etc/hosts", false, &count, err);
	return rc;
}

static int join_groups(struct cps_oci_setup *setup, struct cps_err *err)
{
	char *const *group = setup->opts->powers.groups;
	int rc = 0;

	for (; rc == 0 && group && *group; group++)
		rc = cps_user_join(setup->root, *group, &setup->user, err);
	return rc;
}

int cps_oci_prepare_root(struct cps_oci_setup *setup, int root, struct cps_err *err)
{
	static const char *const folders[] = {"dev", "proc", "sys"};
	int rc = mount_root(setup, root, err);

	/* The three that the runtime mounts first have to be folders, not links to
	 * some.
	 */
	for (size_t i = 0; rc == 0 && i < CPS_ARRAY_LEN(folders); i++) {
		cps_auto(cps_fd) int fd =
			cps_scene_folder(setup->root, folders[i], err);

		rc = fd < 0 ? fd : 0;
	}
	if (rc == 0)
		rc = cps_user_lookup(setup->root, setup->process->user, &setup->user,
				     err);
	if (rc == 0)
		rc = join_groups(setup, err);
	if (rc == 0)
		rc = resolve_cwd(setup, err);
	if (rc == 0)
		rc = resolve_all(setup, err);
	return rc < 0 ? rc : mount_volumes(setup, err);
}
