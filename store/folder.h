#ifndef CPS_FOLDER_H
#define CPS_FOLDER_H

#include <sys/stat.h>

#include "store/digest.h"

/** Told for each entry of a folder whose files are named by digests.
 *  id  NULL for a name that is none
 *  Returns 0 to go on; anything else ends the walk and is its result. */
typedef int (*cps_folder_fn)(void *ctx, int dirfd, const char *name,
			     const struct cps_digest *id, const struct stat *st);

/** Call `fn` for every entry of `folder` (borrowed). Entries may go away meanwhile. */
int cps_folder_each(int folder, cps_folder_fn fn, void *ctx, struct cps_err *err);

/** Remove `name` below `dirfd` with all that is in it; what is gone already is fine. 0
 * or -errno; -EXDEV something is mounted in it; -ELOOP for folders nested deeper than
 * anything that the store makes. */
int cps_folder_remove(int dirfd, const char *name);

#endif
