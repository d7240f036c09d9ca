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

#define PID_POLL_MS 2
#define LOG_MAX     2048 /* bytes of what a runtime says of its failure */

/* ---- the bundle ---- */

int cps_oci_write_file(int dir, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : cps_write_full(fd, text, strlen(text));
}

static int write_bundle(const struct cps_oci_setup *setup, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = -1;
	int rc = 0;

	if (setup->opts->resolv_conf)
		rc = cps_oci_write_file(setup->bundle, "resolv.conf",
					setup->opts->resolv_conf);
	if (rc == 0 && setup->opts->hosts)
		rc = cps_oci_write_file(setup->bundle, "hosts", setup->opts->hosts);
	if (rc < 0)
		return cps_err_sys(err, rc, "write the bundle");
	fd = openat(setup->bundle, "config.json",
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cps_err_sys(err, -errno, "write config.json");
	return cps_oci_write_config(setup, fd, err);
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

/* End what runs under the name, and have it forgotten. */
__attribute__((noreturn)) static void run_delete(const struct cps_oci *oci)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (strcmp(oci->runtime, "crun") == 0)
		hide_unified();
	execlp(oci->runtime, oci->runtime, "delete", "--force", oci->id, NULL);
	_exit(127);
}

__attribute__((noreturn)) static void keep(const struct cps_oci *oci, int alive)
{
	sigset_t all;
	char byte;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	/* Who holds the container's outputs keeps those that read them waiting. */
	if (dup2(alive, 0) < 0 || close_range(1, ~0u, 0) < 0 || read(0, &byte, 1) != 0)
		_exit(0);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	run_delete(oci);
}

__attribute__((noreturn)) static void run_runtime(const struct cps_oci_setup *setup,
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
	execlp(oci->runtime, oci->runtime, "--log", "log", "run", "--bundle",
	       oci->bundle, "--pid-file", "pid", oci->id, NULL);
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

/* What the runtime said last: its last line, without the time. */
static bool read_log(const struct cps_oci_setup *setup, char out[LOG_MAX])
{
	cps_auto(cps_fd) int fd =
		openat(setup->bundle, "log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : cps_read_full(fd, out, LOG_MAX - 1);
	char *line, *words;

	out[len > 0 ? len : 0] = '\0';
	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '"'))
		out[--len] = '\0';
	line = strrchr(out, '\n');
	line = line ? line + 1 : out;
	words = strstr(line, "msg=\"");
	line = words ? words + strlen("msg=\"") : line;
	memmove(out, line, strlen(line) + 1);
	return out[0] != '\0';
}

/* The runtime writes the program's process ID when it runs, or ends. */
static int wait_for_program(const struct cps_oci_setup *setup, struct cps_oci *oci,
			    struct cps_err *err)
{
	struct pollfd end = {.fd = oci->pidfd, .events = POLLIN};
	char log[LOG_MAX] = "";
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
	return cps_err_set(err, -EIO, "%s could not run '%s'%s%s", oci->runtime,
			   setup->process->argv[0], read_log(setup, log) ? ": " : "",
			   log);
}

/* A runtime's container does not end with us. So a process waits for our end, and has
 * the runtime end it then. */
static int start_keeper(struct cps_oci *oci, struct cps_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "a pipe");
	oci->keeper = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (oci->keeper == 0)
		keep(oci, ends[0]);
	close(ends[0]);
	oci->alive = ends[1];
	return oci->keeper < 0 ? cps_err_sys(err, -errno, "fork") : 0;
}

static int start(struct cps_oci_setup *setup, struct cps_oci *out, int *master,
		 struct cps_err *err)
{
	int tty[2] = {-1, -1}, rc = start_keeper(out, err);

	/* Of a run whose monitor was killed. */
	unlinkat(setup->bundle, "pid", 0);
	unlinkat(setup->bundle, "log", 0);
	if (rc == 0 && setup->process->terminal)
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

/* The runtime knows all containers of the machine by their names. */
static char *name_of(const struct cps_sandbox_opts *opts, const char *bundle)
{
	char *name = NULL;

	if (opts->cgroup)
		return strdup(opts->cgroup);
	return asprintf(&name, "capas-%s", strrchr(bundle, '/') + 1) < 0 ? NULL : name;
}

int cps_oci_start(const struct cps_sandbox_opts *opts, int root,
		  const struct cps_process *process, struct cps_oci *out, int *tty,
		  struct cps_err *err)
{
	struct cps_oci_setup setup = {.opts = opts, .process = process, .root = -1};
	int rc;

	*out = (struct cps_oci){.runtime = opts->runtime,
				.volume_count = opts->volume_count + opts->own_count,
				.pid = -1,
				.pidfd = -1,
				.keeper = -1,
				.alive = -1};
	setup.bundle = open(opts->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	setup.path = out->bundle = realpath(opts->bundle, NULL);
	if (setup.bundle < 0 || !out->bundle ||
	    asprintf(&setup.base, "%s/" CPS_OCI_ROOTFS, out->bundle) < 0 ||
	    (out->id = name_of(opts, out->bundle)) == NULL) {
		rc = cps_err_sys(err, -errno, "bundle '%s'", opts->bundle);
	} else {
		rc = cps_oci_prepare_root(&setup, root, err);
		if (rc == 0)
			rc = write_bundle(&setup, err);
		if (rc == 0)
			rc = start(&setup, out, tty, err);
	}
	cps_oci_setup_release(&setup);
	if (rc < 0)
		cps_oci_release(out);
	return rc == -ENOENT || rc == -EACCES ? -EINVAL : rc;
}

/* ---- ending ---- */

void cps_oci_kill(const struct cps_oci *oci)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		run_delete(oci);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void cps_oci_release(struct cps_oci *oci)
{
	static const char *const files[] = {"config.json", "resolv.conf", "hosts",
					    "pid", "log"};
	char path[PATH_MAX];

	if (oci->pid > 0)
		cps_oci_kill(oci);
	if (oci->keeper > 0) {
		kill(oci->keeper, SIGKILL);
		waitpid(oci->keeper, NULL, 0);
	}
	cps_fd_auto(&oci->alive);
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
		snprintf(path, sizeof(path), "%s/" CPS_OCI_ROOTFS, oci->bundle);
		umount2(path, MNT_DETACH);
		rmdir(path);
	}
	free(oci->id);
	free(oci->bundle);
	*oci = (struct cps_oci){.pid = -1, .pidfd = -1, .keeper = -1, .alive = -1};
}
