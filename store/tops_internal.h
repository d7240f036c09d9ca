#ifndef CPS_TOPS_INTERNAL_H
#define CPS_TOPS_INTERNAL_H

#include "store/tops.h"

#define CPS_TOP_FILE "top.json"

/** The folder tops/. An fd; -errno. */
int cps_tops_folder(struct cps_store *store, struct cps_err *err);

/** Read tops/<id>/top.json. Fills out->id first, so that a damaged top can be named.
 *  0; -ENOENT; -EBADMSG. */
int cps_tops_read(int tops, const char *id, struct cps_top_info *out,
		  struct cps_err *err);

#endif
