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
#include "store/base/mem.h"

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

static const char *find_slirp(void)
{
	static const char *const paths[] = {"/usr/bin/slirp4netns",
					    "/usr/local/bin/slirp4netns"};

	for (size_t i = 0; i < CPS_ARRAY_LEN(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* It writes a byte to READY_FD when all is connected. */
__attribute__((noreturn)) static void run_slirp(const char *program, pid_t pid,
						int ready)
{
	char namespace[64];
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	snprintf(namespace, sizeof(namespace), "/proc/%d/ns/net", (int)pid);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    (ready != READY_FD && dup2(ready, READY_FD) < 0) ||
	    fcntl(READY_FD, F_SETFD, 0) < 0 || close_range(READY_FD + 1, ~0u, 0) < 0)
		_exit(127);
	execl(program, program, "--configure", "--mtu=65520", "--disable-host-loopback",
	      "--ready-fd=3", "--netns-type=path", namespace, "tap0", NULL);
	_exit(127);
}

int cps_net_connect(pid_t pid, pid_t *helper, struct cps_err *err)
{
	const char *program = find_slirp();
	cps_auto(cps_fd) int ready = -1;
	int ends[2], rc;
	char byte;

	*helper = -1;
	if (!program)
		return cps_err_set(
			err, -ENOTSUP,
			"a private network needs slirp4netns; install it, or "
			"use --network host or none");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "a pipe");
	ready = ends[0];
	*helper = fork();
	if (*helper == 0)
		run_slirp(program, pid, ends[1]);
	rc = *helper < 0 ? cps_err_sys(err, -errno, "fork") : 0;
	close(ends[1]);
	if (rc == 0 && cps_read_full(ready, &byte, 1) != 1) {
		kill(*helper, SIGKILL);
		waitpid(*helper, NULL, 0);
		*helper = -1;
		rc = cps_err_set(err, -EIO,
				 "'%s' did not connect the network; may you open "
				 "/dev/net/tun?",
				 program);
	}
	return rc;
}

char *cps_net_resolv_conf(const char *text)
{
	cps_auto(cps_buf) struct cps_buf buf = CPS_BUF_INIT(0);
	int rc = cps_buf_str(&buf, "nameserver " CPS_NET_DNS "\n");

	while (rc == 0 && *text) {
		size_t len = strcspn(text, "\n");

		len += text[len] == '\n';
		if (strncmp(text, "nameserver", strlen("nameserver")) != 0)
			rc = cps_buf_append(&buf, text, len);
		text += len;
	}
	return rc < 0 ? NULL : (char *)cps_buf_steal(&buf, NULL);
}
