#ifndef CPS_RUN_USER_H
#define CPS_RUN_USER_H

#include <stddef.h>
#include <sys/types.h>

#include "store/base/err.h"

#define CPS_USER_FILE_MAX   (1u << 20) /* bytes of /etc/passwd or /etc/group */
#define CPS_USER_LINE_MAX   (1u << 16) /* bytes; longer lines are no entries */
#define CPS_USER_ID_MAX     2147483647 /* Docker's */
#define CPS_USER_GROUPS_MAX 65536

struct cps_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned; supplementary, the first is `gid` */
	size_t group_count;
	char *home; /* owned; "/" when there is no entry */
};

/** Look up what an image names as its user, as Docker does: "", "name", "uid",
 *  "name:group", "uid:gid"; a missing file has no entries. The files are read in `root`
 *  without any help of the C library's.
 *  -ENOENT no such user or group; -EINVAL a number too large; -EFBIG; -errno. */
int cps_user_lookup(int root, const char *spec, struct cps_user *out,
		    struct cps_err *err);
/** One more supplementary group, by name or number. As above. */
int cps_user_join(int root, const char *group, struct cps_user *user,
		  struct cps_err *err);
void cps_user_release(struct cps_user *user);

#endif
