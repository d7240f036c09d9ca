#include "store/commit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/change.h"
#include "store/compose.h"
#include "store/container_internal.h"
#include "store/json.h"
#include "store/recompress.h"
#include "store/root.h"
#include "store/tree.h" /* CPS_LAYERS_MAX */

#define COPY_BYTES (256u << 10)

/* ---- the layer ---- */

/** A blob that is read from its start to its end. */
struct blob_reader {
	struct cps_blob blob;
	uint64_t off;
};

static ssize_t read_blob(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct blob_reader *r = ctx;
	ssize_t n = cps_blob_pread(&r->blob, buf, len, r->off);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read the compressed layer");
	r->off += (uint64_t)n;
	return n;
}

static int copy_stream(cps_read_fn read, void *ctx, struct cps_blob_writer *w,
		       struct cps_err *err)
{
	cps_auto(cps_free) uint8_t *buf = malloc(COPY_BYTES);
	ssize_t n = 0;
	int rc = buf ? 0 : cps_err_nomem(err);

	while (rc == 0 && (n = read(ctx, buf, COPY_BYTES, err)) > 0)
		rc = cps_blob_append(w, buf, (size_t)n, err);
	return n < 0 ? (int)n : rc;
}

/* Compressed at once: through a file without a name, so that no blob is left that
 * nothing refers to. */
static int compress(struct cps_store *store, cps_read_fn read, void *ctx,
		    enum cps_codec codec, struct cps_blob *out, struct cps_err *err)
{
	cps_auto(cps_blob_abort) struct cps_blob_writer *w = NULL;
	cps_auto(cps_blob) struct cps_blob plain = CPS_BLOB_INIT;
	struct cps_digest digest;
	uint64_t size;
	int rc = cps_blob_begin(store, &w, err);

	if (rc == 0)
		rc = copy_stream(read, ctx, w, err);
	if (rc < 0)
		return rc;
	cps_blob_digest(w, &digest, &size);
	rc = cps_blob_peek(w, &plain, err);
	return rc < 0 ? rc : cps_recompress(store, &plain, codec, out, &digest, err);
}

static int take_layer(struct cps_store *store, cps_read_fn read, void *ctx,
		      enum cps_codec codec, struct cps_ingest *job, struct cps_err *err)
{
	struct blob_reader compressed = {.blob = CPS_BLOB_INIT};
	int rc = 0;

	job->read = read;
	job->ctx = ctx;
	job->keep_blob = true;
	if (codec != CPS_CODEC_NONE) {
		rc = compress(store, read, ctx, codec, &compressed.blob, err);
		job->read = read_blob;
		job->ctx = &compressed;
	}
	if (rc == 0)
		rc = cps_layer_ingest(store, job, err);
	cps_blob_close(&compressed.blob);
	return rc < 0 ? cps_err_wrap(err, rc, "the new layer") : 0;
}

/* ---- the config ---- */

static json_t *scratch_config(void)
{
	return json_pack("{s:s, s:s, s:s, s:{}, s:{s:s, s:[]}, s:[]}", "created", "",
			 "architecture", cps_host_architecture(), "os", "linux",
			 "config", "rootfs", "type", "layers", "diff_ids", "history");
}

static int apply_changes(json_t *doc, const struct cps_commit_opts *opts,
			 struct cps_err *err)
{
	json_t *config = cps_json_member(doc, "config", JSON_OBJECT);
	int rc = config ? 0 : cps_err_nomem(err);

	if (rc == 0 && opts->config)
		rc = cps_container_members_write(opts->config, config, err);
	for (size_t i = 0; i < opts->change_count && rc == 0; i++)
		rc = cps_change_config(config, opts->changes[i], err);
	return rc;
}

/* The n-th line without empty_layer is of the n-th layer. Where the parent tells too
 * little, the new line must not be taken for an older layer's. */
