#include "tools/run/crowd_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/le.h"

#define BACKLOG_BYTES (1u << 20) /* that a client may be behind */

void cps_nonblocking(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void cps_make_room(struct cps_buf *buf, size_t *done)
{
	size_t left = buf->len - *done;

	if (*done == 0 || *done < left)
		return;
	memmove(buf->data, buf->data + *done, left);
	buf->len = left;
	*done = 0;
}

int cps_client_init(struct cps_client *client, int fd, bool wants_output)
{
	*client = (struct cps_client){.fd = fd, .wants_output = wants_output};
	client->reader = calloc(1, sizeof(*client->reader));
	if (!client->reader) {
		close(fd);
		return -ENOMEM;
	}
	cps_nonblocking(fd);
	return 0;
}

void cps_client_release(struct cps_client *client)
{
	close(client->fd);
	free(client->reader);
	cps_buf_release(&client->out);
}

int cps_client_flush(struct cps_client *client)
{
	while (client->sent < client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->sent,
				 client->out.len - client->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			break;
		client->sent += (size_t)n;
	}
	cps_make_room(&client->out, &client->sent);
	return 0;
}

void cps_client_tell(struct cps_client *client, enum cps_frame_type type,
		     const void *data, size_t len)
{
	if (cps_frame_put(&client->out, type, data, len) == 0)
		cps_client_flush(client);
}

void cps_client_tell_number(struct cps_client *client, enum cps_frame_type type,
			    int32_t number)
{
	uint8_t bytes[4];

	cps_put_le32(bytes, (uint32_t)number);
	cps_client_tell(client, type, bytes, sizeof(bytes));
}

bool cps_client_keeps_up(const struct cps_client *client)
{
	return client->out.len - client->sent <= BACKLOG_BYTES;
}
