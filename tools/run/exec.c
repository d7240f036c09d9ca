#include "tools/run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/run/cgroup.h"
#include "tools/run/program.h"
#include "tools/run/terminal.h"
#include "tools/run/wire.h"

/* A helper is forked that enters the sandbox and, once in, makes the program as its own
 * parent's child. What the caller is stays outside. */

#define KEYCTL_JOIN_SESSION 1

/* The process ID behind a pidfd, here; -errno. */
static pid_t pid_of(int pidfd)
{
	char path[64], line[128];
	cps_auto(cps_fd) int fd = -1;
	const char *at;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -errno : cps_read_full(fd, line, sizeof(line) - 1);
	if (len < 0)
		return (pid_t)len;
	line[len] = '\0';
	at = strstr(line, "\nPid:");
	/* -1: it has ended */
	return at && atoi(at + 5) > 0 ? (pid_t)atoi(at + 5) : -ESRCH;
}

/* Only those that are others than ours: what belongs to the machine's user namespace,
 * the network perhaps, would not let an ordinary user in. */
static int other_namespaces(pid_t pid)
{
	static const struct {
		const char *name;
		int flag;
	} all[] = {
		{"mnt", CLONE_NEWNS},    {"pid", CLONE_NEWPID},
		{"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},
		{"net", CLONE_NEWNET},   {"cgroup", CLONE_NEWCGROUP},
		{"user", CLONE_NEWUSER},
	};
	int flags = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(all); i++) {
		char path[64];
		struct stat ours, theirs;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", all[i].name);
		if (stat(path, &ours) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, all[i].name);
		if (stat(path, &theirs) < 0)
			return -errno;
		if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
			flags |= all[i].flag;
	}
	return flags;
}

/* Into the cgroups first, while their files can be seen. */
static int enter(int init, struct cps_err *err)
{
	pid_t pid = pid_of(init);
	int flags, rc;

	if (pid < 0)
		return cps_err_set(err, -ESRCH, "the container is not running");
	rc = cps_cgroup_join(pid, err);
	if (rc < 0)
		return rc;
	flags = other_namespaces(pid);
	/* What is not apart from us is no container: a number that somebody else has
	 * now. */
	if (flags >= 0 && !((flags & CLONE_NEWNS) && (flags & CLONE_NEWPID)))
		return cps_err_set(err, -ESRCH, "process %d is no container", (int)pid);
	if (flags < 0 || setns(init, flags) < 0)
		return cps_err_sys(err, flags < 0 ? flags : -errno,
				   "enter the container");
	/* Its processes see us from here on. */
	if (!(flags & CLONE_NEWUSER) && prctl(PR_SET_DUMPABLE, 0) < 0)
		return cps_err_sys(err, -errno, "hide from the container");
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION, NULL, 0, 0, 0);
	return 0;
}

static int open_tty(struct cps_launch *launch, int *master, struct cps_err *err)
{
	cps_auto(cps_fd) int pts = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tty[2] = {-1, -1}, rc;

	if (pts < 0)
		return cps_err_sys(err, -errno, "the container's /dev/pts");
	rc = cps_terminal_open(pts, &launch->process, tty);
	*master = tty[0];
	launch->tty = tty[1];
	return rc < 0 ? cps_err_sys(err, rc, "a terminal of the container's") : 0;
}

/* In the helper. */
static int run_inside(int init, struct cps_launch *launch, int *master, pid_t *pid,
		      struct cps_err *err)
{
	cps_auto(cps_fd) int root = -1;
	int rc = enter(init, err);

	if (rc < 0)
		return cps_not_the_program(rc);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cps_err_sys(err, -errno, "the container's root");
	if (launch->process.terminal)
		rc = open_tty(launch, master, err);
	if (rc == 0)
		rc = cps_launch_prepare(launch, root, err);
	rc = cps_not_the_program(rc);
	return rc < 0 ? rc : cps_launch_start(launch, CLONE_PARENT, pid, err);
}

__attribute__((noreturn)) static void help(int init, const struct cps_process *process,
					   int socket)
{
	struct cps_launch launch = CPS_LAUNCH_INIT;
	struct cps_err err = CPS_ERR_INIT;
	int master = -1, rc;
	pid_t pid = -1;

	umask(0); /* the mode of a working folder that is made is not the caller's */
	launch.process = *process;
	launch.dies_with_parent = true;
	rc = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
	if (rc == 0)
		rc = run_inside(init, &launch, &master, &pid, &err);
	cps_answer_send(socket, rc, rc < 0 ? err.msg : "", master);
	if (cps_write_full(socket, &pid, sizeof(pid)) < 0)
		_exit(1);
	_exit(0);
}

int cps_sandbox_exec(int init, const struct cps_process *process, pid_t *pid, int *tty,
		     struct cps_err *err)
{
	cps_auto(cps_fd) int socket = -1;
	int ends[2], rc;
	pid_t helper;

	*tty = -1;
	*pid = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return cps_err_sys(err, -errno, "a socket");
	socket = ends[0];
	helper = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (helper == 0)
		help(init, process, ends[1]);
	rc = helper < 0 ? cps_err_sys(err, -errno, "fork") : 0;
	close(ends[1]);
	if (rc == 0)
		rc = cps_answer_receive(socket, tty, err);
	if (rc != -EIO && helper > 0 &&
	    cps_read_full(socket, pid, sizeof(*pid)) != sizeof(*pid))
		*pid = -1;
	if (helper > 0)
		waitpid(helper, NULL, 0);
	/* A program that could not be executed was our child already. */
	if (rc < 0 && *pid > 0)
		waitpid(*pid, NULL, 0);
	return rc;
}
