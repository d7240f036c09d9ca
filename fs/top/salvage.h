#ifndef CPS_TOP_SALVAGE_H
#define CPS_TOP_SALVAGE_H

#include "fs/top/internal.h"

/* The state that a compacted log begins with, when some of its records are lost: what
 * is left becomes a tree again. Nothing is made up: a name without its inode goes, an
 * inode without a name goes, and content whose place is lost is an error and no zeros.
 */

struct cps_salvage {
	uint64_t records; /* that could not be read */
	uint64_t changes; /* later ones that had lost their ground */
	uint64_t files;   /* with content that cannot be read */
	uint64_t folders; /* that lost names, or show some that were removed */
	uint64_t names;   /* that meant something that is lost, or lay in two places */
	uint64_t orphans; /* inodes without a name left */
};

/** After the state was read. 0; -ENOMEM; -EBADMSG. */
int cps_salvage(struct cps_top *top, struct cps_salvage *out);
/** Say what was lost, if anything was. */
void cps_salvage_tell(const struct cps_salvage *lost);

#endif
