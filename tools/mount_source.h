#ifndef CPS_TOOLS_MOUNT_SOURCE_H
#define CPS_TOOLS_MOUNT_SOURCE_H

#include "fs/opened.h"

/** What `capas mount` was asked for. Texts are borrowed; NULL: not given. */
struct cps_mount_what {
	const char *source;
	const char *top;                     /* --top */
	const char *mark;                    /* --at */
	const struct cps_platform *platform; /* --platform */
	bool rw;
	bool is_volatile; /* rw: see cps_top_opts */
	struct cps_root_opts root;
};

/** Open it; a top that is not there yet is made when it may be written.
 *  id  gets the ID of a top that was made without a name, else ""
 *  -ESTALE the top stands on another image. */
int cps_mount_source(struct cps_store *store, const struct cps_mount_what *what,
		     struct cps_opened *out, char id[CPS_TOP_ID_LEN],
		     struct cps_err *err);

#endif
