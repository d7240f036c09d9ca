/* From a digest to an open image. */
#include <errno.h>
#include <string.h>

#include "store/compose.h"
#include "store/image_internal.h"
#include "store/json.h"

#define DEPTH_MAX 4 /* indexes inside indexes */

static int read_document(const struct cps_blob_source *source,
			 const struct cps_digest *digest, size_t limit,
			 struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	char text[CPS_DIGEST_TEXT_LEN];
	int rc = source->open(source->ctx, digest, &blob, err);

	if (rc < 0)
		return rc;
	out->max = limit;
	rc = cps_blob_read(&blob, digest, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "blob %s", cps_digest_text(digest, text))
		      : 0;
}

/* How well an entry of an index suits this machine; 0: not at all. An entry that names
 * no platform is taken when nothing better is there. */
static int suits(const json_t *desc)
{
	const json_t *platform = json_object_get(desc, "platform");
	const char *arch, *os;

	if (!json_is_object(platform))
		return 1;
	arch = cps_json_text(platform, "architecture");
	os = cps_json_text(platform, "os");
	if (strcmp(os, "linux") != 0 || strcmp(arch, cps_host_architecture()) != 0)
		return 0;
	/* amd64/v2 and the like may ask more of the processor than it has. */
	return cps_json_text(platform, "variant")[0] ? 2 : 3;
}

static int choose(const json_t *doc, struct cps_digest *out, struct cps_err *err)
{
	json_t *list, *desc, *best = NULL;
	int best_suits = 0, rc;
	uint64_t size;
	size_t i;

	list = cps_json_get(doc, "manifests", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	json_array_foreach(list, i, desc)
	{
		int s = suits(desc);

		if (s > best_suits) {
			best = desc;
			best_suits = s;
		}
	}
	if (!best)
		return cps_err_set(err, -ENOENT, "no image for linux/%s in the index",
				   cps_host_architecture());
	return cps_descriptor_parse(best, out, &size, err);
}

static int find_manifest(const struct cps_blob_source *source,
			 struct cps_digest *digest, struct cps_buf *out,
			 struct cps_err *err)
{
	for (unsigned int depth = 0; depth <= DEPTH_MAX; depth++) {
		cps_auto(cps_json) json_t *doc = NULL;
		enum cps_document kind;
		int rc = read_document(source, digest, CPS_MANIFEST_MAX, out, err);

		if (rc < 0)
			return rc;
		doc = cps_json_object(out->data, out->len, "the manifest", err);
		if (!doc)
			return -EBADMSG;
		rc = cps_document_kind(doc, &kind, err);
		if (rc < 0 || kind == CPS_DOCUMENT_MANIFEST)
			return rc;
		rc = choose(doc, digest, err);
		if (rc < 0)
			return rc;
		out->len = 0;
	}
	return cps_err_set(err, -EBADMSG, "indexes in indexes, more than %d deep",
			   DEPTH_MAX);
}

static int read_config(const struct cps_blob_source *source,
		       const struct cps_buf *manifest, struct cps_buf *out,
		       struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc =
		cps_json_object(manifest->data, manifest->len, "the manifest", err);
	struct cps_digest digest;
	uint64_t size;
	int rc = doc ? cps_descriptor_parse(json_object_get(doc, "config"), &digest,
					    &size, err)
		     : -EBADMSG;

	return rc < 0 ? cps_err_wrap(err, rc, "config")
		      : read_document(source, &digest, CPS_CONFIG_MAX, out, err);
}

static int open_layers(const struct cps_blob_source *source, struct cps_image *image,
		       struct cps_err *err)
{
	for (size_t i = 0; i < image->layer_count; i++) {
		struct cps_image_layer *l = &image->layers[i];
		uint64_t promised = l->blob.size;
		int rc = source->open(source->ctx, &l->digest, &l->blob, err);

		if (rc == 0 && l->blob.size != promised)
			rc = cps_err_set(
				err, -EBADMSG,
				"the blob has %llu bytes, the manifest says %llu",
				(unsigned long long)l->blob.size,
				(unsigned long long)promised);
		if (rc < 0)
			return cps_err_wrap(err, rc, "layer %zu", i + 1);
	}
	return 0;
}

int cps_image_resolve(const struct cps_blob_source *source,
		      const struct cps_digest *digest, struct cps_image **out,
		      struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	struct cps_digest at = *digest;
	int rc =
		image ? find_manifest(source, &at, &manifest, err) : cps_err_nomem(err);

	if (rc == 0)
		rc = read_config(source, &manifest, &config, err);
	if (rc == 0)
		rc = cps_image_parse(&manifest, &config, image, err);
	if (rc == 0)
		rc = open_layers(source, image, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(image);
	return 0;
}

int cps_store_blob_open(void *store, const struct cps_digest *digest,
			struct cps_blob *out, struct cps_err *err)
{
	return cps_blob_open(store, digest, out, err);
}
