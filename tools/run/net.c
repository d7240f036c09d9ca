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
#include <time.h>

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

#define HELPER_FD  3 /* of the helper, beside 0 to 2 */
#define LOOK_MS    2 /* between two looks whether pasta has connected it */
#define CONNECT_MS 10000

static bool find_program(const char *name, char out[64])
{
	static const char *const folders[] = {"/usr/bin", "/usr/local/bin"};

	for (size_t i = 0; i < CPS_ARRAY_LEN(folders); i++) {
		snprintf(out, 64, "%s/%s", folders[i], name);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

/* What every helper begins as: nothing of ours but `fd`, as HELPER_FD. */
static bool begin_helper(int fd)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	return null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
	       dup2(null, 2) >= 0 && (fd == HELPER_FD || dup2(fd, HELPER_FD) >= 0) &&
	       fcntl(HELPER_FD, F_SETFD, 0) >= 0 &&
	       close_range(HELPER_FD + 1, ~0u, 0) >= 0;
}

static void end_helper(pid_t *helper)
{
	kill(*helper, SIGKILL);
	waitpid(*helper, NULL, 0);
	*helper = -1;
}

/* ---- slirp4netns ---- */

/* It writes a byte to HELPER_FD when all is connected. */
__attribute__((noreturn)) static void run_slirp(const char *program, pid_t pid,
						int ready)
{
	char namespace[64];

	snprintf(namespace, sizeof(namespace), "/proc/%d/ns/net", (int)pid);
	if (begin_helper(ready))
		execl(program, program, "--configure", "--mtu=65520",
		      "--disable-host-loopback", "--ready-fd=3", "--netns-type=path",
		      namespace, "tap0", NULL);
	_exit(127);
}

static int connect_slirp(const char *program, pid_t pid, pid_t *helper,
			 struct cps_err *err)
{
	cps_auto(cps_fd) int ready = -1;
	int ends[2], rc;
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "a pipe");
	ready = ends[0];
	*helper = fork();
	if (*helper == 0)
		run_slirp(program, pid, ends[1]);
	rc = *helper < 0 ? cps_err_sys(err, -errno, "fork") : 0;
	close(ends[1]);
	if (rc == 0 && cps_read_full(ready, &byte, 1) != 1) {
		end_helper(helper);
		rc = -EIO;
	}
	return rc;
}

/* ---- pasta ---- */

/* It gives its rights away before it opens the namespace, so that it may not look at
 * another process: it gets a descriptor, by the only kind of name that it takes. No
 * port of either side is forwarded, and the host's loopback is out of reach. */
__attribute__((noreturn)) static void run_pasta(const char *program, int namespace)
{
	if (begin_helper(namespace))
		execl(program, program, "--foreground", "--quiet", "--config-net",
		      "--no-map-gw", "--dns-forward", CPS_NET_DNS, "-t", "none", "-u",
		      "none", "-T", "none", "-U", "none", "--runas", "0", "--netns",
		      "/proc/self/fd/3", NULL);
	_exit(127);
}

/* It does not say when all is connected; the last that it makes is a route. */
static bool has_route(pid_t pid)
{
	char path[64], text[4096];
	cps_auto(cps_fd) int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/net/route", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : cps_read_full(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return false;
	text[len] = '\0';
	/* The destination is the second field. */
	return strstr(text, "\t00000000\t") != NULL;
}

static int connect_pasta(const char *program, pid_t pid, pid_t *helper,
			 struct cps_err *err)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
	cps_auto(cps_fd) int namespace = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return cps_err_sys(err, -errno, "the network namespace");
	*helper = fork();
	if (*helper == 0)
		run_pasta(program, namespace);
	if (*helper < 0)
		return cps_err_sys(err, -errno, "fork");
	for (int ms = 0; ms < CONNECT_MS; ms += LOOK_MS) {
		if (has_route(pid))
			return 0;
		if (waitpid(*helper, NULL, WNOHANG) != 0) {
			*helper = -1;
			return -EIO;
		}
		nanosleep(&pause, NULL);
	}
	end_helper(helper);
	return -EIO;
}

int cps_net_connect(pid_t pid, pid_t *helper, struct cps_err *err)
{
	char program[64];
	int rc;

	*helper = -1;
	if (find_program("slirp4netns", program))
		rc = connect_slirp(program, pid, helper, err);
	else if (find_program("pasta", program))
		rc = connect_pasta(program, pid, helper, err);
	else
		return cps_err_set(
			err, -ENOTSUP,
			"a private network needs slirp4netns or pasta (package "
			"passt); install one, or use --network host or none");
	return rc == -EIO ? cps_err_set(err, -EIO,
					"'%s' did not connect the network; may you "
					"open /dev/net/tun?",
					program)
			  : rc;
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
