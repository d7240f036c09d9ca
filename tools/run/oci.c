#include "tools/run/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/run/inside.h"
#include "tools/run/mounts.h"
#include "tools/run/program.h"
#include "tools/run/scene.h"
#include "tools/run/terminal.h"

#define ROOTFS      "rootfs"
#define FILES_MAX   2 /* resolv.conf and hosts */
#define PID_POLL_MS 2

/* All that is made for one start. */
struct setup {
	const struct cps_sandbox_opts *opts;
	const struct cps_process *process;
	struct cps_user user;
	char *base;     /* owned; where the root is mounted */
	char *cwd;      /* owned */
	char **targets; /* owned, NULL-ended */
	int bundle, root;
};

static void setup_release(struct setup *setup)
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

static int write_file(int dir, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : cps_write_full(fd, text, strlen(text));
}

/* Mount it on the bundle's folder; setup->root is what is found there. */
static int mount_root(struct setup *setup, int root, struct cps_err *err)
{
	cps_auto(cps_fd) int copy = cps_mount_copy(root), onto = -1;
	int rc = copy < 0 ? copy : 0;

	if (rc == 0 && mkdirat(setup->bundle, ROOTFS, 0755) < 0 && errno != EEXIST)
		rc = -errno;
	if (rc == 0) {
		onto = openat(setup->bundle, ROOTFS, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		rc = onto < 0 ? -errno : cps_mount_attach(copy, onto);
	}
	if (rc < 0)
		return cps_err_sys(err, rc, "mount the root in the bundle");
	setup->root = CPS_TAKE_FD(copy);
	return 0;
}

/* Volumes get paths: the runtime opens them in a process of its own. */
static int mount_volumes(const struct setup *setup, struct cps_err *err)
{
	const struct cps_sandbox_opts *opts = setup->opts;

	for (size_t i = 0; i < opts->volume_count; i++) {
		cps_auto(cps_fd) int copy = cps_mount_copy(opts->volumes[i].source);
		cps_auto(cps_fd) int onto = -1;
		char name[CPS_OCI_VOLUME_MAX];
		struct stat st;
		int rc = copy < 0 ? copy : fstat(copy, &st) < 0 ? -errno : 0;

		cps_oci_volume_name(name, i);
		if (rc == 0 && S_ISDIR(st.st_mode))
			rc = mkdirat(setup->bundle, name, 0700) < 0 ? -errno : 0;
		else if (rc == 0)
			rc = write_file(setup->bundle, name, "");
		if (rc == 0) {
			onto = openat(setup->bundle, name,
				      O_PATH | O_NOFOLLOW | O_CLOEXEC);
			rc = onto < 0 ? -errno : cps_mount_attach(copy, onto);
		}
		if (rc < 0)
			return cps_err_sys(err, rc, "volume for '%s'",
					   opts->volumes[i].target);
	}
	return 0;
}

/* The path without links of what is there; it is made when missing. */
static int resolve(const struct setup *setup, const char *path, bool folder, char **out,
		   struct cps_err *err)
{
	cps_auto(cps_fd) int fd = cps_inside_make(setup->root, path, folder, err);
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

static int resolve_target(struct setup *setup, const char *path, bool folder,
			  size_t *count, struct cps_err *err)
{
	char **out = &setup->targets[*count];
	int rc = resolve(setup, path, folder, out, err);

	if (rc < 0)
		return cps_err_wrap(err, rc, "mount on '%s'", path);
	(*count)++;
	return strcmp(*out, "/") == 0 || is_kernels(*out)
		       ? cps_err_sys(err, -EPERM, "mount on '%s'", path)
		       : 0;
}

static int resolve_cwd(struct setup *setup, struct cps_err *err)
{
	const char *cwd = setup->process->cwd;
	int rc = resolve(setup, cwd && *cwd ? cwd : "/", true, &setup->cwd, err);

	if (rc < 0)
		return cps_err_wrap(err, rc, "working folder");
	return is_kernels(setup->cwd)
		       ? cps_err_sys(err, -EPERM, "working folder '%s'", cwd)
		       : 0;
}

static int resolve_all(struct setup *setup, struct cps_err *err)
{
	const struct cps_sandbox_opts *opts = setup->opts;
	size_t count = 0, max = opts->volume_count + opts->tmpfs_count + FILES_MAX + 1;
	int rc = 0;

	setup->targets = calloc(max, sizeof(char *));
	if (!setup->targets)
		return cps_err_nomem(err);
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

static int prepare_root(struct setup *setup, int root, struct cps_err *err)
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
		rc = resolve_cwd(setup, err);
	if (rc == 0)
		rc = resolve_all(setup, err);
	return rc < 0 ? rc : mount_volumes(setup, err);
}

/* ---- the bundle ---- */

static int write_bundle(const struct setup *setup, const char *bundle,
			struct cps_err *err)
{
	const struct cps_oci_plan plan = {
		.opts = setup->opts,
		.process = setup->process,
		.user = &setup->user,
		.cwd = setup->cwd,
		.targets = setup->targets,
		.bundle = bundle,
	};
	cps_auto(cps_fd) int fd = -1;
	int rc = 0;

	if (setup->opts->resolv_conf)
		rc = write_file(setup->bundle, "resolv.conf", setup->opts->resolv_conf);
	if (rc == 0 && setup->opts->hosts)
		rc = write_file(setup->bundle, "hosts", setup->opts->hosts);
	if (rc < 0)
		return cps_err_sys(err, rc, "write the bundle");
	fd = openat(setup->bundle, "config.json",
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cps_err_sys(err, -errno, "write config.json");
	return cps_oci_write_config(&plan, fd, err);
}

/* ---- running ---- */

/* crun mistakes the unified part of a machine with both versions of cgroups for all of
 * it; without it, it does right. */
static void hide_unified(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup/unified", &fs) < 0 ||
	    fs.f_type != CGROUP2_SUPER_MAGIC)
		return;
	if (unshare(CLONE_NEWNS) == 0 && cps_mount_all_private() == 0)
		umount2("/sys/fs/cgroup/unified", MNT_DETACH);
}

__attribute__((noreturn)) static void run_runtime(const struct setup *setup,
						  const struct cps_oci *oci, int tty)
{
	int stdio[3];
	sigset_t none;

	for (int i = 0; i < 3; i++)
		stdio[i] = fcntl(tty >= 0 ? tty : setup->process->stdio[i],
				 F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
		if (stdio[i] < 0 || dup2(stdio[i], i) < 0)
			_exit(125);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setsid();
	if (strcmp(oci->runtime, "crun") == 0)
		hide_unified();
	if (fchdir(setup->bundle) < 0)
		_exit(125);
	execlp(oci->runtime, oci->runtime, "run", "--bundle", oci->bundle, "--pid-file",
	       "pid", oci->id, NULL);
	dprintf(2, "%s: %s\n", oci->runtime, strerror(errno));
	_exit(125);
}

/* A terminal of the machine's, which the runtime joins with the one inside. */
static int open_terminal(const struct cps_process *process, int tty[2],
			 struct cps_err *err)
{
	cps_auto(cps_fd) int pts = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = pts < 0 ? -errno : cps_terminal_open(pts, process, tty);

	return rc < 0 ? cps_err_sys(err, rc, "a terminal") : 0;
}

/* The runtime writes the program's process ID when it runs, or ends. */
static int wait_for_program(const struct setup *setup, struct cps_oci *oci,
			    struct cps_err *err)
{
	struct pollfd end = {.fd = oci->pidfd, .events = POLLIN};
	int ended;

	do {
		cps_auto(cps_fd) int fd = -1;
		char text[32] = "";

		ended = poll(&end, 1, PID_POLL_MS);
		fd = openat(setup->bundle, "pid", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && cps_read_full(fd, text, sizeof(text) - 1) > 0) {
			oci->init = (pid_t)atoi(text);
			return 0;
		}
	} while (ended == 0);
	waitpid(oci->pid, NULL, 0);
	return cps_err_set(err, -EIO, "%s could not run '%s'", oci->runtime,
			   setup->process->argv[0]);
}

static int start(struct setup *setup, struct cps_oci *out, int *master,
		 struct cps_err *err)
{
	int tty[2] = {-1, -1}, rc = 0;

	if (setup->process->terminal)
		rc = open_terminal(setup->process, tty, err);
	if (rc == 0) {
		out->pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
		if (out->pid == 0)
			run_runtime(setup, out, tty[1]);
		if (out->pid < 0)
			rc = cps_err_sys(err, -errno, "fork");
	}
	cps_fd_auto(&tty[1]);
	if (rc == 0) {
		out->pidfd = (int)syscall(SYS_pidfd_open, out->pid, 0);
		if (out->pidfd < 0)
			rc = cps_err_sys(err, -errno, "watch '%s'", out->runtime);
	}
	if (rc == 0)
		rc = wait_for_program(setup, out, err);
	if (rc == 0)
		*master = tty[0];
	else
		cps_fd_auto(&tty[0]);
	return rc;
}

int cps_oci_start(const struct cps_sandbox_opts *opts, int root,
		  const struct cps_process *process, struct cps_oci *out, int *tty,
		  struct cps_err *err)
{
	struct setup setup = {.opts = opts, .process = process, .root = -1};
	int rc;

	*out = (struct cps_oci){.runtime = opts->runtime,
				.volume_count = opts->volume_count,
				.pid = -1,
				.pidfd = -1};
	setup.bundle = open(opts->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	out->bundle = realpath(opts->bundle, NULL);
	if (setup.bundle < 0 || !out->bundle ||
	    asprintf(&setup.base, "%s/" ROOTFS, out->bundle) < 0 ||
	    asprintf(&out->id, "capas-%s", strrchr(out->bundle, '/') + 1) < 0) {
		rc = cps_err_sys(err, -errno, "bundle '%s'", opts->bundle);
	} else {
		rc = prepare_root(&setup, root, err);
		if (rc == 0)
			rc = write_bundle(&setup, out->bundle, err);
		if (rc == 0)
			rc = start(&setup, out, tty, err);
	}
	setup_release(&setup);
	if (rc < 0)
		cps_oci_release(out);
	return rc == -ENOENT || rc == -EACCES ? -EINVAL : rc;
}

/* ---- ending ---- */

void cps_oci_kill(const struct cps_oci *oci)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int i = 0; i < 3; i++)
			dup2(null, i);
		if (strcmp(oci->runtime, "crun") == 0)
			hide_unified();
		execlp(oci->runtime, oci->runtime, "delete", "--force", oci->id, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void cps_oci_release(struct cps_oci *oci)
{
	static const char *const files[] = {"config.json", "resolv.conf", "hosts",
					    "pid"};
	char path[PATH_MAX];

	if (oci->pid > 0)
		cps_oci_kill(oci);
	cps_fd_auto(&oci->pidfd);
	for (size_t i = 0; oci->bundle && i < CPS_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", oci->bundle, files[i]);
		unlink(path);
	}
	for (size_t i = 0; oci->bundle && i < oci->volume_count; i++) {
		char name[CPS_OCI_VOLUME_MAX];

		cps_oci_volume_name(name, i);
		snprintf(path, sizeof(path), "%s/%s", oci->bundle, name);
		umount2(path, MNT_DETACH);
		if (rmdir(path) < 0)
			unlink(path);
	}
	if (oci->bundle) {
		snprintf(path, sizeof(path), "%s/" ROOTFS, oci->bundle);
		umount2(path, MNT_DETACH);
		rmdir(path);
	}
	free(oci->id);
	free(oci->bundle);
	*oci = (struct cps_oci){.pid = -1, .pidfd = -1};
}
