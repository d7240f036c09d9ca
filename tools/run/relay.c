#include "tools/run/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define RELAY_BYTES 65536u

enum { AT_IN, AT_OUT, AT_ERR, AT_STDIN, AT_END, POLLED };

/** What is under way. */
struct relay_run {
	int *ours, *lost;
	bool stdin_open;
	size_t sent, have; /* bytes of `typed` */
	char typed[RELAY_BYTES], shown[RELAY_BYTES];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cps_relay_close(struct cps_relay *relay)
{
	for (int i = 0; i < 3; i++) {
		close_fd(&relay->ours[i]);
		close_fd(&relay->theirs[i]);
	}
}

int cps_relay_open(struct cps_relay *relay, bool input, struct cps_err *err)
{
	for (int i = 0; i < 3; i++) {
		int ends[2], rc = 0;

		if (i == 0 && !input) {
			relay->theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			if (relay->theirs[0] < 0)
				return cps_err_sys(err, -errno, "'/dev/null'");
			continue;
		}
		if (pipe2(ends, O_CLOEXEC) < 0)
			return cps_err_sys(err, -errno, "make a pipe");
		relay->ours[i] = ends[i == 0];
		relay->theirs[i] = ends[i != 0];
		rc = fcntl(relay->ours[i], F_SETFL, O_NONBLOCK);
		if (rc < 0)
			return cps_err_sys(err, -errno, "a pipe");
	}
	return 0;
}

/* Whoever reads slowly makes the program wait; who is gone, makes it write to nobody,
 * which it is told the way it always is. */
static int show(int fd, const char *data, size_t len)
{
	while (len) {
		struct pollfd room = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN)
			poll(&room, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* true: there may be more at once. */
static bool pass_out(struct relay_run *run, int i)
{
	ssize_t n = run->ours[i] < 0 ? 0 : read(run->ours[i], run->shown, RELAY_BYTES);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	rc = n > 0 ? show(i, run->shown, (size_t)n) : 0;
	if (rc < 0 && rc != -EPIPE && !*run->lost) {
		cps_warn("what the program writes is lost: %s", strerror(-rc));
		*run->lost = rc;
	}
	if (n > 0 && rc == 0)
		return true;
	close_fd(&run->ours[i]);
	return false;
}

/* It does not want any more, or there is no more. */
static void end_input(struct relay_run *run)
{
	close_fd(&run->ours[0]);
	run->stdin_open = false;
	run->sent = run->have = 0;
}

static void pass_in(struct relay_run *run)
{
	while (run->sent < run->have) {
		ssize_t n = write(run->ours[0], run->typed + run->sent,
				  run->have - run->sent);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR) {
			end_input(run);
			return;
		}
		run->sent += n > 0 ? (size_t)n : 0;
	}
	run->sent = run->have = 0;
}

static void take_stdin(struct relay_run *run)
{
	ssize_t n = read(STDIN_FILENO, run->typed, RELAY_BYTES);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(run);
		return;
	}
	run->have = (size_t)n;
	pass_in(run);
}

static void serve(struct relay_run *run, int pidfd)
{
	struct pollfd fds[POLLED];

	do {
		bool pending = run->sent < run->have;

		fds[AT_IN] = (struct pollfd){run->ours[0], pending ? POLLOUT : 0, 0};
		fds[AT_OUT] = (struct pollfd){run->ours[1], POLLIN, 0};
		fds[AT_ERR] = (struct pollfd){run->ours[2], POLLIN, 0};
		fds[AT_STDIN] = (struct pollfd){
			run->stdin_open && !pending ? STDIN_FILENO : -1, POLLIN, 0};
		fds[AT_END] = (struct pollfd){pidfd, POLLIN, 0};
		if (poll(fds, POLLED, -1) < 0) {
			fds[AT_END].revents = 0;
			continue;
		}
		if (fds[AT_OUT].revents)
			pass_out(run, 1);
		if (fds[AT_ERR].revents)
			pass_out(run, 2);
		if (fds[AT_IN].revents & POLLERR)
			end_input(run);
		else if (fds[AT_IN].revents)
			pass_in(run);
		if (fds[AT_STDIN].revents && run->stdin_open)
			take_stdin(run);
	} while (!fds[AT_END].revents);
}

/* What is in the pipe by now, and no more: others may hold it, and write for ever. */
static void drain(struct relay_run *run, int i)
{
	int left = 0;

	if (run->ours[i] < 0 || ioctl(run->ours[i], FIONREAD, &left) < 0)
		return;
	for (; left > 0 && pass_out(run, i); left -= (int)RELAY_BYTES)
		;
}

int cps_relay_run(struct cps_relay *relay, pid_t pid, struct cps_err *err)
{
	struct relay_run *run = calloc(1, sizeof(*run));
	cps_auto(cps_fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int rc = pidfd < 0 ? cps_err_sys(err, -errno, "watch the program") : 0;

	for (int i = 0; i < 3; i++)
		close_fd(&relay->theirs[i]);
	if (!run)
		rc = cps_err_nomem(err);
	if (rc < 0) {
		free(run);
		return rc;
	}
	signal(SIGPIPE, SIG_IGN);
	run->ours = relay->ours;
	run->lost = &relay->lost;
	run->stdin_open = relay->ours[0] >= 0;
	serve(run, pidfd);
	drain(run, 1);
	drain(run, 2);
	free(run);
	return 0;
}
