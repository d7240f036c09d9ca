#ifndef CPS_RUN_FRAME_H
#define CPS_RUN_FRAME_H

#include <stdint.h>
#include <sys/types.h>

#include "store/base/buf.h"

/* What a container's monitor and who is attached to it say to each other: frames on a
 * stream socket, a head of 8 bytes (type, three zeros, length) and at most
 * CPS_FRAME_MAX bytes. */

#define CPS_FRAME_MAX  (64u << 10) /* bytes of one frame's data */
#define CPS_FRAME_HEAD 8u

enum cps_frame_type {
	CPS_FRAME_HELLO = 1, /* to the monitor: I want the output from now on */
	CPS_FRAME_STDIN,     /* to the monitor; empty: there is no more */
	CPS_FRAME_STDOUT,
	CPS_FRAME_STDERR,
	CPS_FRAME_RESIZE, /* to the monitor: struct cps_frame_size */
	CPS_FRAME_SIGNAL, /* to the monitor: int32; answered by a RESULT */
	CPS_FRAME_RESULT, /* int32: 0 or -errno; after HELLO only -EUSERS, too many */
	CPS_FRAME_EXIT,   /* int32: the exit status; the container has ended */
};

struct cps_frame_size {
	uint16_t rows, columns;
};

struct cps_frame {
	enum cps_frame_type type;
	uint32_t len;
	const uint8_t *data; /* in the reader, until the next call */
};

/** Append a frame to a buffer. 0; -EFBIG; -ENOMEM. */
int cps_frame_put(struct cps_buf *out, enum cps_frame_type type, const void *data,
		  size_t len);
/** Send one, waiting for room. 0 or -errno; -EPIPE without a signal. */
int cps_frame_send(int fd, enum cps_frame_type type, const void *data, size_t len);

struct cps_frame_reader {
	uint8_t bytes[CPS_FRAME_HEAD + CPS_FRAME_MAX];
	size_t have, taken; /* bytes read, bytes of the frame that was given out */
};

/** The next frame, as far as it is there without waiting. 1; 0 not yet; -EPIPE the
 *  other side is gone; -EBADMSG what comes are no frames. */
int cps_frame_read(struct cps_frame_reader *reader, int fd, struct cps_frame *out);
/** The number in a frame; 0 when it has none. */
int32_t cps_frame_number(const struct cps_frame *frame);

#endif
