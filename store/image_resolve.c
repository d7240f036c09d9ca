/* From a digest to an open image. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/compose.h"
#include "store/image_internal.h"
#include "store/json.h"

#define DEPTH_MAX 4          /* indexes inside indexes */
#define LIST_MAX  (4u << 10) /* bytes of a list of platforms */

/** A descriptor that is being followed. */
struct wanted {
	struct cps_digest digest;
	uint64_t size; /* bytes, as promised */
};

/* The size is compared before anything is read or hashed. */
static int open_wanted(const struct cps_blob_source *source, const struct wanted *w,
		       struct cps_blob *out, struct cps_err *err)
{
	char text[CPS_DIGEST_TEXT_LEN];
	int rc = source->open(source->ctx, &w->digest, out, err);

	if (rc < 0 || out->size == w->size)
		return rc;
	return cps_err_set(err, -EBADMSG, "blob %s has %llu bytes where %llu belong",
			   cps_digest_text(&w->digest, text),
			   (unsigned long long)out->size, (unsigned long long)w->size);
}

static int read_document(const struct cps_blob_source *source, const struct wanted *w,
			 size_t limit, struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	char text[CPS_DIGEST_TEXT_LEN];
	int rc = open_wanted(source, w, &blob, err);

	if (rc < 0)
		return rc;
	out->max = limit;
	rc = cps_blob_read(&blob, &w->digest, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "blob %s",
				     cps_digest_text(&w->digest, text))
		      : 0;
}

/* ---- which of an index ---- */

/* An entry that names no platform is taken when nothing better is there. */
int cps_descriptor_suits(const json_t *desc, const struct cps_platform *wanted)
{
	const json_t *platform = json_object_get(desc, "platform");

	if (!json_is_object(platform))
		return 1;
	return cps_platform_suits(wanted, cps_json_text(platform, "os"),
				  cps_json_text(platform, "architecture"),
				  cps_json_text(platform, "variant"));
}

/* Attestations say that they are for "unknown/unknown". */
static void list_platform(const json_t *desc, struct cps_buf *out)
{
	const json_t *platform = json_object_get(desc, "platform");
	const char *os = cps_json_text(platform, "os");
	const char *variant = cps_json_text(platform, "variant");
	size_t keep = out->len;

	if (!json_is_object(platform) || strcmp(os, "unknown") == 0)
		return;
	if (cps_buf_printf(out, "%s%s/%s%s%s", out->len ? ", " : "", os,
			   cps_json_text(platform, "architecture"),
			   variant[0] ? "/" : "", variant) < 0)
		out->len = keep;
}

int cps_platform_missing(const json_t *list, const struct cps_platform *wanted,
			 struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(LIST_MAX);
	char name[CPS_PLATFORM_TEXT_MAX];
	json_t *desc;
	size_t i;

	json_array_foreach(list, i, desc) list_platform(desc, &text);
	return cps_err_set(err, -ENOENT, "no image for %s; there are: %s",
			   cps_platform_text(wanted, name),
			   text.len ? cps_buf_cstr(&text) : "none");
}

static int choose(const json_t *doc, const struct cps_platform *platform,
		  struct wanted *out, struct cps_err *err)
{
	json_t *list, *desc, *best = NULL;
	int best_suits = 0, rc;
	size_t i;

	list = cps_json_get(doc, "manifests", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	json_array_foreach(list, i, desc)
	{
		int s = cps_descriptor_suits(desc, platform);

		if (s > best_suits) {
			best = desc;
			best_suits = s;
		}
	}
	if (!best)
		return cps_platform_missing(list, platform, err);
	return cps_descriptor_parse(best, &out->digest, &out->size, err);
}

int cps_platform_check(const struct cps_image *image, const struct cps_platform *wanted,
		       struct cps_err *err)
{
	char text[CPS_PLATFORM_TEXT_MAX];

	if (!wanted || !image->architecture[0] ||
	    cps_platform_suits(wanted, image->os, image->architecture, image->variant))
		return 0;
	return cps_err_set(err, -ENOENT, "no image for %s; there is: %s/%s%s%s",
			   cps_platform_text(wanted, text), image->os,
			   image->architecture, image->variant[0] ? "/" : "",
			   image->variant);
}

/* ---- the way down ---- */

static int find_manifest(const struct cps_blob_source *source,
			 const struct cps_platform *platform, struct wanted *w,
			 struct cps_buf *out, struct cps_err *err)
{
	struct cps_platform host;

	cps_platform_host(&host);
	for (unsigned int depth = 0; depth <= DEPTH_MAX; depth++) {
		cps_auto(cps_json) json_t *doc = NULL;
		enum cps_document kind;
		int rc = read_document(source, w, CPS_MANIFEST_MAX, out, err);

		if (rc < 0)
			return rc;
		doc = cps_json_object(out->data, out->len, "the manifest", err);
		if (!doc)
			return -EBADMSG;
		rc = cps_document_kind(doc, &kind, err);
		if (rc < 0 || kind == CPS_DOCUMENT_MANIFEST)
			return rc;
		rc = choose(doc, platform ? platform : &host, w, err);
		if (rc < 0)
			return rc;
		out->len = 0;
	}
	return cps_err_set(err, -EBADMSG, "indexes in indexes, more than %d deep",
			   DEPTH_MAX);
}

static int find_config(const struct cps_buf *manifest, struct wanted *config,
		       struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc =
		cps_json_object(manifest->data, manifest->len, "the manifest", err);
	int rc = doc ? cps_descriptor_parse(json_object_get(doc, "config"),
					    &config->digest, &config->size, err)
		     : -EBADMSG;

	return rc < 0 ? cps_err_wrap(err, rc, "config") : 0;
}

int cps_image_resolve_id(const struct cps_blob_source *source,
			 const struct cps_digest *digest, uint64_t size,
			 struct cps_digest *id, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	struct wanted at = {*digest, size}, config;
	int rc = find_manifest(source, NULL, &at, &manifest, err);

	if (rc == 0)
		rc = find_config(&manifest, &config, err);
	if (rc == 0)
		*id = config.digest;
	return rc;
}

static int open_layers(const struct cps_blob_source *source, struct cps_image *image,
		       struct cps_err *err)
{
	for (size_t i = 0; i < image->layer_count; i++) {
		struct cps_image_layer *l = &image->layers[i];
		const struct wanted w = {l->digest, l->blob.size};
		int rc = open_wanted(source, &w, &l->blob, err);

		if (rc < 0)
			return cps_err_wrap(err, rc, "layer %zu", i + 1);
	}
	return 0;
}

int cps_image_resolve(const struct cps_blob_source *source,
		      const struct cps_digest *digest, uint64_t size,
		      const struct cps_platform *platform, struct cps_image **out,
		      struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	struct wanted at = {*digest, size}, id;
	int rc = image ? find_manifest(source, platform, &at, &manifest, err)
		       : cps_err_nomem(err);

	if (rc == 0)
		rc = find_config(&manifest, &id, err);
	if (rc == 0)
		rc = read_document(source, &id, CPS_CONFIG_MAX, &config, err);
	if (rc == 0)
		rc = cps_image_parse(&manifest, &config, image, err);
	if (rc == 0)
		rc = cps_platform_check(image, platform, err);
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
