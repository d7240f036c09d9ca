#ifndef CPS_RUN_ENVIRONMENT_H
#define CPS_RUN_ENVIRONMENT_H

#include "tools/run/sandbox.h"

/** The program's environment: the process's, and HOME where it has none.
 *  out    owned by the caller; its strings are borrowed
 *  added  NULL, or the string of HOME, owned by the caller */
int cps_environment(const struct cps_process *process, const char *home, char ***out,
		    char **added, struct cps_err *err);

/** What the step gets: the program's path as found, then its argv. Called as the user
 *  and in the working folder that the program will have.
 *  -ENOENT, -EACCES with Docker's words */
int cps_program_argv(const struct cps_process *process, char ***out,
		     struct cps_err *err);

#endif
