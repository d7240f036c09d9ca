#ifndef CPS_RUN_ENDS_H
#define CPS_RUN_ENDS_H

#include "store/container.h"
#include "tools/run/sandbox.h"

/** Both ends of what a program has as its input and outputs: [0] to read, [1] to write;
 *  -1: closed, or none. */
struct cps_ends {
	int in[2], out[2], err[2];
};

#define CPS_ENDS_INIT                                                                  \
	{                                                                              \
		{-1, -1}, {-1, -1},                                                    \
		{                                                                      \
			-1, -1                                                         \
		}                                                                      \
	}

/** Make those that the config wants, and give the program's to `process`; none when it
 *  has a terminal. To be closed also on failure. 0 or -errno. */
int cps_ends_make(const struct cps_container_config *config, struct cps_ends *ends,
		  struct cps_process *process, struct cps_err *err);
void cps_ends_close(struct cps_ends *ends);

#endif
