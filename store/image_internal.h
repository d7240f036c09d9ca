#ifndef CPS_IMAGE_INTERNAL_H
#define CPS_IMAGE_INTERNAL_H

#include <jansson.h>

#include "store/image.h"

enum cps_document { CPS_DOCUMENT_MANIFEST, CPS_DOCUMENT_INDEX };

/** digest and size of a descriptor. 0, -EBADMSG, -ENOTSUP. */
int cps_descriptor_parse(const json_t *desc, struct cps_digest *digest, uint64_t *size,
			 struct cps_err *err);
/** What a document is, when it is one thing only. */
int cps_document_kind(const json_t *doc, enum cps_document *kind, struct cps_err *err);

/** How well an entry of an index suits; 0: not at all. */
int cps_descriptor_suits(const json_t *desc, const struct cps_platform *wanted);
/** Say that none of these descriptors is for `wanted`, and what there is. -ENOENT. */
int cps_platform_missing(const json_t *list, const struct cps_platform *wanted,
			 struct cps_err *err);

/** Where the blobs of an image are found: the store, a layout, an archive. */
struct cps_blob_source {
	/** Open a blob by digest. 0, -ENOENT with the digest named, -errno. */
	int (*open)(void *ctx, const struct cps_digest *digest, struct cps_blob *out,
		    struct cps_err *err);
	void *ctx;
};

/** Follow a digest (through indexes, choosing the platform) to a manifest and open all
 *  that it needs.
 *  size      what the descriptor says, in bytes; -EBADMSG when the blob's differs
 *  platform  -ENOENT when the image is for another; NULL: this machine's where there is
 *            a choice */
int cps_image_resolve(const struct cps_blob_source *source,
		      const struct cps_digest *digest, uint64_t size,
		      const struct cps_platform *platform, struct cps_image **out,
		      struct cps_err *err);
/** The image ID alone: the config's digest, as the manifest says it. */
int cps_image_resolve_id(const struct cps_blob_source *source,
			 const struct cps_digest *digest, uint64_t size,
			 struct cps_digest *id, struct cps_err *err);

/** Blobs of the store. ctx: the store. */
int cps_store_blob_open(void *store, const struct cps_digest *digest,
			struct cps_blob *out, struct cps_err *err);

/** Read the entries of an index.json document. */
int cps_image_list_parse(const struct cps_buf *text, struct cps_image_list *out,
			 struct cps_err *err);

#endif
