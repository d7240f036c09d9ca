#ifndef CPS_TOOLS_RUN_OPTIONS_H
#define CPS_TOOLS_RUN_OPTIONS_H

#include "store/container.h"
#include "store/tops.h"
#include "tools/command.h"

/** What the image says and, over it, what the command line says. args->args[0] is the
 *  image, what follows its command. 0 or -errno with the message set. */
int cps_run_config(struct cps_app *app, const struct cps_command *cmd,
		   const struct cps_args *args, const struct cps_image *image,
		   struct cps_container_config *out);

/** -e and --env-file over an environment. */
int cps_env_options(struct cps_app *app, const struct cps_command *cmd,
		    const struct cps_args *args, struct cps_strings *env);

#endif
