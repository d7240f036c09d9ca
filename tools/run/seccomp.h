#ifndef CPS_RUN_SECCOMP_H
#define CPS_RUN_SECCOMP_H

#include <linux/filter.h>

#include "store/base/err.h"

/* Docker's default profile for its 14 capabilities: what it does not name is denied
 * with EPERM, and what is newer than the profile does not exist (ENOSYS), so that a C
 * library falls back. */

/** A filter that is ready to be loaded; owned by the caller, cps_filter_release(). */
struct cps_filter {
	struct sock_fprog prog;
};

/** 0; -errno. */
int cps_filter_build(struct cps_filter *out, struct cps_err *err);
/** From here on the filter judges the calling thread and all that it starts. Needs
 *  CAP_SYS_ADMIN. 0 or -errno. */
int cps_filter_load(const struct cps_filter *filter);
void cps_filter_release(struct cps_filter *filter);

#endif
