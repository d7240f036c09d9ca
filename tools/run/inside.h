#ifndef CPS_RUN_INSIDE_H
#define CPS_RUN_INSIDE_H

#include <stdbool.h>

#include "store/base/err.h"

/* Names in a hostile root. A link, however it is written, leads to something in the
 * root or nowhere; links of procfs, which jump, lead nowhere. */

/** Open what is there; links are followed inside. O_CLOEXEC is added.
 *  root  O_PATH of the root's own mount
 *  A descriptor or -errno. */
int cps_inside_open(int root, const char *path, int flags);

/** An O_PATH descriptor of what is there; what is missing is made, folders on the way
 *  and the last one 0755, a file 0644 and empty. A link that leads to nothing is
 *  followed as if its target were there.
 *  -ENOTDIR or -EISDIR when the other kind is there; else -errno. */
int cps_inside_make(int root, const char *path, bool folder, struct cps_err *err);
/** The same, to be mounted upon: what is made is marked as there for that alone (see
 *  CPS_TOP_STUB_XATTR), and the folders that it is made in keep their times. */
int cps_inside_make_stub(int root, const char *path, bool folder, struct cps_err *err);
/** One name of the folder `dir`, made as a stub. 0; -EEXIST; -errno. */
int cps_inside_stub(int dir, const char *name, bool folder);

#endif
