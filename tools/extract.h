#ifndef CPS_TOOLS_EXTRACT_H
#define CPS_TOOLS_EXTRACT_H

#include "store/root.h"

/* Files of an image onto the host. Everything is made and opened by one name below a
 * descriptor of its folder, and no link is ever followed: neither one of the image nor
 * one that lies below the target already. */

struct cps_extract_opts {
	/* Keep owners, xattrs and set-id bits, make devices. Else files are the
	 * caller's own, what is set-id is not, and devices are left out. */
	bool archive;
	struct cps_progress progress;
};

struct cps_extract_result {
	uint64_t files, bytes;
	uint64_t devices; /* left out */
};

/** Make inode `ino` of the tree as `name` below `dirfd`, with everything below it. A
 *  folder goes into one that is there already, which keeps its own attributes unless
 *  `archive`; a file takes the place of anything but a folder, in one step.
 *  -ENOTDIR, -EISDIR when a folder and something else meet; what was copied by then
 *  stays. */
int cps_extract(struct cps_root *root, uint32_t ino, int dirfd, const char *name,
		const struct cps_extract_opts *opts, struct cps_extract_result *out,
		struct cps_err *err);

/** The same with the content of the folder `ino`, into the open folder `dirfd`. */
int cps_extract_content(struct cps_root *root, uint32_t ino, int dirfd,
			const struct cps_extract_opts *opts,
			struct cps_extract_result *out, struct cps_err *err);

#endif
