#include "store/base/unix.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"

#define BACKLOG   128
#define CONNECT_S 10 /* for room in the queue of who does not accept */

static void address(int dirfd, const char *name, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", dirfd,
		 name);
}

int cps_unix_listen(int dirfd, const char *name, int type)
{
	cps_auto(cps_fd) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;

	if (fd < 0)
		return -errno;
	unlinkat(dirfd, name, 0);
	address(dirfd, name, &at);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return CPS_TAKE_FD(fd);
}

static int set_patience(int fd, time_t seconds)
{
	const struct timeval t = {.tv_sec = seconds};

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0 ? -errno : 0;
}

int cps_unix_connect(int dirfd, const char *name, int type)
{
	cps_auto(cps_fd) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;
	int rc = fd < 0 ? -errno : set_patience(fd, CONNECT_S);

	if (rc < 0)
		return rc;
	address(dirfd, name, &at);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? -ENOTCONN
		       : errno == EAGAIN                        ? -ETIME
								: -errno;
	rc = set_patience(fd, 0);
	return rc < 0 ? rc : CPS_TAKE_FD(fd);
}
