#ifndef CPS_INDEX_WALK_H
#define CPS_INDEX_WALK_H

#include <stddef.h>

/* Walking a path whose symlinks stay below the root. */

/** What is walked in, and where. */
struct cps_walk {
	void *ctx;
	/** Go into the folder of that name. 0; 1 it is a symlink, whose text is told
	 *  (borrowed until the next call); -ENOENT, -ENOTDIR and others end the walk.
	 */
	int (*enter)(void *ctx, const char *name, size_t len, const char **link,
		     size_t *link_len);
	void (*up)(void *ctx); /* at the root: stays */
	void (*root)(void *ctx);
};

/** Walk all but the last component. `*last` gets it, borrowed from `path`, or NULL when
 *  the path ends in the folder itself ("", "." or ".." at the end).
 *  0; what enter() says; -ELOOP; -ENAMETOOLONG; -ENOMEM. */
int cps_walk_path(const struct cps_walk *walk, const char *path, size_t len,
		  const char **last, size_t *last_len);

#endif
