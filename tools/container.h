#ifndef CPS_TOOLS_CONTAINER_H
#define CPS_TOOLS_CONTAINER_H

#include "fs/opened.h"

/** Open a top to look at it as it is now. When a driver serves it, what the kernel
 * still holds is written back first, and what comes after this moment is not seen.
 *  root  how its image is opened; NULL: as usual */
int cps_container_look(struct cps_store *store, const struct cps_top_info *info,
		       const struct cps_root_opts *root, struct cps_opened *out,
		       struct cps_err *err);

/** The same without what its volumes hold: what it is to others. */
int cps_container_changes(struct cps_store *store, const struct cps_top_info *info,
			  struct cps_opened *out, struct cps_err *err);

/** What `text` names: a container as the last, else a SOURCE with nothing on top. */
int cps_container_or_source(struct cps_store *store, const char *text,
			    struct cps_opened *out, struct cps_err *err);

/** Give this moment of a top a name, mounted or not. A name that is taken is refused
 *  with -EEXIST; `move`: it means this moment from now on. */
int cps_container_mark(struct cps_store *store, const struct cps_top_info *info,
		       const char *name, bool move, struct cps_err *err);

#endif
