#ifndef CPS_MAINTAIN_INTERNAL_H
#define CPS_MAINTAIN_INTERNAL_H

#include "store/maintain.h"
#include "store/reach.h"

/** Remove derived files until those that are left take opts->keep_bytes at most. */
int cps_prune_derived(struct cps_store *store, const struct cps_reach *reach,
		      const struct cps_gc_opts *opts, struct cps_gc_result *out,
		      struct cps_err *err);

#endif
