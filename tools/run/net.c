#include "tools/run/net.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/base/fd.h"

/* ---- inside ---- */

static void set_kernel(const char *path, const char *value)
{
	cps_auto(cps_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* A kernel without IPv6 lacks half of them. */
	if (fd >= 0)
		(void)!write(fd, value, strlen(value));
}

int cps_net_begin(void)
{
	cps_auto(cps_fd) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return -errno;
	/* Ping and low ports for every user; no router that a neighbour invents. */
	set_kernel("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	set_kernel("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	set_kernel("/proc/sys/net/ipv6/conf/all/accept_ra", "0");
	set_kernel("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
	return 0;
}

/* ---- outside ---- */

#define READY_FD 3

static const char *find_program(const char *const *paths)
{
	for (; *paths; paths++)
		if (access(*paths, X_OK) == 0)
			return *paths;
	return NULL;
}

/* Ready when it writes a byte to READY_FD. */
static void exec_slirp(const char *program, const char *namespace)
{
	execl(program, program, "--configure", "--mtu=65520", "--disable-host-loopback",
	      "--ready-fd=3", "--netns-type=path", namespace, "tap0", NULL);
}

/* Ready when it goes to the background; that closes READY_FD. */
static void exec_pasta(const char *program, const char *namespace)
{
	execl(program, program, "--quiet", "--config-net", "--dns-forward", CPS_NET_DNS,
	      "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none",
	      "--netns", namespace, NULL);
}

typedef void (*exec_fn)(const char *program, const char *namespace);

__attribute__((noreturn)) static void run_helper(exec_fn exec, const char *program,
						 const char *namespace, int ready)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    (ready != READY_FD && dup2(ready, READY_FD) < 0) ||
	    fcntl(READY_FD, F_SETFD, 0) < 0 || close_range(READY_FD + 1, ~0u, 0) < 0)
		_exit(127);
	exec(program, namespace);
	_exit(127);
}

/* Wait for the byte. */
static int wait_ready(int fd, const char *program, struct cps_err *err)
{
	char byte;

	return cps_read_full(fd, &byte, 1) == 1
		       ? 0
		       : cps_err_set(err, -EIO, "'%s' did not connect the network",
				     program);
}

/* Wait for its end, which says how it went. */
static int wait_background(pid_t *helper, const char *program, struct cps_err *err)
{
	int status = -1;

	if (waitpid(*helper, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return cps_err_set(err, -EIO, "'%s' did not connect the network",
				   program);
	*helper = -1; /* what it left ends with the namespace */
	return 0;
}

static int start_helper(exec_fn exec, const char *program, pid_t pid, pid_t *helper,
			struct cps_err *err)
{
	cps_auto(cps_fd) int ready = -1;
	char namespace[64];
	int ends[2], rc;

	snprintf(namespace, sizeof(namespace), "/proc/%d/ns/net", (int)pid);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "a pipe");
	ready = ends[0];
	*helper = fork();
	if (*helper == 0)
		run_helper(exec, program, namespace, ends[1]);
	rc = *helper < 0 ? cps_err_sys(err, -errno, "fork") : 0;
	close(ends[1]);
	if (rc < 0)
		return rc;
	return exec == exec_slirp ? wait_ready(ready, program, err)
				  : wait_background(helper, program, err);
}

int cps_net_connect(pid_t pid, pid_t *helper, struct cps_err *err)
{
	static const char *const slirp[] = {"/usr/bin/slirp4netns",
					    "/usr/local/bin/slirp4netns", NULL};
	static const char *const pasta[] = {"/usr/bin/pasta", "/usr/local/bin/pasta",
					    NULL};
	const char *program = find_program(slirp);
	int rc;

	*helper = -1;
	if (program) {
		rc = start_helper(exec_slirp, program, pid, helper, err);
	} else {
		program = find_program(pasta);
		if (!program)
			return cps_err_set(
				err, -ENOENT,
				"a private network needs slirp4netns or pasta; "
				"install one, or use --network host or none");
		rc = start_helper(exec_pasta, program, pid, helper, err);
	}
	if (rc < 0 && *helper > 0) {
		kill(*helper, SIGKILL);
		waitpid(*helper, NULL, 0);
		*helper = -1;
	}
	return rc;
}
