#include "tools/run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/run/cgroup.h"
#include "tools/run/init.h"
#include "tools/run/mounts.h"
#include "tools/run/net.h"
#include "tools/run/oci.h"
#include "tools/run/wire.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct cps_sandbox {
	pid_t pid;
	int pidfd, socket;
	struct cps_cgroup *cgroup;              /* owned; NULL without limits */
	pid_t net;                              /* what connects its network, or -1 */
	const struct cps_sandbox_opts *runtime; /* borrowed; NULL: the init is ours */
	struct cps_oci oci;
	bool waited;
	int status; /* once waited for */
};

/* ---- making ---- */

/* Volumes as detached mounts: the init lives in another mount namespace, where those of
 * ours cannot be copied. */
static int clone_volumes(const struct cps_sandbox_opts *opts,
			 struct cps_volume *volumes, struct cps_err *err)
{
	for (size_t i = 0; i < opts->volume_count; i++) {
		volumes[i] = opts->volumes[i];
		volumes[i].source = cps_mount_copy(opts->volumes[i].source);
		if (volumes[i].source < 0)
			return cps_err_sys(err, volumes[i].source, "volume for '%s'",
					   volumes[i].target);
	}
	return 0;
}

static void close_volumes(struct cps_volume *volumes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (volumes[i].source > 0)
			close(volumes[i].source);
	free(volumes);
}

static int clone_init(const struct cps_sandbox_opts *opts, struct cps_sandbox *sandbox,
		      struct cps_err *err)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS |
			 (opts->net == CPS_NET_HOST ? 0 : (uint64_t)CLONE_NEWNET),
		.pidfd = (uint64_t)(uintptr_t)&sandbox->pidfd,
		.exit_signal = SIGCHLD,
	};
	int ends[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return cps_err_sys(err, -errno, "a socket");
	sandbox->socket = ends[0];
	sandbox->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (sandbox->pid == 0)
		cps_init_main(opts, ends[1]);
	if (sandbox->pid < 0)
		rc = cps_err_sys(err, -errno, "make the namespaces");
	close(ends[1]);
	return rc;
}

static int make(const struct cps_sandbox_opts *opts, struct cps_sandbox *sandbox,
		struct cps_err *err)
{
	int rc = cps_cgroup_new(opts, &sandbox->cgroup, err);

	if (rc == 0)
		rc = clone_init(opts, sandbox, err);
	if (rc == 0)
		rc = cps_cgroup_add(sandbox->cgroup, sandbox->pid, err);
	if (rc == 0 && opts->net == CPS_NET_PRIVATE)
		rc = cps_net_connect(sandbox->pid, &sandbox->net, err);
	return rc;
}

static int check_runtime(const struct cps_sandbox_opts *opts, struct cps_err *err)
{
	if (strcmp(opts->runtime, "runc") != 0 && strcmp(opts->runtime, "crun") != 0)
		return cps_err_set(err, -EINVAL, "runtime '%s': runc or crun",
				   opts->runtime);
	if (!opts->bundle || opts->rootless || opts->net == CPS_NET_PRIVATE)
		return cps_err_set(err, -ENOTSUP,
				   "%s: only as root, with --network host or none",
				   opts->runtime);
	return 0;
}

int cps_sandbox_new(const struct cps_sandbox_opts *opts, struct cps_sandbox **out,
		    struct cps_err *err)
{
	struct cps_sandbox_opts own = *opts;
	struct cps_volume *volumes = calloc(opts->volume_count + 1, sizeof(*volumes));
	cps_auto(cps_free) char *resolv_conf = NULL;
	cps_auto(cps_sandbox_free) struct cps_sandbox *sandbox =
		calloc(1, sizeof(*sandbox));
	int rc;

