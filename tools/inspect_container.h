#ifndef CPS_TOOLS_INSPECT_CONTAINER_H
#define CPS_TOOLS_INSPECT_CONTAINER_H

#include "tools/document.h"
#include "tools/live.h"

/** A container as docker inspect prints it. */
struct json_t *cps_inspect_container(const struct cps_live *live);

#endif
