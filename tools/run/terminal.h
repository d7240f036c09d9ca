#ifndef CPS_RUN_TERMINAL_H
#define CPS_RUN_TERMINAL_H

#include "tools/run/sandbox.h"

/** A new pseudo terminal of a devpts.
 *  pts   its root folder; -ENOTTY when that is no devpts
 *  size  rows and columns are used
 *  tty   master and slave; owned by the caller, what was opened also after a failure
 *  0 or -errno. */
int cps_terminal_open(int pts, const struct cps_process *size, int tty[2]);

#endif
