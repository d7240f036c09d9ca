#include "tools/run/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/run/caps.h"
#include "tools/run/environment.h"
#include "tools/run/inside.h"
#include "tools/run/program.h"
#include "tools/run/report.h"
#include "tools/run/seccomp.h"
#include "tools/run/step.h"

#define FDS_FIRST 10 /* descriptors that are kept out of the way of 0 to 3 */

int cps_launch_prepare(struct cps_launch *launch, int root, struct cps_err *err)
{
	const char *cwd =
		launch->process.cwd && *launch->process.cwd ? launch->process.cwd : "/";
	char *const *group = launch->process.powers.groups;
	int rc = cps_user_lookup(root, launch->process.user, &launch->user, err);

	for (; rc == 0 && group && *group; group++)
		rc = cps_user_join(root, *group, &launch->user, err);
	if (rc < 0)
		return rc;
	launch->cwd = cps_inside_make(root, cwd, true, err);
	if (launch->cwd < 0)
		return cps_err_wrap(err, launch->cwd, "working folder");
	launch->step = cps_step_open();
	if (launch->step < 0)
		return cps_err_sys(err, launch->step, "the step into the sandbox");
	return 0;
}

void cps_launch_release(struct cps_launch *launch)
{
	cps_user_release(&launch->user);
	cps_fd_auto(&launch->cwd);
	cps_fd_auto(&launch->step);
	cps_fd_auto(&launch->tty);
	*launch = (struct cps_launch)CPS_LAUNCH_INIT;
}

/* ---- in the child ---- */

static void forget_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int dup_away(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FDS_FIRST);

	if (moved < 0)
		return -errno;
	*fd = moved;
	return 0;
}