	if (!sandbox || !volumes) {
		free(volumes);
		return cps_err_nomem(err);
	}
	sandbox->pidfd = sandbox->socket = sandbox->pid = sandbox->net = -1;
	sandbox->oci.pid = sandbox->oci.pidfd = -1;
	if (opts->runtime) {
		free(volumes);
		rc = check_runtime(opts, err);
		sandbox->runtime = opts;
		if (rc == 0)
			*out = CPS_TAKE(sandbox);
		return rc;
	}
	rc = clone_volumes(opts, volumes, err);
	own.volumes = volumes;
	if (rc == 0 && opts->net == CPS_NET_PRIVATE && opts->resolv_conf) {
		own.resolv_conf = resolv_conf = cps_net_resolv_conf(opts->resolv_conf);
		rc = resolv_conf ? 0 : cps_err_nomem(err);
	}
	if (rc == 0)
		rc = make(&own, sandbox, err);
	close_volumes(volumes, opts->volume_count);
	if (rc == 0)
		*out = CPS_TAKE(sandbox);
	return cps_not_the_program(rc);
}

int cps_sandbox_start(struct cps_sandbox *sandbox, int root,
		      const struct cps_process *process, int *tty, struct cps_err *err)
{
	cps_auto(cps_fd) int copy = -1;
	int rc;

	*tty = -1;
	if (sandbox->runtime) {
		rc = cps_oci_start(sandbox->runtime, root, process, &sandbox->oci, tty,
				   err);
		sandbox->pid = sandbox->oci.init;
		sandbox->pidfd = sandbox->oci.pidfd;
		sandbox->oci.pidfd = -1;
		return rc;
	}
	copy = cps_mount_copy(root);
	if (copy < 0)
		return cps_err_sys(err, copy, "the root");
	rc = cps_order_send(sandbox->socket, copy, process, err);
	return rc < 0 ? rc : cps_answer_receive(sandbox->socket, tty, err);
}

/* ---- living ---- */

pid_t cps_sandbox_pid(const struct cps_sandbox *sandbox)
{
	return sandbox->pid;
}

int cps_sandbox_fd(const struct cps_sandbox *sandbox)
{
	return sandbox->pidfd;
}

int cps_sandbox_signal(struct cps_sandbox *sandbox, int signo)
{
	siginfo_t info = {.si_signo = SIGRTMAX, .si_code = SI_QUEUE};
	int rc;

	if (signo < 0 || signo >= NSIG)
		return -EINVAL;
	if (sandbox->runtime && signo == SIGKILL) {
		cps_oci_kill(&sandbox->oci);
		rc = 0;
	} else if (sandbox->runtime || signo == SIGKILL || signo == 0) {
		rc = pidfd_send_signal(sandbox->pidfd, signo, NULL, 0);
	} else {
		/* SIGSTOP would stop the init; see its pass_on(). */
		info.si_value.sival_int = signo;
		rc = pidfd_send_signal(sandbox->pidfd, SIGRTMAX, &info, 0);
	}
	return rc < 0 ? -errno : 0;
}

int cps_sandbox_status(struct cps_sandbox *sandbox)
{
	siginfo_t info = {0};
	int rc;

	if (sandbox->waited)
		return sandbox->status;
	do
		rc = waitid(P_PIDFD, (id_t)sandbox->pidfd, &info, WEXITED);
	while (rc < 0 && errno == EINTR);
	sandbox->waited = true;
	/* Somebody else waited for it: it ended, and nobody knows how. */
	sandbox->status = rc < 0                       ? 128 + SIGKILL
			  : info.si_code == CLD_EXITED ? info.si_status
						       : 128 + info.si_status;
	return sandbox->status;
}

void cps_sandbox_free(struct cps_sandbox *sandbox)
{
	if (!sandbox)
		return;
	if (sandbox->pidfd >= 0) {
		if (!sandbox->waited) {
			if (sandbox->runtime)
				cps_oci_kill(&sandbox->oci);
			pidfd_send_signal(sandbox->pidfd, SIGKILL, NULL, 0);
			cps_sandbox_status(sandbox);
		}
		close(sandbox->pidfd);
	}
	if (sandbox->net > 0) {
		kill(sandbox->net, SIGKILL);
		waitpid(sandbox->net, NULL, 0);
	}
	if (sandbox->runtime)
		cps_oci_release(&sandbox->oci);
	cps_cgroup_free(sandbox->cgroup);
	cps_fd_auto(&sandbox->socket);
	free(sandbox);
}
