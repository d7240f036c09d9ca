#include "tools/run/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "store/base/clock.h"
#include "store/base/fd.h"
#include "store/base/le.h"
#include "store/base/log.h"
#include "store/base/unix.h"
#include "tools/run/crowd.h"
#include "tools/run/frame.h"
#include "tools/run/window.h"

#define STDIN_BYTES 32768u
#define RESULT_MS   10000 /* for a monitor's answer */
#define STATUS_LOST 1     /* of a success that could not be shown */
#define STATUS_PIPE (128 + SIGPIPE)

/** A window to a container. */
struct window {
	struct cps_attach_opts o;
	struct cps_frame_reader reader;
	struct cps_keys keys;
	struct cps_buf out; /* frames on their way to the monitor */
	size_t sent;
	int signals;
	bool stdin_open, stdout_lost;
	int lost;     /* why what the program wrote could not be shown; 0 or -errno */
	bool unheard; /* a signal was passed on and nobody took it */
	char typed[STDIN_BYTES], passed[STDIN_BYTES + 1];
};

/* ---- signals ---- */

/* SIGCHLD and those of job control stay ours; a terminal sends keys, no signals. */
static int catch_signals(const struct window *w, sigset_t *before)
{
	static const int passed[] = {SIGTERM, SIGINT,  SIGHUP,
				     SIGQUIT, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; w->o.signals && i < CPS_ARRAY_LEN(passed); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, before);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void send_size(struct window *w)
{
	struct cps_frame_size size;

	cps_window_size(STDIN_FILENO, &size.rows, &size.columns);
	if (size.rows)
		cps_frame_put(&w->out, CPS_FRAME_RESIZE, &size, sizeof(size));
}

static void take_signals(struct window *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGWINCH)
			w->unheard |=
				cps_attach_signal(w->o.folder, (int)info.ssi_signo,
						  NULL) == -ETIME;
		else if (w->o.terminal)
			send_size(w);
	}
}

/* ---- to the monitor ---- */

/* 0, or -errno when it is gone. Never waits: it may be waiting for us. */
static int flush(struct window *w)
{
	while (w->sent < w->out.len) {
		ssize_t n = send(w->o.socket, w->out.data + w->sent,
				 w->out.len - w->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		w->sent += (size_t)n;
	}
	w->out.len = w->sent = 0;
	return 0;
}

/* CPS_ATTACH_DETACHED when the keys were typed; else 0. */
static int take_stdin(struct window *w)
{
	ssize_t n = read(STDIN_FILENO, w->typed, sizeof(w->typed));
	bool detach = false;
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		w->stdin_open = false;
		cps_frame_put(&w->out, CPS_FRAME_STDIN, NULL, 0);
		return 0;
	}
	len = (size_t)n;
	if (w->o.terminal) {
		len = cps_keys_filter(&w->keys, w->typed, len, w->passed, &detach);
		memcpy(w->typed, w->passed, len < STDIN_BYTES ? len : STDIN_BYTES);
		if (len > STDIN_BYTES) { /* a held back key came on top */
			cps_frame_put(&w->out, CPS_FRAME_STDIN, w->typed, STDIN_BYTES);
			w->typed[0] = w->passed[STDIN_BYTES];
			len = 1;
		}
	}
	if (len)
		cps_frame_put(&w->out, CPS_FRAME_STDIN, w->typed, len);
	return detach ? CPS_ATTACH_DETACHED : 0;
}

/* ---- from the monitor ---- */

/* Who reads our output is gone: the program learns it the way it always does. */
static void lose_stdout(struct window *w)
{
	if (!w->stdout_lost)
		cps_attach_signal(w->o.folder, SIGPIPE, NULL);
	w->stdout_lost = true;
}

/* Signals are heard while nobody reads our output. What polls as writable has room for
 * PIPE_BUF bytes, so that the write does not wait; somebody may have made it
 * nonblocking all the same. */
