#ifndef CPS_ROOT_INTERNAL_H
#define CPS_ROOT_INTERNAL_H

#include "store/root.h"

/* What the files that open a root share. */

/** A root on its way to being open. */
struct cps_opening {
	struct cps_store *store;
	struct cps_root *root;
	unsigned int first, count; /* layers that the view needs */
	const struct cps_progress *progress;
	struct cps_err *err;
};

/** Read a layer's blob through, so that its index and seek table are in the store and
 *  its digests known. Nothing is known to need what this publishes: until it is open,
 *  gc must not come between, so *lock (-1 before) gets a shared lock of the store for
 *  the caller to hold. */
int cps_opening_ingest(struct cps_opening *o, struct cps_image_layer *layer, int *lock);

/** The seek table, or NULL for an uncompressed blob. -ENOENT: a pass must make it. */
int cps_opening_seek(struct cps_opening *o, const struct cps_image_layer *layer,
		     struct cps_seek **out);

/** A derived file. 0; -errno. */
int cps_opening_map(struct cps_opening *o, enum cps_derived kind,
		    const struct cps_digest *id, struct cps_map *out);

/** The index of a layer; a pass makes it where it is missing or damaged. */
struct cps_open_index {
	struct cps_map map;
	struct cps_buf mem; /* of a folder: it is in no file */
	struct cps_index *index;
};

int cps_opening_index(struct cps_opening *o, struct cps_image_layer *layer,
		      struct cps_open_index *out);
void cps_open_index_close(struct cps_open_index *li);

/** Fill in the root's tree. */
int cps_opening_tree(struct cps_opening *o, enum cps_root_view view);

#endif
