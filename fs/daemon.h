#ifndef CPS_FS_DAEMON_H
#define CPS_FS_DAEMON_H

#include <stdatomic.h>

#include "store/base/err.h"
#include "store/base/log.h"

/** A process that goes to the background once it is ready, and until then speaks
 *  through the one that started it. */
struct cps_daemon {
	int ready_fd; /* owned; -1 in the foreground, or once ready */
	atomic_bool detached;
};

#define CPS_DAEMON_INIT                                                                \
	{                                                                              \
		.ready_fd = -1                                                         \
	}

/** Fork; call before any thread is made.
 *  In the child: 0, and it must call cps_daemonize_ready().
 *  In the parent, when the child has called it or has died: 1 the child is ready;
 *  -errno with the child's message. */
int cps_daemonize_begin(struct cps_daemon *daemon, struct cps_err *err);

/** Tell the parent. rc 0: ready; the terminal and the folder are left behind. rc < 0:
 *  the parent fails with `err`'s message. Nothing happens in the foreground. */
void cps_daemonize_ready(struct cps_daemon *daemon, int rc, const struct cps_err *err);

/** A sink for cps_log_sink(), ctx being the cps_daemon: stderr, and syslog(3) once
 *  there is no stderr any more. */
void cps_daemon_log(void *ctx, enum cps_log_level level, const char *text);

#endif
