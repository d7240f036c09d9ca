#include "tools/run/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/run/net.h"
#include "tools/run/program.h"
#include "tools/run/scene.h"
#include "tools/run/wire.h"

#define KEYCTL_JOIN_SESSION 1
#define NAME                "capas-init"
#define ARG_START_FIELD     48

/* ---- alone ---- */

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The maker's descriptors are not ours: its locks would outlive it in us. */
static int keep_fds(const struct cps_sandbox_opts *opts, int socket)
{
	size_t count = opts->volume_count + 1;
	cps_auto(cps_free) int *kept = calloc(count, sizeof(*kept));
	unsigned int next = 3;

	if (!kept)
		return -ENOMEM;
	kept[0] = socket;
	for (size_t i = 1; i < count; i++)
		kept[i] = opts->volumes[i - 1].source;
	qsort(kept, count, sizeof(*kept), compare_fds);
	for (size_t i = 0; i < count; i++) {
		unsigned int fd = (unsigned int)kept[i];

		if (fd > next && close_range(next, fd - 1, 0) < 0)
			return -errno;
		if (fd >= next)
			next = fd + 1;
	}
	return close_range(next, ~0u, 0) < 0 ? -errno : 0;
}

/* 0, 1 and 2 are this null device. */
static int use_null(int dir, const char *path)
{
	cps_auto(cps_fd) int fd = openat(dir, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (dup2(fd, i) < 0)
			return -errno;
	if (fd <= 2)
		fd = -1;
	return 0;
}

static int begin(const struct cps_sandbox_opts *opts, int socket, struct cps_err *err)
{
	sigset_t all;
	int rc;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, NAME);
	umask(0);
	/* In a user namespace init's more capabilities keep the program away from it,
	 * and its user has to reach it from outside. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    (!opts->rootless && prctl(PR_SET_DUMPABLE, 0) < 0) || setsid() < 0)
		return cps_err_sys(err, -errno, "begin");
	rc = keep_fds(opts, socket);
	if (rc == 0)
		rc = use_null(AT_FDCWD, "/dev/null");
	if (rc < 0)
		return cps_err_sys(err, rc, "close what is the caller's");
	/* Keys of the caller's session are not the program's. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION, NULL, 0, 0, 0);
	if (opts->hostname && sethostname(opts->hostname, strlen(opts->hostname)) < 0)
		return cps_err_sys(err, -errno, "host name '%s'", opts->hostname);
	rc = opts->net == CPS_NET_HOST ? 0 : cps_net_begin();
	return rc < 0 ? cps_err_sys(err, rc, "the network") : 0;
}

/* ---- with the root ---- */

static int set_scene(struct cps_scene *scene, struct cps_order *order,
		     struct cps_launch *launch, int *master, struct cps_err *err)
{
	int tty[2] = {-1, -1};
	int rc = cps_scene_begin(scene, order->root, err);

	if (rc == 0)
		rc = cps_scene_dev(scene, err);
	if (rc == 0)
		rc = use_null(scene->dev, "null");
	if (rc == 0)
		rc = cps_scene_kernel(scene, err);
	if (rc == 0 && order->process.terminal)
		rc = cps_scene_terminal(scene, &order->process, tty, err);
	*master = tty[0];
	launch->tty = tty[1];
	if (rc == 0)
		rc = cps_scene_volumes(scene, err);
	if (rc == 0)
		rc = cps_launch_prepare(launch, scene->root, err);
	if (rc == 0)
		rc = cps_scene_end(scene, err);
	return cps_not_the_program(rc);
}

static void close_scene(struct cps_scene *scene)
{
	for (size_t i = 0; i < scene->opts->volume_count; i++)
		close(scene->opts->volumes[i].source);
	cps_fd_auto(&scene->stuff);
	cps_fd_auto(&scene->dev);
	cps_fd_auto(&scene->pts);
	cps_fd_auto(&scene->proc);
	cps_fd_auto(&scene->sys);
}

/* The caller's arguments, which ps(1) would show inside, are the caller's. They lie in
 * our own memory, where field 48 and 49 of stat say; so may the options, which are used
 * up by now. */
static void hide_arguments(int proc)
{
	cps_auto(cps_fd) int fd = openat(proc, "self/stat", O_RDONLY | O_CLOEXEC);
	char text[4096], *at;
	ssize_t len = fd < 0 ? -1 : cps_read_full(fd, text, sizeof(text) - 1);
	unsigned long start, end;

	if (len <= 0)
		return;
	text[len] = '\0';
	at = strrchr(text, ')'); /* ends field 2, which may have anything in it */
	for (int field = 2; at && field < ARG_START_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%lu %lu", &start, &end) != 2 || end <= start)
		return;
	memset((char *)start, 0, end - start);
	snprintf((char *)start, end - start, "%s", NAME);
}

/* From the order to the running program. */
static int set_up(const struct cps_sandbox_opts *opts, int socket, int begun,
		  struct cps_err *err, struct cps_launch *launch, pid_t *program)
{
	struct cps_scene scene = CPS_SCENE_INIT;
	struct cps_order order;
	int master = -1, rc = cps_order_receive(socket, &order, err);

	scene.opts = opts;
	if (rc == -EPIPE)
		_exit(1); /* nobody is there to hear why */
	if (rc == 0)
		rc = begun;
	/* By now the maker has put us where we belong. */
	if (rc == 0 && unshare(CLONE_NEWCGROUP) < 0 && errno != EINVAL)
		rc = cps_err_sys(err, -errno, "a cgroup namespace");
	launch->process = order.process;
	launch->process.powers = opts->powers;
	if (rc == 0)
		rc = set_scene(&scene, &order, launch, &master, err);
	if (rc == 0) {
		hide_arguments(scene.proc);
		rc = cps_launch_start(launch, 0, program, err);
	}
	cps_answer_send(socket, rc, rc < 0 ? err->msg : "", master);
	cps_fd_auto(&master);
	close_scene(&scene);
	cps_order_release(&order);
	return rc;
}

/* ---- as PID 1 ---- */

/* Bury the dead. The program's exit status, or -1 while it lives. */
static int reap(pid_t program)
{
	int status, result = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			result = WIFEXITED(status) ? WEXITSTATUS(status)
						   : 128 + WTERMSIG(status);
	return result;
}

static void pass_on(pid_t program, const siginfo_t *info)
{
	/* cps_sandbox_signal() hides in it what would stop us instead. */
	if (info->si_signo == SIGRTMAX && info->si_code == SI_QUEUE &&
	    info->si_pid == 0)
		kill(program, info->si_value.sival_int);
	else
		kill(program, info->si_signo);
}

static int serve(pid_t program)
{
	sigset_t all;
	siginfo_t info;
	int status = reap(program);

	sigfillset(&all);
	while (status < 0) {
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD)
			status = reap(program);
		else
			pass_on(program, &info);
	}
	return status;
}

void cps_init_main(const struct cps_sandbox_opts *opts, int socket)
{
	struct cps_launch launch = CPS_LAUNCH_INIT;
	struct cps_err err = CPS_ERR_INIT;
	pid_t program = -1;
	int rc = begin(opts, socket, &err);

	rc = set_up(opts, socket, rc, &err, &launch, &program);
	cps_launch_release(&launch);
	close(socket);
	_exit(rc < 0 ? 125 : serve(program));
}
