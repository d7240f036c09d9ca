#ifndef CPS_COMMIT_H
#define CPS_COMMIT_H

#include "store/codec.h"
#include "store/image.h"
#include "store/tar.h"

/* A new image: a parent with one more layer, or one more line of history alone. */

struct cps_container_config;

struct cps_commit_opts {
	const char *name;       /* NULL: the image gets none */
	const char *author;     /* NULL: the parent's stays */
	const char *message;    /* history comment, NULL: none */
	const char *created_by; /* what made the layer; NULL: "capas commit" */
	/* What takes the place of the parent's; NULL: nothing does. Borrowed. */
	const struct cps_container_config *config;
	const char *const *changes; /* as in cps_import_opts */
	size_t change_count;
	int64_t created_s;    /* Unix time of the image */
	enum cps_codec codec; /* of the new layer: NONE, GZIP or ZSTD */
};

/** Store the layer that `read` gives, with its index, then config and manifest, then
 * the name. The parent's config document is kept in all that is not changed, its
 * layers' descriptors too. parent  in the store; NULL: an image of this layer alone
 *  read    an uncompressed layer, read to its end; NULL: nothing changed but the config
 *  id      out: the image ID
 *  0; -EINVAL a name or change that is none; -ENOENT a part of the parent is missing.
 */
int cps_commit(struct cps_store *store, const struct cps_image *parent,
	       cps_read_fn read, void *ctx, const struct cps_commit_opts *opts,
	       struct cps_digest *id, struct cps_err *err);

#endif
