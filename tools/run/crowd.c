#include "tools/run/crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "tools/run/crowd_client.h"
#include "tools/run/frame.h"
#include "tools/run/output.h"

#define CLIENTS_MAX  256
#define ATTACHED_MAX 64 /* of them, so that there is always room for a question */
#define SPARE_FDS    8
#define INPUT_BYTES  (1u << 18) /* that the program may be behind */
#define DISMISS_MS   5000
#define FULL_MS      200 /* until somebody may have gone */
#define FIXED        6   /* entries of the poll set before the clients */

enum { AT_LISTEN, AT_BOX, AT_SIGNALS, AT_OUT, AT_ERR, AT_IN };

struct cps_crowd {
	struct cps_crowd_opts o;
	struct cps_client clients[CLIENTS_MAX];
	size_t count;
	struct cps_buf input; /* for the program */
	size_t written;       /* bytes of it */
	bool input_ends, output_failed;
	bool full;      /* there was no descriptor for the next client */
	bool held_back; /* frames are at hand that were not taken for want of room */
	uint8_t bytes[CPS_OUTPUT_MAX];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- clients ---- */

static void remove_client(struct cps_crowd *c, size_t i)
{
	cps_client_release(&c->clients[i]);
	c->clients[i] = c->clients[--c->count];
}

/* Who waits for the end alone can look for it himself. */
static void make_place(struct cps_crowd *c)
{
	size_t i = 0;

	while (i < c->count && c->clients[i].wants_output)
		i++;
	if (i < c->count)
		remove_client(c, i);
}

static void add_client(struct cps_crowd *c, int fd, bool wants_output)
{
	if (fd < 0)
		return;
	if (c->count == CLIENTS_MAX)
		make_place(c);
	if (c->count == CLIENTS_MAX)
		close(fd);
	else if (cps_client_init(&c->clients[c->count], fd, wants_output) == 0)
		c->count++;
}

/* The lowest number that is free is high: the mount, its control and the output need
 * some too. */
static bool is_high(int fd)
{
	struct rlimit most;

	return getrlimit(RLIMIT_NOFILE, &most) == 0 &&
	       (rlim_t)fd + SPARE_FDS >= most.rlim_cur;
}

static void take_client(struct cps_crowd *c)
{
	int fd = accept4(c->o.listen, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 ? errno == EMFILE || errno == ENFILE || errno == ENOMEM
		   : is_high(fd)) {
		make_place(c);
		c->full = true;
	}
	add_client(c, fd, false);
}

static bool is_crowded(const struct cps_crowd *c)
{
	size_t attached = 0;

	for (size_t i = 0; i < c->count; i++)
		attached += c->clients[i].wants_output;
	return attached >= ATTACHED_MAX;
}

static bool all_keep_up(const struct cps_crowd *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (!cps_client_keeps_up(&c->clients[i]))
			return false;
	return true;
}

/* ---- the program's input ---- */

static void write_input(struct cps_crowd *c)
{
	int fd = c->o.terminal ? c->o.out : c->o.in;

	while (fd >= 0 && c->written < c->input.len) {
		ssize_t n = write(fd, c->input.data + c->written,
				  c->input.len - c->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		/* It may not want any more. */
		c->written = n < 0 ? c->input.len : c->written + (size_t)n;
	}
	if (fd < 0)
		c->written = c->input.len;
	cps_make_room(&c->input, &c->written);
	if ((c->input_ends && c->input.len == 0) || fd < 0)
		close_fd(&c->o.in);
}

static void take_input(struct cps_crowd *c, const struct cps_frame *frame)
{
	if (frame->len == 0)
		c->input_ends = !c->o.terminal;
	else if (cps_buf_append(&c->input, frame->data, frame->len) < 0)
		cps_warn("input is lost: no memory");
	write_input(c);
}

static void resize(struct cps_crowd *c, const struct cps_frame *frame)
{
	struct cps_frame_size size;
	struct winsize ws;

	if (!c->o.terminal || frame->len != sizeof(size))
		return;
	memcpy(&size, frame->data, sizeof(size));
	ws = (struct winsize){.ws_row = size.rows, .ws_col = size.columns};
	ioctl(c->o.out, TIOCSWINSZ, &ws);
}

static void take_frame(struct cps_crowd *c, struct cps_client *client,
		       const struct cps_frame *frame)
{
	switch (frame->type) {
	case CPS_FRAME_HELLO:
		if (is_crowded(c))
			cps_client_tell_number(client, CPS_FRAME_RESULT, -EUSERS);
		else
			client->wants_output = true;
		break;
	case CPS_FRAME_STDIN:
		if (!client->wants_output)
			break;
		client->gives_input = true;
		take_input(c, frame);
		break;
	case CPS_FRAME_RESIZE:
		resize(c, frame);
		break;
	case CPS_FRAME_SIGNAL:
		cps_client_tell_number(
			client, CPS_FRAME_RESULT,
			cps_sandbox_signal(c->o.box, cps_frame_number(frame)));
		break;
	default: /* what only we say */
		break;
	}
}

static bool input_is_full(const struct cps_crowd *c)
{
	return c->input.len - c->written >= INPUT_BYTES;
}

/* -errno when the client is gone. */
static int hear(struct cps_crowd *c, struct cps_client *client)
{
	struct cps_frame frame;
	int rc = 0;

	while (!(client->gives_input && input_is_full(c)) &&
	       (rc = cps_frame_read(client->reader, client->fd, &frame)) == 1)
		take_frame(c, client, &frame);
	c->held_back |= rc == 1;
	return rc < 0 ? rc : 0;
}

/* What was read already, poll(2) does not tell of again. */
static void hear_held_back(struct cps_crowd *c)
{
	if (!c->held_back || input_is_full(c))
		return;
	c->held_back = false;
	for (size_t i = c->count; i-- > 0;)
		if (c->clients[i].gives_input && hear(c, &c->clients[i]) < 0)
			remove_client(c, i);
}

/* ---- the program's output ---- */

static void spread(struct cps_crowd *c, int stream, const void *data, size_t len)
{
	int rc = cps_output_append(c->o.output, stream, data, len);

	if (rc < 0 && !c->output_failed)
		cps_warn("the container's output is not kept: %s", strerror(-rc));
	c->output_failed = rc < 0;
	for (size_t i = 0; i < c->count; i++)
		if (c->clients[i].wants_output)
			cps_client_tell(&c->clients[i],
					stream == 1 ? CPS_FRAME_STDOUT
						    : CPS_FRAME_STDERR,
					data, len);
}

/* false: nothing more is there by now, or ever. */
static bool pass_on(struct cps_crowd *c, int *fd, int stream)
{
	ssize_t n = *fd < 0 ? 0 : read(*fd, c->bytes, sizeof(c->bytes));

	if (n > 0) {
		spread(c, stream, c->bytes, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* A terminal says so (EIO) when its last user is gone. */
	close_fd(fd);
	return false;
}

/* ---- serving ---- */

static size_t prepare(const struct cps_crowd *c, int signals,
		      struct pollfd fds[FIXED + CLIENTS_MAX])
{
	bool more = all_keep_up(c), pending = c->input.len > c->written;
	short out =
		(short)((more ? POLLIN : 0) | (c->o.terminal && pending ? POLLOUT : 0));

	fds[AT_LISTEN] =
		(struct pollfd){.fd = c->full ? -1 : c->o.listen, .events = POLLIN};
	fds[AT_BOX] = (struct pollfd){.fd = cps_sandbox_fd(c->o.box), .events = POLLIN};
	fds[AT_SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
	fds[AT_OUT] = (struct pollfd){.fd = out ? c->o.out : -1, .events = out};
	fds[AT_ERR] = (struct pollfd){.fd = more ? c->o.err : -1, .events = POLLIN};
	fds[AT_IN] = (struct pollfd){.fd = pending ? c->o.in : -1, .events = POLLOUT};
	for (size_t i = 0; i < c->count; i++) {
		const struct cps_client *client = &c->clients[i];
		bool deaf = client->gives_input && input_is_full(c);
		short events =
			(short)((deaf ? 0 : POLLIN) | (client->out.len ? POLLOUT : 0));

		/* That one is gone, poll(2) says even if nobody asks. */
		fds[FIXED + i] = (struct pollfd){.fd = events ? client->fd : -1,
						 .events = events};
	}
	return FIXED + c->count;
}

static void pass_signals(struct cps_crowd *c, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		cps_sandbox_signal(c->o.box, (int)info.ssi_signo);
}

static void serve_clients(struct cps_crowd *c, const struct pollfd *fds)
{
	/* From the end: removing moves the last one into the gap. */
	for (size_t i = c->count; i-- > 0;) {
		short events = fds[i].revents;
		int rc = 0;

		if (events & POLLOUT)
			rc = cps_client_flush(&c->clients[i]);
		if (rc == 0 && events & (POLLIN | POLLHUP | POLLERR))
			rc = hear(c, &c->clients[i]);
		if (rc < 0)
			remove_client(c, i);
	}
}

void cps_crowd_serve(struct cps_crowd *c, int signals)
{
	struct pollfd fds[FIXED + CLIENTS_MAX];

	for (;;) {
		size_t n = prepare(c, signals, fds);

		if (poll(fds, n, c->full ? FULL_MS : -1) < 0)
			continue;
		c->full = false;
		serve_clients(c, fds + FIXED);
		if (fds[AT_SIGNALS].revents)
			pass_signals(c, signals);
		if (fds[AT_OUT].revents & POLLOUT || fds[AT_IN].revents)
			write_input(c);
		hear_held_back(c);
		if (fds[AT_OUT].revents & (POLLIN | POLLHUP | POLLERR))
			pass_on(c, &c->o.out, 1);
		if (fds[AT_ERR].revents)
			pass_on(c, &c->o.err, 2);
		if (fds[AT_LISTEN].revents)
			take_client(c);
		if (fds[AT_BOX].revents)
			return;
	}
}

static void remove_behind(struct cps_crowd *c)
{
	for (size_t i = c->count; i-- > 0;)
		if (c->clients[i].out.len)
			remove_client(c, i);
}

/* Wait until all have got what is there for them. Of those who take nothing for
 * `timeout_ms` nobody is left. */
static void flush_all(struct cps_crowd *c, int timeout_ms)
{
	for (;;) {
		struct pollfd fds[CLIENTS_MAX];
		size_t behind = 0;

		for (size_t i = c->count; i-- > 0;)
			if (cps_client_flush(&c->clients[i]) < 0)
				remove_client(c, i);
		for (size_t i = 0; i < c->count; i++)
			if (c->clients[i].out.len)
				fds[behind++] = (struct pollfd){.fd = c->clients[i].fd,
								.events = POLLOUT};
		if (behind == 0)
			return;
		if (poll(fds, behind, timeout_ms) == 0)
			remove_behind(c);
	}
}

void cps_crowd_drain(struct cps_crowd *c)
{
	close_fd(&c->o.listen);
	close_fd(&c->o.in);
	while (pass_on(c, &c->o.out, 1) || pass_on(c, &c->o.err, 2))
		if (!all_keep_up(c))
			flush_all(c, DISMISS_MS);
}

void cps_crowd_dismiss(struct cps_crowd *c, int status)
{
	for (size_t i = 0; i < c->count; i++)
		cps_client_tell_number(&c->clients[i], CPS_FRAME_EXIT, status);
	flush_all(c, DISMISS_MS);
}

int cps_crowd_new(const struct cps_crowd_opts *opts, struct cps_crowd **out,
		  struct cps_err *err)
{
	struct cps_crowd *c = calloc(1, sizeof(*c));
	struct cps_crowd_opts o = *opts;

	if (!c) {
		close_fd(&o.listen);
		close_fd(&o.client);
		close_fd(&o.out);
		close_fd(&o.err);
		close_fd(&o.in);
		close_fd(&o.output);
		return cps_err_nomem(err);
	}
	c->o = o;
	cps_nonblocking(o.out);
	cps_nonblocking(o.err);
	cps_nonblocking(o.in);
	cps_nonblocking(o.listen);
	add_client(c, o.client, true);
	*out = c;
	return 0;
}

void cps_crowd_free(struct cps_crowd *c)
{
	if (!c)
		return;
	while (c->count)
		remove_client(c, c->count - 1);
	close_fd(&c->o.listen);
	close_fd(&c->o.out);
	close_fd(&c->o.err);
	close_fd(&c->o.in);
	close_fd(&c->o.output);
	cps_buf_release(&c->input);
	free(c);
}
