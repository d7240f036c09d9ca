#ifndef CPS_TOOLS_EXTRACT_INTERNAL_H
#define CPS_TOOLS_EXTRACT_INTERNAL_H

#include "tools/extract.h"

/** One file that is being made: a name in an open folder. */
struct cps_target {
	int dirfd; /* borrowed */
	const char *name;
	int fd; /* of the file, when one is open; -1: go by the name */
};

/** Give a target its inode's owner, mode, xattrs and times, as far as `archive` says.
 *  `path` is for messages. 0 or -errno with the message set. */
int cps_extract_attributes(const struct cps_tree *tree, uint32_t ino,
			   const struct cps_inode *in, const struct cps_target *target,
			   bool archive, const char *path, struct cps_err *err);

#endif
