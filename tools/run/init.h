#ifndef CPS_RUN_INIT_H
#define CPS_RUN_INIT_H

#include "tools/run/sandbox.h"

/** What PID 1 does, from its first breath.
 *  opts    volumes' sources are detached mounts
 *  socket  to the maker, see wire.h */
void cps_init_main(const struct cps_sandbox_opts *opts, int socket)
	__attribute__((noreturn));

#endif
