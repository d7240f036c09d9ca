#ifndef CPS_UPPER_H
#define CPS_UPPER_H

#include "store/pack.h"

/* The upper directory of an overlayfs or fuse-overlayfs mount as a layer. It should not
 * be mounted, or not be written, while it is read. */

struct cps_upper;

/** Find what goes in. Whiteouts are character devices 0:0, files `.wh.NAME`, and empty
 *  files with an overlay.whiteout attribute; an opaque folder (overlay.opaque, or a
 * file
 *  `.wh..wh..opq` in it) becomes a whiteout for each name of `lower` that it hides.
 * Owners and modes that fuse-overlayfs keeps in attributes are the files' own. dirfd
 * borrowed, must outlive the upper lower  what the directory was mounted over;
 * borrowed; NULL: nothing, it is a whole root filesystem, and what is mounted in it is
 * left out -ENOTSUP, with the path, for what points at other layers: overlay.redirect,
 *  overlay.metacopy. */
int cps_upper_plan(int dirfd, const struct cps_tree *lower, int64_t mtime_max_s,
		   struct cps_upper **out, struct cps_err *err);
bool cps_upper_is_empty(const struct cps_upper *upper);
/** The next bytes of the layer; a cps_read_fn, ctx is the upper. */
ssize_t cps_upper_read(void *upper, void *buf, size_t len, struct cps_err *err);
void cps_upper_free(struct cps_upper *upper);
CPS_AUTO_DEFINE(struct cps_upper, cps_upper_free)

#endif
