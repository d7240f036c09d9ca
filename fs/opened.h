#ifndef CPS_FS_OPENED_H
#define CPS_FS_OPENED_H

#include "fs/top/top.h"
#include "store/tops.h"

/** A root with what is on top of it. */
struct cps_opened {
	struct cps_root *root;
	struct cps_top *top;
	int dirfd; /* of the top's folder; keeps it from being removed; -1: bare */
};

#define CPS_OPENED_INIT                                                                \
	{                                                                              \
		.dirfd = -1                                                            \
	}

/** A root with nothing on top. `image` is taken, also on failure. */
int cps_open_bare(struct cps_store *store, struct cps_image *image,
		  const struct cps_root_opts *opts, struct cps_opened *out,
		  struct cps_err *err);
/** A top of the store over its image. A driver that was just unmounted is waited for;
 *  -EBUSY another writes it. */
int cps_open_top(struct cps_store *store, const struct cps_top_info *info,
		 const struct cps_root_opts *opts, const struct cps_top_opts *top_opts,
		 struct cps_opened *out, struct cps_err *err);
/** 0, or what the last sync said. */
int cps_opened_close(struct cps_opened *opened, struct cps_err *err);

static inline void cps_opened_auto(struct cps_opened *opened)
{
	cps_opened_close(opened, NULL);
}

#endif
