#ifndef CPS_TOP_APPLY_H
#define CPS_TOP_APPLY_H

#include "fs/top/internal.h"

/* Kinds of changes: check and apply as cps_change_check() and cps_change_apply() say.
 */

typedef int cps_change_fn(struct cps_top *top, const struct cps_change *c);

cps_change_fn cps_check_make, cps_apply_make;
cps_change_fn cps_check_link, cps_apply_link;
cps_change_fn cps_check_unlink, cps_apply_unlink;
cps_change_fn cps_check_rename, cps_apply_rename;
cps_change_fn cps_check_attr, cps_apply_attr;
cps_change_fn cps_check_xattr, cps_apply_xattr;
cps_change_fn cps_check_data, cps_apply_data;
cps_change_fn cps_check_own, cps_apply_own, cps_apply_spill;
cps_change_fn cps_check_regular, cps_apply_zero;
cps_change_fn cps_check_node, cps_apply_node;
cps_change_fn cps_check_dirent, cps_apply_dirent;
cps_change_fn cps_check_gone, cps_apply_gone;

/** Is it a type that an inode can have? */
bool cps_change_type_ok(uint32_t mode);
/** May a symlink have this target? -ENOENT empty; -ENAMETOOLONG; -EINVAL a NUL. */
int cps_change_target_check(const struct cps_bytes *target);

int cps_check_name(const struct cps_bytes *name);
/** A folder that is still somewhere: entries can be made in it. */
int cps_check_folder(struct cps_top *top, uint64_t dir);
/** The name means `ino` (0: nothing) from now on. */
int cps_point(struct cps_top *top, struct cps_node *dir, const struct cps_bytes *name,
	      uint64_t ino, uint32_t mode);
/** The data file is in use. */
void cps_use_gen(struct cps_top *top, uint32_t gen);

struct timespec cps_change_time(const struct cps_change *c);

#endif
