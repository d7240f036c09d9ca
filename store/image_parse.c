/* Manifest and config documents: strict, and they must fit together. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/base/log.h"
#include "store/image.h"
#include "store/image_internal.h"
#include "store/json.h"
#include "store/tree.h" /* CPS_LAYERS_MAX */

#define HISTORY_MAX 4096u
#define BLOB_MAX    (1ull << 44) /* bytes; what no disk at hand holds is a lie */

/* In a document a malformed digest is damage, not a wrong argument. */
static int parse_digest(const json_t *value, struct cps_digest *out,
			struct cps_err *err)
{
	const char *text = json_string_value(value);
	int rc = cps_digest_parse(text ? text : "", out, err);

	return rc == -EINVAL ? -EBADMSG : rc;
}

int cps_descriptor_parse(const json_t *desc, struct cps_digest *digest, uint64_t *size,
			 struct cps_err *err)
{
	const json_t *bytes = json_object_get(desc, "size");
	int rc = parse_digest(json_object_get(desc, "digest"), digest, err);

	if (rc < 0)
		return rc;
	if (!json_is_integer(bytes) || json_integer_value(bytes) < 0)
		return cps_err_set(err, -EBADMSG, "a descriptor's size is no size");
	*size = (uint64_t)json_integer_value(bytes);
	if (*size > BLOB_MAX)
		return cps_err_set(err, -EBADMSG, "a descriptor promises %llu bytes",
				   (unsigned long long)*size);
	return 0;
}

static const char *const manifest_types[2] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json"};
static const char *const index_types[2] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json"};
#define SCHEMA1_TYPE "application/vnd.docker.distribution.manifest.v1+"

static bool is_type(const char *type, const char *const types[2])
{
	return strcmp(type, types[0]) == 0 || strcmp(type, types[1]) == 0;
}

/* CVE-2021-41190: a document that is an index to one reader and a manifest to another.
 */
int cps_document_kind(const json_t *doc, enum cps_document *kind, struct cps_err *err)
{
	static const char *const keys[] = {"config", "layers", "manifests",
					   "mediaType"};
	const char *type = cps_json_text(doc, "mediaType");
	bool manifest = cps_json_has_nocase(doc, "config") ||
			cps_json_has_nocase(doc, "layers");
	bool index = cps_json_has_nocase(doc, "manifests");
	bool schema1 = cps_json_has_nocase(doc, "fsLayers");

	for (size_t i = 0; i < CPS_ARRAY_LEN(keys); i++)
		if (cps_json_has_lookalike(doc, keys[i]))
			return cps_err_set(err, -EBADMSG,
					   "a document that has '%s' in another case",
					   keys[i]);
	if (strncmp(type, SCHEMA1_TYPE, strlen(SCHEMA1_TYPE)) == 0 ||
	    (schema1 && !manifest && !index))
		return cps_err_set(err, -ENOTSUP,
				   "a manifest of schema 1; push the image anew with a "
				   "tool of this decade");
	if (manifest + index + schema1 != 1)
		return cps_err_set(
			err, -EBADMSG,
			"a document that is neither a manifest nor an index, "
			"or both");
	*kind = index ? CPS_DOCUMENT_INDEX : CPS_DOCUMENT_MANIFEST;
	if (is_type(type, index ? manifest_types : index_types))
		return cps_err_set(err, -EBADMSG,
				   "a document that is no '%s' as it says", type);
	return 0;
}

static int dup_text(const json_t *doc, const char *key, char **out)
{
	*out = strdup(cps_json_text(doc, key));
	return *out ? 0 : -ENOMEM;
}

