#include <errno.h>
#include <string.h>

#include "store/archive/archive.h"
#include "store/compose.h"
#include "store/root.h"
#include "store/transfer.h"

struct loading {
	struct cps_store *store;
	const struct cps_progress *progress;
	struct cps_err *err;
};

struct member_reader {
	const struct loading *loading;
	const struct cps_blob *blob;
	char what[32];
	uint64_t off;
};

static ssize_t read_member(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct member_reader *r = ctx;
	ssize_t n = cps_blob_pread(r->blob, buf, len, r->off);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read");
	r->off += (uint64_t)n;
	cps_progress_tell(r->loading->progress, r->what, r->off, r->blob->size);
	return n;
}

/* Is there a restart table, or no need of one? */
static bool has_seek(const struct loading *l, const struct cps_digest *digest,
		     const struct cps_blob *blob)
{
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	ssize_t n = cps_blob_pread(blob, head, sizeof(head), 0);
	cps_auto(cps_fd) int fd = -1;

	if (n < 0)
		return false;
	if (cps_codec_detect(head, (size_t)n) == CPS_CODEC_NONE)
		return true;
	fd = cps_derived_open(l->store, CPS_SEEK, digest);
	return fd >= 0;
}

/* Is all there that a layer needs, so that its bytes need not come in again? The blob
 * is read all the same: whoever loads an image again wants it whole. */
static bool is_here(const struct loading *l, const struct cps_image_layer *layer)
{
	cps_auto(cps_fd) int fd = -1;
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;

	if (cps_digest_is_zero(&layer->digest) ||
	    cps_blob_open(l->store, &layer->digest, &blob, NULL) < 0 ||
	    blob.size != layer->blob.size || !has_seek(l, &layer->digest, &blob))
		return false;
	fd = cps_derived_open(l->store, CPS_INDEX, &layer->diff_id);
	return fd >= 0 && cps_blob_verify(&blob, &layer->digest, NULL) == 0;
}

static int load_layer(const struct loading *l, const struct cps_image *image, size_t i)
{
	struct cps_image_layer *layer = &image->layers[i];
	struct member_reader reader = {.loading = l, .blob = &layer->blob};
	struct cps_ingest job = {
		.read = read_member,
		.ctx = &reader,
		.digest = layer->digest,
		.diff_id = layer->diff_id,
		.keep_blob = true,
		.lowest = i == 0,
	};
	int rc;

	if (is_here(l, layer))
		return 0;
	snprintf(reader.what, sizeof(reader.what), "layer %zu/%zu", i + 1,
		 image->layer_count);
	rc = cps_layer_ingest(l->store, &job, l->err);
	if (rc < 0)
		return cps_err_wrap(l->err, rc, "layer %zu", i + 1);
	layer->digest = job.digest;
	return 0;
}

/* Old docker archives hold no manifest: it is written from what they do hold. */
static int compose_manifest(const struct loading *l, struct cps_image *image)
{
	cps_auto(cps_free) struct cps_descriptor *layers =
		calloc(image->layer_count + 1, sizeof(*layers));
	struct cps_descriptor config = {CPS_MEDIA_CONFIG, image->id, image->config.len};

	if (!layers)
		return cps_err_nomem(l->err);
	for (size_t i = 0; i < image->layer_count; i++) {
		const struct cps_blob *blob = &image->layers[i].blob;
		uint8_t head[CPS_CODEC_MAGIC_LEN];
		ssize_t n = cps_blob_pread(blob, head, sizeof(head), 0);

		if (n < 0)
			return cps_err_sys(l->err, (int)n, "read layer %zu", i + 1);
		layers[i] = (struct cps_descriptor){
			cps_layer_media_type(cps_codec_detect(head, (size_t)n)),
			image->layers[i].digest, blob->size};
	}
	return cps_compose_manifest(&config, layers, image->layer_count,
				    &image->manifest, l->err);
}

static int put_document(const struct loading *l, const struct cps_buf *bytes,
			struct cps_digest *digest)
{
	return cps_blob_put(l->store, bytes->data, bytes->len, digest, l->err);
}

static int load_blobs(const struct loading *l, struct cps_image *image)
{
	struct cps_digest id;
	int rc = 0;

	for (size_t i = 0; i < image->layer_count && rc == 0; i++)
		rc = load_layer(l, image, i);
	if (rc == 0)
		rc = put_document(l, &image->config, &id);
	if (rc == 0 && image->manifest.len == 0)
		rc = compose_manifest(l, image);
	return rc < 0 ? rc : put_document(l, &image->manifest, &image->manifest_digest);
}

static const char *media_type(const struct cps_image *image)
{
	return image->media_type && *image->media_type ? image->media_type
						       : CPS_MEDIA_MANIFEST;
}

static int name_image(const struct loading *l, const struct cps_image *image,
		      const char *name, cps_loaded_fn loaded, void *ctx)
{
	bool displaced = false;
	int rc = cps_image_tag(l->store, &image->manifest_digest, image->manifest.len,
			       media_type(image), name, &displaced, l->err);

	if (rc == 0 && loaded)
		loaded(ctx, name, &image->id, displaced);
	return rc;
}

static int load_image(const struct loading *l, struct cps_archive *archive, size_t i,
		      cps_loaded_fn loaded, void *ctx)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	const char *const *names;
	size_t count;
	int rc = cps_archive_image(archive, i, &image, &names, &count, l->err);

	if (rc == 0)
		rc = load_blobs(l, image);
	if (rc == 0 && count == 0)
		rc = name_image(l, image, NULL, loaded, ctx);
	for (size_t n = 0; n < count && rc == 0; n++)
		rc = name_image(l, image, names[n], loaded, ctx);
	return rc;
}

int cps_load(struct cps_store *store, int fd, const struct cps_platform *platform,
	     const struct cps_progress *progress, cps_loaded_fn loaded, void *ctx,
	     struct cps_err *err)
{
	struct loading l = {.store = store, .progress = progress, .err = err};
	cps_auto(cps_archive_close) struct cps_archive *archive = NULL;
	cps_auto(cps_fd) int lock = cps_store_lock(store, false, err);
	int rc = lock < 0 ? lock
			  : cps_archive_open_fd(store, fd, platform, &archive, err);

	if (rc == 0 && cps_archive_count(archive) == 0)
		rc = cps_err_set(err, -ENOENT, "the archive holds no image");
	for (size_t i = 0; rc == 0 && i < cps_archive_count(archive); i++)
		rc = load_image(&l, archive, i, loaded, ctx);
	return rc;
}
