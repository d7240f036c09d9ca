#ifndef CPS_REACH_H
#define CPS_REACH_H

#include "store/tops.h"

/* What the entries of index.json and the tops reach: manifests, configs, layers, and
 * the derived files that belong to them. gc keeps it, fsck checks it, df counts it. */

enum cps_reach_kind {
	CPS_REACH_DOCUMENT, /* index or manifest */
	CPS_REACH_CONFIG,
	CPS_REACH_LAYER,
	CPS_REACH_OTHER, /* named by a document, of a kind that we do not read */
	CPS_REACH_DIFF,  /* a diffID: no blob, names an index */
	CPS_REACH_CHAIN, /* a chainID: no blob, names a tree */
};

struct cps_reach_item {
	struct cps_digest digest;
	enum cps_reach_kind kind;
	uint32_t image;  /* first entry of images, then of tops, that needs it */
	bool optional;   /* a child of an index: other platforms need not be here */
	bool missing;    /* a blob that is not in the store */
	bool unreadable; /* a document that is no JSON, too large or not its digest */
	char *why;       /* owned: why it is unreadable */
};

struct cps_reach {
	struct cps_image_list images;
	struct cps_top_list tops;
	char *damaged_top; /* owned: one that cannot be read, and why; NULL: none */
	struct cps_reach_item *items; /* sorted by digest when complete */
	size_t count, cap;
};

int cps_reach_collect(struct cps_store *store, struct cps_reach *out,
		      struct cps_err *err);
/** NULL: not reached. */
const struct cps_reach_item *cps_reach_find(const struct cps_reach *reach,
					    const struct cps_digest *digest);
/** The familiar name of an item's image, "<untagged>", or what the user of a top called
 *  it; borrowed. */
const char *cps_reach_image(const struct cps_reach *reach,
			    const struct cps_reach_item *item);
void cps_reach_release(struct cps_reach *reach);

static inline void cps_reach_auto(struct cps_reach *reach)
{
	cps_reach_release(reach);
}

#endif
