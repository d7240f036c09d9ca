#ifndef CPS_CONTAINER_INTERNAL_H
#define CPS_CONTAINER_INTERNAL_H

#include <jansson.h>

#include "store/container.h"

/** Read the members of docker's Config, as an image has them too, into a config that is
 *  empty. */
int cps_container_members_read(const json_t *doc, struct cps_container_config *out,
			       struct cps_err *err);
/** Set those that an image's config has, over what is there. -EINVAL not UTF-8. */
int cps_container_members_write(const struct cps_container_config *config, json_t *doc,
				struct cps_err *err);
/** The file of a top's folder as an object. -ENOENT; -EBADMSG. */
int cps_container_load(int folder, const char *name, json_t **out, struct cps_err *err);
/** Write a file aside, under its name with CPS_CONTAINER_ASIDE, and rename it. */
#define CPS_CONTAINER_ASIDE ".new"
int cps_container_save(int folder, const char *name, const json_t *doc, bool durable,
		       struct cps_err *err);

#endif
