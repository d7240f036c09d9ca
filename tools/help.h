#ifndef CPS_TOOLS_HELP_H
#define CPS_TOOLS_HELP_H

#include "tools/command.h"

/* Words that --help and the man page share. */

struct cps_help_global {
	const char *name;
	const char *arg; /* NULL: a switch */
	const char *help;
};

extern const char cps_help_intro[];
extern const char cps_help_sources[];
extern const struct cps_help_global cps_help_globals[];
extern const size_t cps_help_global_count;

#endif
