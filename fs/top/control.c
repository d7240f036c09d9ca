#include "fs/top/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/base/unix.h"

#define SOCKET     "control"
#define PATIENCE_S 30 /* for the other side to say something */
#define PAUSE_MS   20

/* A request is the mark's name, with its NUL, in one message. */

struct reply {
	int32_t rc;
	uint64_t upto;
	char text[CPS_ERR_MAX];
};

struct cps_control {
	struct cps_top *top; /* borrowed */
	int dirfd;           /* borrowed */
	int at;              /* borrowed */
	char *path;
	int fd, end_fd;
	pthread_t thread;
};

static int set_patience(int fd)
{
	const struct timeval t = {.tv_sec = PATIENCE_S};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
		return -errno;
	return 0;
}

/* ---- the driver's side ---- */

/* Have the kernel send the pages that it holds back. Not by the thread that answers it.
 */
static void write_back(const struct cps_control *control)
{
	cps_auto(cps_fd) int fd =
		openat(control->at, control->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		cps_warn("what the kernel holds of changes was not written back: %s",
			 strerror(errno));
}

static void answer(const struct cps_control *control, int fd)
{
	const struct cps_top_who nobody = {.pid = 0};
	struct cps_err err = CPS_ERR_INIT;
	char name[CPS_NAME_MAX + 2] = "";
	struct reply reply = {0};

	/* Who only wants to know that we live says nothing. */
	if (set_patience(fd) < 0 || recv(fd, name, sizeof(name) - 1, 0) <= 0)
		return;
	write_back(control);
	reply.rc = cps_top_mark(control->top, &nobody, name, &reply.upto, &err);
	memcpy(reply.text, err.msg, sizeof(reply.text));
	send(fd, &reply, sizeof(reply), MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	/* Where descriptors are short, it is asked again and again. */
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	struct cps_control *control = arg;
	struct pollfd fds[] = {
		{.fd = control->fd, .events = POLLIN},
		{.fd = control->end_fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, CPS_ARRAY_LEN(fds), -1) < 0) {
			if (errno != EINTR)
				return NULL;
			continue; /* nothing was filled in */
		}
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents) {
			cps_auto(cps_fd) int fd =
				accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0)
				answer(control, fd);
			else
				nanosleep(&pause, NULL);
		}
	}
}

static void free_control(struct cps_control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	if (control->end_fd >= 0)
		close(control->end_fd);
	free(control->path);
	free(control);
}

int cps_control_start(struct cps_top *top, int dirfd, int at, const char *path,
		      struct cps_control **out, struct cps_err *err)
{
	struct cps_control *control = calloc(1, sizeof(*control));
	int rc;

	if (!control)
		return cps_err_nomem(err);
	*control = (struct cps_control){
		.top = top,
		.dirfd = dirfd,
		.at = at,
		.path = strdup(path),
		/* We hold the top's lock: one that is there is a dead driver's. */
		.fd = cps_unix_listen(dirfd, SOCKET, SOCK_SEQPACKET),
		.end_fd = eventfd(0, EFD_CLOEXEC),
	};
	rc = control->fd < 0 ? control->fd : 0;
	if (rc == 0 && (control->end_fd < 0 || !control->path))
		rc = -ENOMEM;
	if (rc == 0)
		rc = -pthread_create(&control->thread, NULL, serve, control);
	if (rc < 0) {
		free_control(control);
		return cps_err_sys(err, rc, "make the top's control socket");
	}
	*out = control;
	return 0;
}

void cps_control_stop(struct cps_control *control)
{
	const uint64_t one = 1;

	if (!control)
		return;
	(void)!write(control->end_fd, &one, sizeof(one));
	pthread_join(control->thread, NULL);
	unlinkat(control->dirfd, SOCKET, 0);
	free_control(control);
}

/* ---- the other side ---- */

bool cps_control_alive(int dirfd)
{
	cps_auto(cps_fd) int fd = cps_unix_connect(dirfd, SOCKET, SOCK_SEQPACKET);

	return fd >= 0 || fd == -ETIME;
}

static int not_mounted(struct cps_err *err)
{
	return cps_err_set(err, -ENOTCONN, "it is not mounted");
}

/* A driver that ends takes no more questions; who has asked by then is cut off. */
static int ask(int fd, const char *name, struct reply *reply, struct cps_err *err)
{
	ssize_t n;

	if (set_patience(fd) < 0)
		return cps_err_sys(err, -errno, "ask the driver");
	n = send(fd, name, strlen(name) + 1, MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, reply, sizeof(*reply), 0);
	if (n == sizeof(*reply))
		return 0;
	if (n == 0 || (n < 0 && (errno == ECONNRESET || errno == EPIPE)))
		return not_mounted(err);
	return cps_err_set(err, -EIO, "the driver does not answer");
}

int cps_control_mark(int dirfd, const char *name, uint64_t *upto, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = -1;
	struct reply reply;
	int rc;

	if (strlen(name) > CPS_NAME_MAX)
		return cps_err_set(err, -ENAMETOOLONG, "the mark's name is too long");
	fd = cps_unix_connect(dirfd, SOCKET, SOCK_SEQPACKET);
	if (fd == -ENOTCONN)
		return not_mounted(err);
	if (fd < 0)
		return cps_err_sys(err, fd, "reach the driver");
	rc = ask(fd, name, &reply, err);
	if (rc < 0)
		return rc;
	if (reply.rc < 0) {
		reply.text[sizeof(reply.text) - 1] = '\0';
		return cps_err_set(err, reply.rc, "%s", reply.text);
	}
	*upto = reply.upto;
	return 0;
}
