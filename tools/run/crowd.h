#ifndef CPS_RUN_CROWD_H
#define CPS_RUN_CROWD_H

#include "store/base/err.h"
#include "store/base/mem.h"
#include "tools/run/sandbox.h"

/* Who is attached to a running container, and the program's outputs and input between
 * them. Whatever the program writes goes to the file first and then to everybody who
 * wants it; whoever does not keep up makes the program wait, as a terminal would. */

#define CPS_ATTACH_SOCKET "attach"

struct cps_crowd;

/** Descriptors are taken; -1: none. */
struct cps_crowd_opts {
	int listen;              /* the socket */
	int client;              /* who is attached from the start */
	int out, err, in;        /* pipes; of a terminal `out` is its master */
	bool terminal;           /* input goes to `out` too */
	int output;              /* the file of output.h */
	struct cps_sandbox *box; /* borrowed */
};

/** Takes the descriptors, also on failure. */
int cps_crowd_new(const struct cps_crowd_opts *opts, struct cps_crowd **out,
		  struct cps_err *err);
/** Serve until the sandbox ends. `signals` is a signalfd: what comes is passed on. */
void cps_crowd_serve(struct cps_crowd *crowd, int signals);
/** After its end: what is in the pipes, and nobody new. */
void cps_crowd_drain(struct cps_crowd *crowd);
/** Tell the exit status to all; those who are slow are waited for a moment. */
void cps_crowd_dismiss(struct cps_crowd *crowd, int status);
void cps_crowd_free(struct cps_crowd *crowd);
CPS_AUTO_DEFINE(struct cps_crowd, cps_crowd_free)

#endif
