/* What a layer of a root needs before it can be read: made by a pass where it is not
 * there, or is damaged. */
#include <errno.h>
#include <stdio.h>

#include "store/base/log.h"
#include "store/root_internal.h"

struct blob_reader {
	const struct cps_blob *blob;
	const struct cps_progress *progress;
	char what[56];
	uint64_t off;
};

static ssize_t read_blob(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct blob_reader *r = ctx;
	ssize_t n = cps_blob_pread(r->blob, buf, len, r->off);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read the blob");
	r->off += (uint64_t)n;
	cps_progress_tell(r->progress, r->what, r->off, r->blob->size);
	return n;
}

int cps_opening_ingest(struct cps_opening *o, struct cps_image_layer *layer, int *lock)
{
	struct blob_reader reader = {.blob = &layer->blob, .progress = o->progress};
	struct cps_ingest job = {
		.read = read_blob,
		.ctx = &reader,
		.digest = layer->digest,
		.diff_id = layer->diff_id,
	};
	int rc;

	*lock = cps_store_lock(o->store, false, o->err);
	if (*lock < 0)
		return *lock;
	snprintf(reader.what, sizeof(reader.what), "layer %td/%zu",
		 layer - o->root->image->layers + 1, o->root->image->layer_count);
	rc = cps_layer_ingest(o->store, &job, o->err);
	if (rc < 0)
		return rc;
	layer->digest = job.digest;
	layer->diff_id = job.diff_id;
	return 0;
}

static int blob_codec(const struct cps_blob *blob, enum cps_codec *out,
		      struct cps_err *err)
{
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	ssize_t n = cps_blob_pread(blob, head, sizeof(head), 0);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read the blob");
	*out = cps_codec_detect(head, (size_t)n);
	return 0;
}

int cps_opening_seek(struct cps_opening *o, const struct cps_image_layer *layer,
		     struct cps_seek **out)
{
	enum cps_codec codec = CPS_CODEC_NONE;
	int rc = blob_codec(&layer->blob, &codec, o->err);

	*out = NULL;
	if (rc < 0 || codec == CPS_CODEC_NONE)
		return rc;
	if (cps_digest_is_zero(&layer->digest))
		return -ENOENT;
	rc = cps_seek_open(o->store, &layer->digest, out, o->err);
	if (rc != -EBADMSG)
		return rc;
	cps_warn("a damaged seek table is made anew");
	cps_derived_drop(o->store, CPS_SEEK, &layer->digest);
	cps_derived_drop(o->store, CPS_SPAN, &layer->digest);
	return -ENOENT;
}

int cps_opening_map(struct cps_opening *o, enum cps_derived kind,
		    const struct cps_digest *id, struct cps_map *out)
{
	cps_auto(cps_fd) int fd = cps_derived_open(o->store, kind, id);

	return fd < 0 ? fd : cps_map_fd(fd, out);
}

void cps_open_index_close(struct cps_open_index *li)
{
	cps_index_close(li->index);
	cps_map_release(&li->map);
	cps_buf_release(&li->mem);
	li->index = NULL;
}

static int try_index(struct cps_opening *o, const struct cps_digest *diff_id,
		     struct cps_open_index *out)
{
	int rc;

	if (cps_digest_is_zero(diff_id))
		return -ENOENT;
	rc = cps_opening_map(o, CPS_INDEX, diff_id, &out->map);
	if (rc == 0)
		rc = cps_index_open(out->map.data, out->map.len, diff_id, &out->index,
				    o->err);
	/* A tree is built of all of it, and would keep what is wrong. */
	if (rc == 0) {
		cps_map_fetch(&out->map);
		rc = cps_index_verify(out->index, o->err);
	}
	if (rc < 0)
		cps_open_index_close(out);
	if (rc != -EBADMSG)
		return rc;
	cps_warn("a damaged index is made anew");
	cps_derived_drop(o->store, CPS_INDEX, diff_id);
	return -ENOENT;
}

static int index_dir(struct cps_opening *o, struct cps_image_layer *layer,
		     struct cps_open_index *out)
{
	int rc = cps_dirlayer_index(layer->dir, &layer->diff_id, &out->mem, o->err);

	return rc < 0 ? rc
		      : cps_index_open(out->mem.data, out->mem.len, &layer->diff_id,
				       &out->index, o->err);
}

int cps_opening_index(struct cps_opening *o, struct cps_image_layer *layer,
		      struct cps_open_index *out)
{
	cps_auto(cps_fd) int lock = -1;
	int rc;

	if (layer->dir)
		return index_dir(o, layer, out);
	rc = try_index(o, &layer->diff_id, out);
	if (rc != -ENOENT)
		return rc;
	rc = cps_opening_ingest(o, layer, &lock);
	return rc < 0 ? rc : try_index(o, &layer->diff_id, out);
}