/* 0 to 2 as wished, 3 the report, nothing else beyond the next execve(2). */
static int place_fds(struct cps_launch *launch, int report)
{
	int from[CPS_STEP_REPORT + 1], rc = dup_away(&launch->step);

	for (int i = 0; i < 3; i++)
		from[i] = launch->tty >= 0 ? launch->tty : launch->process.stdio[i];
	from[CPS_STEP_REPORT] = report;
	if (rc == 0)
		rc = dup_away(&launch->cwd);
	for (int i = 0; rc == 0 && i <= CPS_STEP_REPORT; i++)
		rc = dup_away(&from[i]);
	for (int i = 0; rc == 0 && i <= CPS_STEP_REPORT; i++)
		if (dup2(from[i], i) < 0)
			rc = -errno;
	if (rc == 0 && close_range(CPS_STEP_REPORT + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		rc = -errno;
	return rc;
}

static int take_terminal(const struct cps_launch *launch)
{
	if (setsid() < 0)
		return -errno;
	if (launch->tty < 0)
		return 0;
	/* Ours may be impossible to give away in a user namespace. */
	(void)!fchown(launch->tty, launch->user.uid, (gid_t)-1);
	return ioctl(launch->tty, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

/* The folder was found in the root; still, look where we are. */
static int enter_cwd(const struct cps_launch *launch)
{
	char path[PATH_MAX];

	if (fchdir(launch->cwd) < 0 || !getcwd(path, sizeof(path)))
		return -errno;
	return path[0] == '/' ? 0 : -EXDEV; /* "(unreachable)..." */
}

static int become_user(const struct cps_user *user)
{
	/* With one id mapped there is but one group, and setgroups(2) is denied. */
	if (setgroups(user->group_count, user->groups) < 0 &&
	    !(errno == EPERM && user->group_count == 1 && user->groups[0] == getegid()))
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

/* The program may open /dev/stdout, as whoever it is; pipes are made for it alone. One
 * whose owner cannot be named in a user namespace stays as it is. */
static void give_pipes(const struct cps_user *user)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (fstat(i, &st) == 0 && S_ISFIFO(st.st_mode))
			(void)!fchown(i, user->uid, user->gid);
}

static uint64_t caps_of(const struct cps_launch *launch)
{
	const struct cps_powers *powers = &launch->process.powers;

	return (cps_caps_usual() & ~powers->caps_gone) | powers->caps_more;
}

static int prepare_child(struct cps_launch *launch, int report, struct cps_err *err)
{
	int rc = place_fds(launch, report);

	if (rc == 0)
		rc = take_terminal(launch);
	if (rc < 0)
		return cps_err_sys(err, rc, "the program's descriptors");
	give_pipes(&launch->user);
	umask(0022);
	rc = enter_cwd(launch);
	if (rc < 0)
		return cps_err_sys(err, rc, "working folder '%s'", launch->process.cwd);
	rc = cps_caps_bound(caps_of(launch));
	if (rc < 0)
		return cps_err_sys(err, rc, "bound the capabilities");
	rc = become_user(&launch->user);
	/* With all capabilities only a user namespace can be in the way. */
	if (rc == -EINVAL || rc == -EPERM)
		return cps_err_set(err, rc,
				   "become user %u:%u: your user namespace has no such "
				   "ids; /etc/subuid and /etc/subgid give more",
				   launch->user.uid, launch->user.gid);
	return rc < 0 ? cps_err_sys(err, rc, "become user") : 0;
}

/* The last that needs what the program may not do; the filter comes before the
 * capabilities go, else it would want no_new_privs, and sudo would not work. */
static int give_up(struct cps_launch *launch, struct cps_err *err)
{
	int rc = cps_caps_raise();

	if (rc == 0 && launch->dies_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		rc = -errno;
	if (rc == 0)
		rc = cps_seccomp_load();
	if (rc == 0)
		rc = cps_caps_drop(caps_of(launch));
	return rc < 0 ? cps_err_sys(err, rc, "give up what the program may not do") : 0;
}

__attribute__((noreturn)) static void run_child(struct cps_launch *launch, int report)
{
	cps_auto(cps_free) char **argv = NULL;
	struct cps_err err = CPS_ERR_INIT;
	char **env = NULL, *home = NULL;
	int rc = prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;

	forget_signals();
	if (rc == 0)
		rc = prepare_child(launch, report, &err);
	if (rc == 0)
		rc = cps_environment(&launch->process, launch->user.home, &env, &home,
				     &err);
	if (rc == 0)
		rc = cps_program_argv(&launch->process, &argv, &err);
	if (rc == 0)
		rc = cps_powers_set_limits(&launch->process.powers, &err);
	if (rc == 0)
		rc = give_up(launch, &err);
	if (rc == 0) {
		syscall(SYS_execveat, launch->step, "", argv, env, AT_EMPTY_PATH);
		rc = cps_err_sys(&err, -errno, "the step into the sandbox");
	}
	cps_report_send(fcntl(CPS_STEP_REPORT, F_GETFD) < 0 ? report : CPS_STEP_REPORT,
			rc, err.msg);
	_exit(127);
}

/* ---- in the parent ---- */

/* What the step says is a bare error number of its execve(2). */
static int exec_failed(const struct cps_launch *launch, int number, struct cps_err *err)
{
	int rc = number == ENOENT ? -ENOENT : -EACCES;

	return cps_err_set(err, rc, "exec: \"%s\": %s", launch->process.argv[0],
			   strerror(number));
}

int cps_launch_start(struct cps_launch *launch, unsigned long flags, pid_t *pid,
		     struct cps_err *err)
{
	cps_auto(cps_fd) int read_end = -1;
	int pipe_fds[2], number = 0, rc;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "a pipe");
	read_end = pipe_fds[0];
	*pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
	if (*pid == 0)
		run_child(launch, pipe_fds[1]);
	rc = *pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	if (rc < 0)
		return cps_err_sys(err, rc, "fork");
	rc = cps_report_receive(read_end, &number, err);
	return rc == 0 && number ? exec_failed(launch, number, err) : rc;
}
