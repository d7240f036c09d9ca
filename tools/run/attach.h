#ifndef CPS_RUN_ATTACH_H
#define CPS_RUN_ATTACH_H

#include <stdbool.h>

#include "store/base/err.h"

/* The other side of a container's monitor: what `run`, `start -a` and `attach` do until
 * the container ends. */

struct cps_attach_opts {
	int socket;     /* borrowed; connected to the monitor */
	int folder;     /* borrowed; of the container, to reach the monitor again */
	bool stdin_too; /* pass the standard input on */
	bool terminal;  /* the container has one: raw mode, sizes, keys that detach */
	bool signals;   /* pass signals on to the program */
};

enum cps_attach_end {
	CPS_ATTACH_EXITED, /* *status is its exit status; 1 for 0 if output was lost */
	CPS_ATTACH_DETACHED, /* the keys were typed; it goes on */
	CPS_ATTACH_LOST,     /* the monitor is gone */
};

/** Returns one of the above; -ETIME a signal was passed on and the monitor did not take
 *  it; -EUSERS too many are attached; or -errno. */
int cps_attach(const struct cps_attach_opts *opts, int *status, struct cps_err *err);

/** Connect to the monitor. An fd; -ENOTCONN there is none. */
int cps_attach_connect(int folder, struct cps_err *err);
/** Ask for the output from now on. */
int cps_attach_hello(int socket, struct cps_err *err);
/** Have the monitor give the program a signal; 0: only see that it answers.
 *  -ENOTCONN it is not running; -ETIME the monitor does not answer. */
int cps_attach_signal(int folder, int signo, struct cps_err *err);
/** Wait for the end of the container.
 *  timeout_ms  -1: for ever
 *  0 with its status; -ETIME; -EPIPE the monitor is gone. */
int cps_attach_wait(int socket, int timeout_ms, int *status);

/** A program of our own on the other side of a terminal (exec -t), until it hangs up.
 *  tty      its master, borrowed
 *  Returns CPS_ATTACH_EXITED or CPS_ATTACH_DETACHED. */
int cps_attach_terminal(int tty, bool stdin_too);

#endif
