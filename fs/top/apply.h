#ifndef CPS_TOP_APPLY_H
#define CPS_TOP_APPLY_H

#include "fs/top/internal.h"

/* Kinds of changes: check and apply as cps_change_check() and cps_change_apply() say.
 */

typedef int cps_change_fn(struct cps_top *top, const struct cps_change *c);

cps_change_fn cps_check_attr, cps_apply_attr;
cps_change_fn cps_check_xattr, cps_apply_xattr;
cps_change_fn cps_check_data, cps_apply_data;
cps_change_fn cps_check_own, cps_apply_own, cps_apply_spill;
cps_change_fn cps_check_regular, cps_apply_zero;
cps_change_fn cps_check_node, cps_apply_node;

/** Is it a type that an inode can have? */
bool cps_change_type_ok(uint32_t mode);
/** May a symlink have this target? -ENOENT empty; -ENAMETOOLONG; -EINVAL a NUL. */
int cps_change_target_check(const struct cps_bytes *target);

struct timespec cps_change_time(const struct cps_change *c);

#endif
