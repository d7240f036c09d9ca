#include "tools/run/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/fd.h"

#define FDS_MAX 4 /* the root and three */

struct head {
	uint32_t len; /* bytes of text that follow */
	uint32_t argc, envc;
	uint16_t rows, columns;
	uint8_t terminal;
};

/* ---- bytes with descriptors ---- */

union control {
	char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static int send_fds(int socket, const void *data, size_t len, const int *fds,
		    size_t count)
{
	union control control = {0};
	struct iovec iov = {(void *)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (count) {
		struct cmsghdr *head = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	do
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent == (ssize_t)len ? 0 : -EIO;
}

/* Exactly `len` bytes; `fds` gets what came along, -1 for the rest. */
static int receive_fds(int socket, void *data, size_t len, int fds[FDS_MAX])
{
	union control control = {0};
	struct iovec iov = {data, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *head;
	ssize_t got;

	for (size_t i = 0; i < FDS_MAX; i++)
		fds[i] = -1;
	do
		got = recvmsg(socket, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&msg);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
	return got == (ssize_t)len ? 0 : -EPIPE;
}

static int read_all(int socket, void *data, size_t len)
{
	ssize_t got = cps_read_full(socket, data, len);

	return got < 0 ? (int)got : (size_t)got == len ? 0 : -EPIPE;
}

/* ---- the order ---- */

static int add_text(struct cps_buf *buf, const char *text)
{
	return cps_buf_append(buf, text ? text : "", text ? strlen(text) + 1 : 1);
}

static int add_list(struct cps_buf *buf, char *const *list, uint32_t *count)
{
	int rc = 0;

	for (; rc == 0 && list && *list; list++, (*count)++)
		rc = add_text(buf, *list);
	return rc;
}

int cps_order_send(int socket, int root, const struct cps_process *process,
		   struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_WIRE_MAX);
	int fds[FDS_MAX] = {root, process->stdio[0], process->stdio[1],
			    process->stdio[2]};
	struct head head = {.terminal = process->terminal,
			    .rows = process->rows,
			    .columns = process->columns};
	int rc = add_text(&text, process->cwd);

	if (rc == 0)
		rc = add_text(&text, process->user);
	if (rc == 0)
		rc = add_list(&text, process->argv, &head.argc);
	if (rc == 0)
		rc = add_list(&text, process->env, &head.envc);
	if (rc < 0)
		return cps_err_sys(err, rc, "the program's arguments");
	head.len = (uint32_t)text.len;
	rc = send_fds(socket, &head, sizeof(head), fds,
		      process->terminal ? 1 : FDS_MAX);
	for (size_t pos = 0; rc == 0 && pos < text.len;) {
		ssize_t sent =
			send(socket, text.data + pos, text.len - pos, MSG_NOSIGNAL);

		if (sent >= 0)
			pos += (size_t)sent;
		else if (errno != EINTR)
			rc = -errno;
	}
	return rc < 0 ? cps_err_sys(err, rc, "tell the sandbox") : 0;
}

/* Point into the text. It is our own maker's, so that a short one is only a bug. */
static int take_list(const struct head *head, struct cps_order *order)
{
	const char *at = order->text, *end = order->text + head->len;
	size_t n = (size_t)head->argc + head->envc, slot = 0;

	/* Each has its NUL at least. */
	if (n > head->len)
		return -EPROTO;
	order->list = calloc(n + 2, sizeof(char *));
	if (!order->list)
		return -ENOMEM;
	for (size_t i = 0; i < n + 2; i++) {
		if (at >= end)
			return -EPROTO;
		if (i == 0)
			order->process.cwd = at;
		else if (i == 1)
			order->process.user = at;
		else
			order->list[slot++] = (char *)at;
		if (slot == head->argc && i >= 1 && i - 1 == head->argc)
			slot++; /* the NULL after argv */
		at += strlen(at) + 1;
	}
	order->process.argv = order->list;
	order->process.env = order->list + head->argc + 1;
	return 0;
}

int cps_order_receive(int socket, struct cps_order *out, struct cps_err *err)
{
	int fds[FDS_MAX], rc;
	struct head head;

	*out = (struct cps_order){.root = -1, .process.stdio = {-1, -1, -1}};
	rc = receive_fds(socket, &head, sizeof(head), fds);
	out->root = fds[0];
	memcpy(out->process.stdio, fds + 1, sizeof(out->process.stdio));
	if (rc == 0 && head.len > CPS_WIRE_MAX)
		rc = -EFBIG;
	if (rc == 0) {
		out->process.terminal = head.terminal;
		out->process.rows = head.rows;
		out->process.columns = head.columns;
		out->text = calloc(1, (size_t)head.len + 1);
		rc = out->text ? read_all(socket, out->text, head.len) : -ENOMEM;
	}
	if (rc == 0)
		rc = take_list(&head, out);
	return rc < 0 ? cps_err_sys(err, rc, "hear what to do") : 0;
}

void cps_order_release(struct cps_order *order)
{
	cps_fd_auto(&order->root);
	for (size_t i = 0; i < 3; i++)
		cps_fd_auto(&order->process.stdio[i]);
	free(order->text);
	free(order->list);
	*order = (struct cps_order){.root = -1, .process.stdio = {-1, -1, -1}};
}

/* ---- the answer ---- */

struct answer {
	int rc;
	char words[CPS_ERR_MAX];
};

int cps_answer_send(int socket, int rc, const char *words, int tty)
{
	struct answer answer = {.rc = rc};

	memcpy(answer.words, words, strnlen(words, sizeof(answer.words) - 1));
	return send_fds(socket, &answer, sizeof(answer), &tty, tty >= 0 ? 1 : 0);
}

int cps_answer_receive(int socket, int *tty, struct cps_err *err)
{
	struct answer answer;
	int fds[FDS_MAX], rc = receive_fds(socket, &answer, sizeof(answer), fds);

	*tty = fds[0];
	if (rc < 0)
		return cps_err_set(err, -EIO, "the sandbox ended while it was set up");
	if (answer.rc == 0)
		return 0;
	cps_fd_auto(tty);
	*tty = -1;
	return cps_err_set(err, answer.rc, "%s", answer.words);
}
