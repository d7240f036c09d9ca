#ifndef CPS_TOOLS_CP_CONTAINER_H
#define CPS_TOOLS_CP_CONTAINER_H

#include "tools/command.h"

/** Does CONTAINER:PATH, or -, stand at either end, and a container of that name exist?
 *  Then copy, *status is the exit status. */
bool cps_cp_container(struct cps_app *app, const struct cps_command *cmd,
		      const struct cps_args *args, int *status);

#endif
