#ifndef CPS_MEMBERS_H
#define CPS_MEMBERS_H

#include <stdbool.h>

#include "store/blob.h"

/** Where the members of a plain tar archive lie. Names are keys, never paths. */
struct cps_members;

/** Read the headers of an archive once. `blob` is taken on success (its fd is moved).
 */
int cps_members_scan(struct cps_blob *blob, struct cps_members **out,
		     struct cps_err *err);
bool cps_members_has(const struct cps_members *members, const char *name);
/** A member's bytes, a handle of its own. Symlinks lead to other members only.
 *  0; -ENOENT; -ELOOP. */
int cps_members_open(const struct cps_members *members, const char *name,
		     struct cps_blob *out);
void cps_members_free(struct cps_members *members);

#endif