static int parse_layers(const json_t *doc, struct cps_image *image, struct cps_err *err)
{
	json_t *layers, *desc;
	size_t i;
	int rc;

	layers = cps_json_get(doc, "layers", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	if (json_array_size(layers) > CPS_LAYERS_MAX)
		return cps_err_set(err, -EBADMSG, "%zu layers",
				   json_array_size(layers));
	image->layers = calloc(json_array_size(layers) + 1, sizeof(*image->layers));
	if (!image->layers)
		return cps_err_nomem(err);
	json_array_foreach(layers, i, desc)
	{
		struct cps_image_layer *l = &image->layers[image->layer_count++];

		l->blob.fd = -1;
		rc = cps_descriptor_parse(desc, &l->digest, &l->blob.size, err);
		if (rc < 0)
			return cps_err_wrap(err, rc, "layer %zu", i + 1);
		l->created_by = strdup("");
		if (dup_text(desc, "mediaType", &l->media_type) < 0 || !l->created_by)
			return cps_err_nomem(err);
		if (strstr(l->media_type, "+encrypted"))
			return cps_err_set(err, -ENOTSUP, "layer %zu is encrypted",
					   i + 1);
	}
	return 0;
}

static int parse_diff_ids(const json_t *doc, struct cps_image *image,
			  struct cps_err *err)
{
	json_t *rootfs, *ids, *id;
	size_t i;
	int rc;

	rootfs = cps_json_get(doc, "rootfs", JSON_OBJECT, &rc, err);
	if (rc < 0)
		return rc;
	if (!rootfs)
		return cps_err_set(err, -EBADMSG,
				   "the config has no rootfs: an artifact, no image");
	if (strcmp(cps_json_text(rootfs, "type"), "layers") != 0)
		return cps_err_set(err, -EBADMSG,
				   "the config's rootfs is not of layers");
	ids = cps_json_get(rootfs, "diff_ids", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	if (json_array_size(ids) != image->layer_count)
		return cps_err_set(err, -EBADMSG,
				   "the config names %zu layers, the manifest %zu",
				   json_array_size(ids), image->layer_count);
	json_array_foreach(ids, i, id)
	{
		rc = parse_digest(id, &image->layers[i].diff_id, err);
		if (rc < 0)
			return cps_err_wrap(err, rc, "diffID of layer %zu", i + 1);
	}
	return 0;
}

static int parse_step(const json_t *step, struct cps_history *h)
{
	h->empty_layer = json_is_true(json_object_get(step, "empty_layer"));
	return dup_text(step, "created", &h->created) < 0 ||
			       dup_text(step, "created_by", &h->created_by) < 0 ||
			       dup_text(step, "author", &h->author) < 0 ||
			       dup_text(step, "comment", &h->comment) < 0
		       ? -ENOMEM
		       : 0;
}

static int parse_history(const json_t *doc, struct cps_image *image,
			 struct cps_err *err)
{
	json_t *history, *step;
	size_t i, layer = 0;
	int rc;

	history = cps_json_get(doc, "history", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	if (json_array_size(history) > HISTORY_MAX)
		return cps_err_set(err, -EBADMSG, "a history of %zu steps",
				   json_array_size(history));
	image->history = calloc(json_array_size(history) + 1, sizeof(*image->history));
	if (!image->history)
		return cps_err_nomem(err);
	json_array_foreach(history, i, step)
	{
		struct cps_history *h = &image->history[image->history_count++];

		if (parse_step(step, h) < 0)
			return cps_err_nomem(err);
		if (h->empty_layer || layer >= image->layer_count)
			continue;
		free(image->layers[layer].created_by);
		image->layers[layer].created_by = strdup(h->created_by);
		if (!image->layers[layer++].created_by)
			return cps_err_nomem(err);
	}
	if (image->history_count && layer != image->layer_count)
		cps_debug("history tells of %zu layers where there are %zu", layer,
			  image->layer_count);
	return 0;
}

static int parse_config(const json_t *doc, struct cps_image *image, struct cps_err *err)
{
	int rc = parse_diff_ids(doc, image, err);

	if (rc == 0)
		rc = parse_history(doc, image, err);
	if (rc == 0 && (dup_text(doc, "created", &image->created) < 0 ||
			dup_text(doc, "author", &image->author) < 0 ||
			dup_text(doc, "architecture", &image->architecture) < 0 ||
			dup_text(doc, "os", &image->os) < 0 ||
			dup_text(doc, "variant", &image->variant) < 0))
		rc = cps_err_nomem(err);
	return rc;
}

static int parse_manifest(struct cps_image *image, struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = cps_json_object(
		image->manifest.data, image->manifest.len, "the manifest", err);
	enum cps_document kind;
	struct cps_digest config;
	uint64_t size;
	int rc = doc ? cps_document_kind(doc, &kind, err) : -EBADMSG;

	if (rc < 0)
		return rc;
	if (kind != CPS_DOCUMENT_MANIFEST)
		return cps_err_set(err, -EBADMSG, "an index where a manifest belongs");
	rc = cps_descriptor_parse(json_object_get(doc, "config"), &config, &size, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, "config");
	if (!cps_digest_equal(&config, &image->id) || size != image->config.len)
		return cps_err_set(err, -EBADMSG, "the manifest names another config");
	free(image->media_type);
	if (dup_text(doc, "mediaType", &image->media_type) < 0)
		return cps_err_nomem(err);
	return parse_layers(doc, image, err);
}

int cps_image_parse(struct cps_buf *manifest, struct cps_buf *config,
		    struct cps_image *out, struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = NULL;
	int rc = 0;

	out->manifest = *manifest;
	out->config = *config;
	*manifest = (struct cps_buf){0};
	*config = (struct cps_buf){0};
	cps_digest_of(out->config.data, out->config.len, &out->id);
	/* Old docker archives have no manifest: their reader fills the layers in. */
	if (out->manifest.len) {
		cps_digest_of(out->manifest.data, out->manifest.len,
			      &out->manifest_digest);
		rc = parse_manifest(out, err);
	} else if (dup_text(NULL, "mediaType", &out->media_type) < 0) {
		rc = cps_err_nomem(err);
	}
	if (rc < 0)
		return rc;
	doc = cps_json_object(out->config.data, out->config.len, "the config", err);
	return doc ? parse_config(doc, out, err) : -EBADMSG;
}

char *cps_image_label(const struct cps_image *image, const char *name)
{
	cps_auto(cps_json) json_t *doc =
		cps_json_object(image->config.data, image->config.len, "", NULL);
	const json_t *labels =
		json_object_get(json_object_get(doc, "config"), "Labels");
	const char *value = json_string_value(json_object_get(labels, name));

	return value ? strdup(value) : NULL;
}

void cps_image_free(struct cps_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->layer_count; i++) {
		cps_blob_close(&image->layers[i].blob);
		cps_dirlayer_close(image->layers[i].dir);
		free(image->layers[i].media_type);
		free(image->layers[i].created_by);
	}
	for (size_t i = 0; i < image->history_count; i++) {
		free(image->history[i].created);
		free(image->history[i].created_by);
		free(image->history[i].author);
		free(image->history[i].comment);
	}
	free(image->layers);
	free(image->history);
	free(image->media_type);
	free(image->created);
	free(image->author);
	free(image->architecture);
	free(image->os);
	free(image->variant);
	cps_buf_release(&image->manifest);
	cps_buf_release(&image->config);
	free(image);
}
