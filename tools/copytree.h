#ifndef CPS_TOOLS_COPYTREE_H
#define CPS_TOOLS_COPYTREE_H

#include <stdbool.h>

#include "store/base/err.h"
#include "store/progress.h"

/* Files from one folder into another, where either may belong to a container: each is
 * opened by one name below its folder's descriptor, no link is followed on either side,
 * and what is no regular file is never opened. */

struct cps_copy_opts {
	/* Keep owners, xattrs and set-id bits, make devices. Else files are the
	 * caller's own, what is set-id is not, and devices are left out. */
	bool archive;
	struct cps_progress progress;
};

/** Copy `from_name` in the folder `from` to `to_name` in `to`, with all below it. A
 *  folder goes into one that is there; a file takes the place of anything but a folder,
 *  in one step.
 *  from_name, to_name  "." for the folder itself */
int cps_copy_tree(int from, const char *from_name, int to, const char *to_name,
		  const struct cps_copy_opts *opts, struct cps_err *err);

#endif