static int complete_history(json_t *history, size_t layers)
{
	size_t told = 0, i;
	json_t *line;

	json_array_foreach(history, i, line)
	{
		told += !json_is_true(json_object_get(line, "empty_layer"));
	}
	for (; told < layers; told++)
		if (json_array_append_new(history,
					  json_pack("{s:s}", "created_by", "")) < 0)
			return -ENOMEM;
	return 0;
}

static json_t *history_line(const struct cps_commit_opts *opts, const char *created,
			    bool empty)
{
	json_t *line =
		json_pack("{s:s, s:s, s:s*, s:s*}", "created", created, "created_by",
			  opts->created_by ? opts->created_by : "capas commit",
			  "author", opts->author, "comment", opts->message);

	if (line && empty)
		json_object_set_new(line, "empty_layer", json_true());
	return line;
}

/* All but the new diffID. Made before anything is read, so that a bad change costs
 * nothing. */
static int new_config(const struct cps_image *parent,
		      const struct cps_commit_opts *opts, bool empty, json_t **out,
		      struct cps_err *err)
{
	json_t *doc = parent ? cps_json_object(parent->config.data, parent->config.len,
					       "the parent's config", err)
			     : scratch_config();
	json_t *history, *line;
	char created[32];
	int rc;

	*out = doc;
	if (!doc)
		return parent ? -EBADMSG : cps_err_nomem(err);
	rc = apply_changes(doc, opts, err);
	if (rc < 0)
		return rc;
	cps_time_text(opts->created_s, created);
	json_object_set_new(doc, "created", json_string(created));
	line = history_line(opts, created, empty);
	if (!line ||
	    (opts->author &&
	     json_object_set_new(doc, "author", json_string(opts->author)) < 0)) {
		json_decref(line);
		return cps_err_set(err, -EINVAL, "the author or message is not UTF-8");
	}
	history = cps_json_member(doc, "history", JSON_ARRAY);
	if (!history ||
	    complete_history(history, parent ? parent->layer_count : 0) < 0 ||
	    json_array_append_new(history, line) < 0)
		return cps_err_nomem(err);
	return 0;
}

static int add_diff_id(json_t *doc, const struct cps_digest *diff_id,
		       struct cps_err *err)
{
	json_t *rootfs = cps_json_member(doc, "rootfs", JSON_OBJECT);
	json_t *ids = rootfs ? cps_json_member(rootfs, "diff_ids", JSON_ARRAY) : NULL;
	char text[CPS_DIGEST_TEXT_LEN];

	return json_array_append_new(ids, json_string(cps_digest_text(diff_id, text))) <
			       0
		       ? cps_err_nomem(err)
		       : 0;
}

/* ---- the manifest ---- */

static const char *oci_type(const char *type)
{
	static const char *const types[][2] = {
		{"application/vnd.docker.image.rootfs.diff.tar.gzip",
		 "application/vnd.oci.image.layer.v1.tar+gzip"},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd",
		 "application/vnd.oci.image.layer.v1.tar+zstd"},
		{"application/vnd.docker.image.rootfs.diff.tar",
		 "application/vnd.oci.image.layer.v1.tar"},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		 "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar",
		 "application/vnd.oci.image.layer.nondistributable.v1.tar"},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++)
		if (strcmp(type, types[i][0]) == 0)
			return types[i][1];
	return type;
}

/* The parent's own descriptors, with all that they say. */
static int parent_layers(const struct cps_image *parent, json_t *list,
			 struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc =
		cps_json_object(parent->manifest.data, parent->manifest.len,
				"the parent's manifest", err);
	json_t *desc;
	size_t i;

	if (!doc)
		return -EBADMSG;
	json_array_foreach(json_object_get(doc, "layers"), i, desc)
	{
		json_t *copy = json_deep_copy(desc);
		const char *type = oci_type(cps_json_text(desc, "mediaType"));

		if (!copy ||
		    json_object_set_new(copy, "mediaType", json_string(type)) < 0) {
			json_decref(copy);
			return cps_err_nomem(err);
		}
		if (json_array_append_new(list, copy) < 0)
			return cps_err_nomem(err);
	}
	return 0;
}

