#ifndef CPS_RUN_CROWD_CLIENT_H
#define CPS_RUN_CROWD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "tools/run/frame.h"

/* One of those who are connected to a monitor, and what is on its way to it. */

struct cps_client {
	int fd;                          /* owned */
	struct cps_frame_reader *reader; /* owned */
	struct cps_buf out;
	size_t sent; /* bytes of `out` */
	bool wants_output, gives_input;
};

/** Takes `fd`, also on failure. 0; -ENOMEM. */
int cps_client_init(struct cps_client *client, int fd, bool wants_output);
void cps_client_release(struct cps_client *client);

/** Send what is there to send, as far as it goes. -errno when the client is gone. */
int cps_client_flush(struct cps_client *client);
/** Add a frame, and send what goes. That it is gone is found out when it is polled. */
void cps_client_tell(struct cps_client *client, enum cps_frame_type type,
		     const void *data, size_t len);
void cps_client_tell_number(struct cps_client *client, enum cps_frame_type type,
			    int32_t number);
/** Is it so little behind that it may get more? */
bool cps_client_keeps_up(const struct cps_client *client);

/** -1 is fine. */
void cps_nonblocking(int fd);
/** Drop the first *done bytes, once there is less to move than that: who is always a
 *  little behind must not make us keep everything. */
void cps_make_room(struct cps_buf *buf, size_t *done);

#endif
