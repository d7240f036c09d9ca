#ifndef CPS_COMPOSE_H
#define CPS_COMPOSE_H

#include <jansson.h>

#include "store/codec.h"
#include "store/image.h"

/* Writing the documents of an image that capas makes. */

#define CPS_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define CPS_MEDIA_INDEX    "application/vnd.oci.image.index.v1+json"
#define CPS_MEDIA_CONFIG   "application/vnd.oci.image.config.v1+json"

/** What a manifest says of one blob. */
struct cps_descriptor {
	const char *media_type; /* borrowed */
	struct cps_digest digest;
	uint64_t size; /* bytes */
};

/** Media type of a layer in this compression. */
const char *cps_layer_media_type(enum cps_codec codec);

/** RFC 3339 in UTC, "2026-01-31T12:00:00Z". */
const char *cps_time_text(int64_t unix_s, char out[32]);

/** GOARCH of this machine. */
const char *cps_host_architecture(void);

/** {mediaType, digest, size}; a new reference, NULL on no memory. */
json_t *cps_descriptor_json(const struct cps_descriptor *desc);

/** The bytes of an OCI manifest. */
int cps_compose_manifest(const struct cps_descriptor *config,
			 const struct cps_descriptor *layers, size_t count,
			 struct cps_buf *out, struct cps_err *err);

/** A document's bytes as we write them: compact, keys in the order they were set. */
int cps_json_bytes(const json_t *doc, struct cps_buf *out, struct cps_err *err);

#endif
