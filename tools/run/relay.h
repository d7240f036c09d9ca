#ifndef CPS_RUN_RELAY_H
#define CPS_RUN_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/err.h"

/* Our standard input and outputs for a program in a container (exec without -t), by
 * pipes: its own descriptors would be ours, and what it leaves behind in the container
 * could read the keys of our terminal long after, or the files that we write to. */

struct cps_relay {
	int ours[3], theirs[3]; /* owned; -1 closed */
	int lost; /* why output could not be written, and it was told; 0 or -errno */
};

#define CPS_RELAY_INIT                                                                 \
	{                                                                              \
		{-1, -1, -1}, {-1, -1, -1}, 0,                                         \
	}

/** @input  pass our standard input on; else it is empty */
int cps_relay_open(struct cps_relay *relay, bool input, struct cps_err *err);
/** The program has `theirs` by now. Returns when it has ended, and all that it wrote is
 *  written; it is still to be waited for.
 *  pid  our child */
int cps_relay_run(struct cps_relay *relay, pid_t pid, struct cps_err *err);
void cps_relay_close(struct cps_relay *relay);
static inline void cps_relay_auto(struct cps_relay *relay)
{
	cps_relay_close(relay);
}

#endif