static int put_out(struct window *w, int fd, const uint8_t *data, size_t len)
{
	while (len) {
		struct pollfd fds[] = {
			{.fd = fd, .events = POLLOUT},
			{.fd = w->signals, .events = POLLIN},
		};
		ssize_t n;

		if (poll(fds, CPS_ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			take_signals(w);
		if (w->unheard)
			return -ETIME;
		if (!fds[0].revents)
			continue;
		n = write(fd, data, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void show(struct window *w, const struct cps_frame *frame)
{
	int fd = frame->type == CPS_FRAME_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
	int rc = put_out(w, fd, frame->data, frame->len);

	if (rc < 0 && rc != -ETIME && rc != -EPIPE && !w->lost) {
		cps_warn("what the container writes is lost: %s", strerror(-rc));
		w->lost = rc;
	}
	if (rc < 0 && rc != -ETIME && fd == STDOUT_FILENO)
		lose_stdout(w);
}

/* 1 with the status, 0, -errno. */
static int hear(struct window *w, int *status)
{
	struct cps_frame frame;
	int rc;

	while ((rc = cps_frame_read(&w->reader, w->o.socket, &frame)) == 1) {
		if (frame.type == CPS_FRAME_EXIT) {
			*status = cps_frame_number(&frame);
			return 1;
		}
		if (frame.type == CPS_FRAME_RESULT && cps_frame_number(&frame) < 0)
			return cps_frame_number(&frame);
		if (frame.type == CPS_FRAME_STDOUT || frame.type == CPS_FRAME_STDERR)
			show(w, &frame);
	}
	return rc;
}

/* One of enum cps_attach_end; -EUSERS; -ETIME somebody wants us to end, and the monitor
 * does not hear it. */
static int look(struct window *w, int *status)
{
	for (;;) {
		bool full = w->out.len > 0;
		struct pollfd fds[] = {
			{.fd = w->o.socket,
			 .events = (short)(POLLIN | (full ? POLLOUT : 0))},
			{.fd = w->signals, .events = POLLIN},
			{.fd = w->stdin_open && !full ? STDIN_FILENO : -1,
			 .events = POLLIN},
		};
		int rc = 0;

		if (poll(fds, CPS_ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			take_signals(w);
		if (fds[2].revents && take_stdin(w) == CPS_ATTACH_DETACHED)
			return CPS_ATTACH_DETACHED;
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			rc = hear(w, status);
		/* Who does not listen any more may have told the end before. */
		if (rc == 0 && flush(w) < 0)
			rc = hear(w, status) == 1 ? 1 : -EPIPE;
		if (rc == 1)
			return CPS_ATTACH_EXITED;
		if (rc < 0)
			return rc == -EUSERS ? rc : CPS_ATTACH_LOST;
		if (w->unheard)
			return -ETIME;
	}
}

int cps_attach(const struct cps_attach_opts *opts, int *status, struct cps_err *err)
{
	struct window *w = calloc(1, sizeof(*w));
	sigset_t before;
	int rc;

	if (!w)
		return cps_err_nomem(err);
	w->o = *opts;
	w->stdin_open = opts->stdin_too;
	w->signals = catch_signals(w, &before);
	signal(SIGPIPE, SIG_IGN);
	if (opts->terminal && opts->stdin_too)
		cps_window_raw(STDIN_FILENO);
	if (opts->terminal)
		send_size(w);
	rc = w->signals < 0 ? cps_err_sys(err, -errno, "make a signalfd") : flush(w);
	if (rc == 0)
		rc = look(w, status);
	/* A program that was still there when its output went hears SIGPIPE. */
	if (rc == CPS_ATTACH_EXITED && w->lost &&
	    (*status == 0 || *status == STATUS_PIPE))
		*status = STATUS_LOST;
	if (rc == -ETIME)
		cps_err_set(err, rc, "the container's monitor does not answer");
	if (rc == -EUSERS)
		cps_err_set(err, rc, "too many are attached to the container");
	cps_window_restore();
	if (w->signals >= 0)
		close(w->signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	cps_buf_release(&w->out);
	free(w);
	return rc;
}

/* ---- single questions ---- */

int cps_attach_connect(int folder, struct cps_err *err)
{
	int fd = cps_unix_connect(folder, CPS_ATTACH_SOCKET, SOCK_STREAM);

	if (fd == -ENOTCONN)
		return cps_err_set(err, fd, "it is not running");
	return fd < 0 ? cps_err_sys(err, fd, "reach the container's monitor") : fd;
}

int cps_attach_hello(int socket, struct cps_err *err)
{
	int rc = cps_frame_send(socket, CPS_FRAME_HELLO, NULL, 0);

	return rc < 0 ? cps_err_sys(err, rc, "reach the container's monitor") : 0;
}

/* The next frame of a type; -ETIME; -EPIPE. */
static int await(int socket, enum cps_frame_type type, int timeout_ms, int *number)
{
	cps_auto(cps_free) struct cps_frame_reader *reader = calloc(1, sizeof(*reader));
	int64_t deadline = cps_now_ms() + timeout_ms;
	struct cps_frame frame;
	int rc = reader ? 0 : -ENOMEM;

	while (rc >= 0) {
		struct pollfd in = {.fd = socket, .events = POLLIN};
		int64_t left = timeout_ms < 0 ? -1 : deadline - cps_now_ms();

		while ((rc = cps_frame_read(reader, socket, &frame)) == 1)
			if (frame.type == type) {
				*number = cps_frame_number(&frame);
				return 0;
			}
		if (rc == 0 && timeout_ms >= 0 && left <= 0)
			return -ETIME;
		if (rc == 0)
			poll(&in, 1, (int)left);
	}
	return rc;
}

int cps_attach_signal(int folder, int signo, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = cps_attach_connect(folder, err);
	uint8_t bytes[4];
	int result = 0, rc;

	if (fd < 0)
		return fd;
	cps_put_le32(bytes, (uint32_t)signo);
	rc = cps_frame_send(fd, CPS_FRAME_SIGNAL, bytes, sizeof(bytes));
	if (rc == 0)
		rc = await(fd, CPS_FRAME_RESULT, RESULT_MS, &result);
	if (rc == -EPIPE)
		return cps_err_set(err, -ENOTCONN, "it is not running");
	if (rc == 0)
		rc = result;
	if (rc == -ETIME)
		return cps_err_set(err, rc, "the container's monitor does not answer");
	return rc < 0 ? cps_err_sys(err, rc, "give it the signal") : 0;
}

int cps_attach_wait(int socket, int timeout_ms, int *status)
{
	return await(socket, CPS_FRAME_EXIT, timeout_ms, status);
}

/* ---- a terminal of our own ---- */

static void resize(int tty)
{
	struct winsize ws = {0};

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		ioctl(tty, TIOCSWINSZ, &ws);
}

/* 0 to go on. */
static int type_on(struct window *w, int tty)
{
	ssize_t n = read(STDIN_FILENO, w->typed, sizeof(w->typed));
	bool detach = false;
	size_t len;

	if (n <= 0) {
		w->stdin_open = false;
		return 0;
	}
	len = cps_keys_filter(&w->keys, w->typed, (size_t)n, w->passed, &detach);
	return detach || cps_write_full(tty, w->passed, len) < 0;
}

int cps_attach_terminal(int tty, bool stdin_too)
{
	struct window *w = calloc(1, sizeof(*w));
	sigset_t before;
	ssize_t n = 1;
	int end = CPS_ATTACH_EXITED;

	if (!w)
		return -ENOMEM;
	w->stdin_open = stdin_too;
	w->signals = catch_signals(w, &before);
	if (stdin_too)
		cps_window_raw(STDIN_FILENO);
	resize(tty);
	while (n > 0 && end == CPS_ATTACH_EXITED) {
		struct pollfd fds[] = {
			{.fd = tty, .events = POLLIN},
			{.fd = w->signals, .events = POLLIN},
			{.fd = w->stdin_open ? STDIN_FILENO : -1, .events = POLLIN},
		};

		if (poll(fds, CPS_ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents) {
			take_signals(w);
			resize(tty);
		}
		if (fds[2].revents && type_on(w, tty))
			end = CPS_ATTACH_DETACHED;
		if (fds[0].revents && (n = read(tty, w->typed, sizeof(w->typed))) > 0)
			cps_write_full(STDOUT_FILENO, w->typed, (size_t)n);
	}
	cps_window_restore();
	if (w->signals >= 0)
		close(w->signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(w);
	return end;
}