static int compose(const struct cps_image *parent, const struct cps_descriptor *config,
		   const struct cps_descriptor *layer, struct cps_buf *out,
		   struct cps_err *err)
{
	json_t *list = json_array();
	cps_auto(cps_json) json_t *doc =
		json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType",
			  CPS_MEDIA_MANIFEST, "config", cps_descriptor_json(config),
			  "layers", list);
	int rc = doc ? 0 : cps_err_nomem(err);

	if (rc == 0 && parent)
		rc = parent_layers(parent, list, err);
	if (rc == 0 && layer &&
	    json_array_append_new(list, cps_descriptor_json(layer)) < 0)
		rc = cps_err_nomem(err);
	return rc < 0 ? rc : cps_json_bytes(doc, out, err);
}

/* ---- all together ---- */

static int check(const struct cps_store *store, const struct cps_image *parent,
		 const struct cps_commit_opts *opts, bool empty, struct cps_err *err)
{
	char text[CPS_DIGEST_TEXT_LEN];
	struct cps_ref ref;
	int rc = opts->name ? cps_ref_parse_new(opts->name, &ref, err) : 0;

	if (rc < 0)
		return rc;
	if (parent && !empty && parent->layer_count >= CPS_LAYERS_MAX)
		return cps_err_set(err, -EINVAL, "the image has %u layers already",
				   CPS_LAYERS_MAX);
	for (size_t i = 0; parent && i < parent->layer_count; i++)
		if (!cps_blob_exists(store, &parent->layers[i].digest))
			return cps_err_set(
				err, -ENOENT, "layer %s is not in the store",
				cps_digest_text(&parent->layers[i].digest, text));
	return 0;
}

static int put(struct cps_store *store, const struct cps_buf *bytes,
	       struct cps_descriptor *desc, struct cps_err *err)
{
	desc->size = bytes->len;
	return cps_blob_put(store, bytes->data, bytes->len, &desc->digest, err);
}

static int put_documents(struct cps_store *store, const struct cps_image *parent,
			 const json_t *doc, const struct cps_descriptor *layer,
			 const char *name, struct cps_digest *id, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_CONFIG_MAX);
	cps_auto(cps_buf) struct cps_buf bytes = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	struct cps_descriptor config = {.media_type = CPS_MEDIA_CONFIG};
	struct cps_descriptor manifest = {.media_type = CPS_MEDIA_MANIFEST};
	int rc = cps_json_bytes(doc, &text, err);

	if (rc == 0)
		rc = put(store, &text, &config, err);
	if (rc == 0)
		rc = compose(parent, &config, layer, &bytes, err);
	if (rc == 0)
		rc = put(store, &bytes, &manifest, err);
	if (rc == 0)
		rc = cps_image_tag(store, &manifest.digest, manifest.size,
				   CPS_MEDIA_MANIFEST, name, NULL, err);
	*id = config.digest;
	return rc;
}

int cps_commit(struct cps_store *store, const struct cps_image *parent,
	       cps_read_fn read, void *ctx, const struct cps_commit_opts *opts,
	       struct cps_digest *id, struct cps_err *err)
{
	cps_auto(cps_fd) int lock = cps_store_lock(store, false, err);
	cps_auto(cps_json) json_t *doc = NULL;
	struct cps_ingest job = {.lowest = !parent || parent->layer_count == 0};
	struct cps_descriptor layer = {.media_type = cps_layer_media_type(opts->codec)};
	int rc = lock < 0 ? lock : check(store, parent, opts, !read, err);

	if (rc == 0)
		rc = new_config(parent, opts, !read, &doc, err);
	if (rc == 0 && read)
		rc = take_layer(store, read, ctx, opts->codec, &job, err);
	if (rc == 0 && read)
		rc = add_diff_id(doc, &job.diff_id, err);
	if (rc < 0)
		return rc;
	layer.digest = job.digest;
	layer.size = job.size_bytes;
	return put_documents(store, parent, doc, read ? &layer : NULL, opts->name, id,
			     err);
}
