#include "tools/run/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "store/base/le.h"
#include "store/base/mem.h"

static void put_head(uint8_t head[CPS_FRAME_HEAD], enum cps_frame_type type, size_t len)
{
	memset(head, 0, CPS_FRAME_HEAD);
	head[0] = (uint8_t)type;
	cps_put_le32(head + 4, (uint32_t)len);
}

int cps_frame_put(struct cps_buf *out, enum cps_frame_type type, const void *data,
		  size_t len)
{
	uint8_t head[CPS_FRAME_HEAD];
	int rc =
		len > CPS_FRAME_MAX ? -EFBIG : cps_buf_reserve(out, sizeof(head) + len);

	if (rc < 0)
		return rc;
	put_head(head, type, len);
	rc = cps_buf_append(out, head, sizeof(head));
	return rc < 0 || len == 0 ? rc : cps_buf_append(out, data, len);
}

int cps_frame_send(int fd, enum cps_frame_type type, const void *data, size_t len)
{
	cps_auto(cps_buf) struct cps_buf bytes = CPS_BUF_INIT(0);
	size_t sent = 0;
	int rc = cps_frame_put(&bytes, type, data, len);

	while (rc == 0 && sent < bytes.len) {
		ssize_t n = send(fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
		struct pollfd room = {.fd = fd, .events = POLLOUT};

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			poll(&room, 1, -1);
		else if (errno != EINTR)
			rc = -errno;
	}
	return rc;
}

/* 1 with a whole frame at hand, 0, -EBADMSG. */
static int take(struct cps_frame_reader *r, struct cps_frame *out)
{
	uint32_t len;

	if (r->have < CPS_FRAME_HEAD)
		return 0;
	len = cps_le32(r->bytes + 4);
	if (r->bytes[0] < CPS_FRAME_HELLO || r->bytes[0] > CPS_FRAME_EXIT ||
	    len > CPS_FRAME_MAX)
		return -EBADMSG;
	if (r->have < CPS_FRAME_HEAD + len)
		return 0;
	*out = (struct cps_frame){
		.type = (enum cps_frame_type)r->bytes[0],
		.len = len,
		.data = r->bytes + CPS_FRAME_HEAD,
	};
	r->taken = CPS_FRAME_HEAD + len;
	return 1;
}

int cps_frame_read(struct cps_frame_reader *r, int fd, struct cps_frame *out)
{
	memmove(r->bytes, r->bytes + r->taken, r->have - r->taken);
	r->have -= r->taken;
	r->taken = 0;
	for (;;) {
		int rc = take(r, out);
		ssize_t n;

		if (rc != 0)
			return rc;
		n = recv(fd, r->bytes + r->have, sizeof(r->bytes) - r->have,
			 MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n > 0)
			r->have += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

int32_t cps_frame_number(const struct cps_frame *frame)
{
	return frame->len == 4 ? (int32_t)cps_le32(frame->data) : 0;
}
