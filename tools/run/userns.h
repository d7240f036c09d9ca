#ifndef CPS_RUN_USERNS_H
#define CPS_RUN_USERNS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"

#define CPS_USERNS_RANGES_MAX 16 /* of /etc/subuid that are used */

/** What an ordinary user got. */
struct cps_userns {
	bool ranges;         /* newuidmap(1) gave ids beside his own */
	uint32_t uids, gids; /* how many are known inside, root's included */
};

/** Make the calling process, which has one thread, root of a user namespace of its own:
 *  its user is 0 inside, and where /etc/subuid and /etc/subgid give ranges and
 *  newuidmap(1) is installed they follow from 1 on. Without them there is one user and
 *  one group, and all else belongs to nobody.
 *  0; -EPERM, -ENOSPC the machine allows no user namespaces; -errno. */
int cps_userns_enter(struct cps_userns *out, struct cps_err *err);

#endif
