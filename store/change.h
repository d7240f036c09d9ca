#ifndef CPS_CHANGE_H
#define CPS_CHANGE_H

#include <jansson.h>

#include "store/base/err.h"

/** Apply one Dockerfile line of those that only change an image's config (what
 *  `docker import -c` takes) to the "config" object of a config document.
 *  0; -EINVAL with the line quoted; -ENOMEM. */
int cps_change_line(json_t *config, const char *line, struct cps_err *err);

#endif
