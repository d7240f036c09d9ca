#ifndef CPS_SEAL_H
#define CPS_SEAL_H

#include "fs/top/top.h"
#include "store/pack.h"

/* A top as a tar stream: the layer that turns the image below into what is seen, or all
 * of what is seen. The top must not change meanwhile: open it read-only, up to a mark
 * when a driver is writing. */

enum cps_seal_what {
	CPS_SEAL_LAYER,   /* the difference, as an OCI layer */
	CPS_SEAL_CHANGES, /* the difference, for cps_seal_diff() */
	CPS_SEAL_WHOLE,   /* the merged tree */
};

struct cps_seal;

/** Find what goes in. `top` is borrowed and must outlive the seal.
 *  mtime_max_s  later times become this one (SOURCE_DATE_EPOCH); INT64_MAX: none does
 *  -EINVAL, with the path, for a name that a layer cannot hold. */
int cps_seal_plan(struct cps_top *top, enum cps_seal_what what, int64_t mtime_max_s,
		  struct cps_seal **out, struct cps_err *err);
/** Nothing has changed. */
bool cps_seal_is_empty(const struct cps_seal *seal);
/** The next bytes of the stream; a cps_read_fn, ctx is the seal. Memory does not depend
 *  on what the files hold. */
ssize_t cps_seal_read(void *seal, void *buf, size_t len, struct cps_err *err);
/** Each changed path, for a seal of CPS_SEAL_CHANGES. */
int cps_seal_diff(const struct cps_seal *seal, cps_pack_diff_fn fn, void *ctx,
		  struct cps_err *err);
void cps_seal_free(struct cps_seal *seal);
CPS_AUTO_DEFINE(struct cps_seal, cps_seal_free)

#endif
