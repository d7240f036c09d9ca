#ifndef CPS_TOOLS_CONTAINER_ROOT_H
#define CPS_TOOLS_CONTAINER_ROOT_H

#include "fs/mount.h"
#include "fs/opened.h"
#include "tools/live.h"

/** A container's files, at hand as a descriptor: those that its programs see while it
 *  runs, else its top, mounted for us alone. */
struct cps_container_root {
	int fd; /* O_PATH */
	struct cps_opened opened;
	struct cps_mount *mount; /* NULL: it runs */
};

#define CPS_CONTAINER_ROOT_INIT                                                        \
	{                                                                              \
		.fd = -1, .opened = CPS_OPENED_INIT                                    \
	}

/** Before any thread is made. `write`: something shall be changed.
 *  -EBUSY a mount has it and it shall be changed. */
int cps_container_root_open(struct cps_app *app, const struct cps_live *live,
			    bool write, struct cps_container_root *out);
/** 0, or what was written could not be kept. */
int cps_container_root_close(struct cps_container_root *root, struct cps_err *err);

static inline void cps_container_root_auto(struct cps_container_root *root)
{
	cps_container_root_close(root, NULL);
}

/** A path from outside, found inside: links are followed within the root.
 *  flags  O_PATH and others; an fd or -errno */
int cps_open_in_root(int root, const char *path, int flags);

#endif
