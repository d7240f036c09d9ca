#ifndef CPS_IMAGE_H
#define CPS_IMAGE_H

#include "store/blob.h"
#include "store/dirlayer.h"
#include "store/platform.h"
#include "store/ref.h"

/* Images: a manifest, its config and its layers, in the store or in somebody else's
 * layout or archive, read in place. */

#define CPS_MANIFEST_MAX (4u << 20)  /* bytes */
#define CPS_CONFIG_MAX   (4u << 20)  /* bytes */
#define CPS_INDEX_MAX    (32u << 20) /* bytes of an index.json */

struct cps_image_layer {
	struct cps_digest digest;  /* of the blob; zero when the archive names none */
	struct cps_digest diff_id; /* from the config; zero for a bare tar */
	struct cps_blob blob;      /* open, owned */
	struct cps_dirlayer *dir;  /* owned; the layer is this folder; NULL: the blob */
	char *media_type;          /* owned */
	char *created_by;          /* owned; from history, "" unknown */
};

struct cps_history {
	char *created, *created_by, *author, *comment; /* owned, "" when absent */
	bool empty_layer;
};

struct cps_image {
	struct cps_buf manifest; /* raw bytes; empty for tar: sources */
	struct cps_buf config;   /* raw bytes; empty for tar: sources */
	char *media_type;        /* of the manifest, owned */
	struct cps_digest manifest_digest;
	struct cps_digest id; /* digest of the config: the image ID */
	char *created, *author, *architecture, *os, *variant; /* "" when absent */
	struct cps_image_layer *layers;                       /* lowest first */
	size_t layer_count;
	struct cps_history *history; /* oldest first */
	size_t history_count;
};

void cps_image_free(struct cps_image *image);
CPS_AUTO_DEFINE(struct cps_image, cps_image_free)

/** Find and open the image that `name` means: a reference, or an image ID, whole or a
 *  unique prefix of at least 4 hex digits. -ENOENT with the nearest name suggested;
 *  -EINVAL; -EEXIST an ambiguous prefix; -EBADMSG a damaged document. An index (several
 *  platforms) gives this machine's. */
int cps_image_open(struct cps_store *store, const char *name, struct cps_image **out,
		   struct cps_err *err);

/** Read manifest and config documents strictly and verify that they fit together. Fills
 *  everything but the layers' open blobs. */
int cps_image_parse(struct cps_buf *manifest, struct cps_buf *config,
		    struct cps_image *out, struct cps_err *err);

/** A label of the config. The value, owned by the caller; NULL: it has none, or no
 *  memory. */
char *cps_image_label(const struct cps_image *image, const char *name);

/** SOURCE of the command line: IMAGE, oci:DIR[:TAG], oci-archive:FILE[:TAG],
 *  docker-archive:FILE[:TAG], tar:FILE, dir:DIR.
 *  Anything read in place is verified as it is used. A tar in a compression that is no
 *  layer's (xz, bzip2, …) or a compressed archive is first decompressed into an unnamed
 *  file of the store's tmp/.
 *  platform  which of several; -ENOENT, with those that there are, when it is for
 * others only. NULL: this machine's where there is a choice */
int cps_source_open(struct cps_store *store, const char *source,
		    const struct cps_platform *platform, struct cps_image **out,
		    struct cps_err *err);
/** -ENOENT when the image is for another platform; NULL: whatever it is for. */
int cps_platform_check(const struct cps_image *image, const struct cps_platform *wanted,
		       struct cps_err *err);

/** One line of index.json. */
struct cps_image_entry {
	char *name; /* ref.name annotation in familiar form, NULL: untagged */
	char *media_type;
	struct cps_digest digest; /* of the manifest */
	uint64_t size;
};

struct cps_image_list {
	struct cps_image_entry *entries;
	size_t count;
};

int cps_image_list(struct cps_store *store, struct cps_image_list *out,
		   struct cps_err *err);
void cps_image_list_release(struct cps_image_list *list);

/** Name a manifest that is in the store. An image that loses its last name this way
 *  stays, untagged; `*displaced` (may be NULL) tells that the name meant another. */
int cps_image_tag(struct cps_store *store, const struct cps_digest *manifest,
		  uint64_t size, const char *media_type, const char *name,
		  bool *displaced, struct cps_err *err);
/** Remove the name; the last name takes the image with it (blobs stay until gc).
 *  -ENOENT. */
int cps_image_untag(struct cps_store *store, const char *name, struct cps_err *err);
/** Remove every name and entry of a manifest. */
int cps_image_forget(struct cps_store *store, const struct cps_digest *manifest,
		     struct cps_err *err);

#endif
