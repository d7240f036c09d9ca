/* What comes on the attach socket: the same frames, however it is cut into pieces. */
#include "tools/run/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/mem.h"

#define BYTES_MAX (100u << 10) /* what a socket holds without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* All frames that there are by now, written anew. What the last call said. */
static int read_frames(struct cps_frame_reader *reader, int fd, struct cps_buf *out)
{
	struct cps_frame frame;
	int rc;

	while ((rc = cps_frame_read(reader, fd, &frame)) == 1) {
		require(frame.len <= CPS_FRAME_MAX);
		require(cps_frame_put(out, frame.type, frame.data, frame.len) == 0);
		cps_frame_number(&frame);
	}
	return rc;
}

/* `first` bytes, a look, the rest. */
static int pass(const uint8_t *data, size_t size, size_t first, struct cps_buf *out)
{
	struct cps_frame_reader *reader = calloc(1, sizeof(*reader));
	int ends[2], rc;

	require(reader && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	require(send(ends[0], data, first, 0) == (ssize_t)first);
	rc = read_frames(reader, ends[1], out);
	require(rc == 0 || rc == -EBADMSG);
	if (rc == 0) {
		require(send(ends[0], data + first, size - first, 0) ==
			(ssize_t)(size - first));
		close(ends[0]);
		rc = read_frames(reader, ends[1], out);
		require(rc == -EPIPE || rc == -EBADMSG);
	} else {
		close(ends[0]);
	}
	close(ends[1]);
	free(reader);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_buf) struct cps_buf whole = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf parts = CPS_BUF_INIT(0);
	int rc;

	if (size == 0 || size > BYTES_MAX)
		return 0;
	rc = pass(data, size, size, &whole);
	require(pass(data, size, data[0] % size, &parts) == rc);
	require(whole.len == parts.len && whole.len <= size);
	require(!whole.len || memcmp(whole.data, parts.data, whole.len) == 0);
	return 0;
}
