#include "store/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/base/log.h"

/* Bytes of a tree whose checksums are compared before it is used: some milliseconds. A
 * larger one is read as it is needed; its bounds are checked all the same. */
#define TREE_VERIFY_MAX (16u << 20)

/** A root on its way to being open. */
struct opening {
	struct cps_store *store;
	struct cps_root *root;
	unsigned int first, count; /* layers that the view needs */
	const struct cps_progress *progress;
	struct cps_err *err;
};

/* ---- what a layer needs before it can be read ---- */

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

/* Nothing is known to need what this publishes: until it is open, gc must not come
 * between, so `lock` gets a shared lock of the store for the caller to hold. */
static int ingest(struct opening *o, struct cps_image_layer *layer, int *lock)
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

/* The seek table, or none for an uncompressed blob. -ENOENT: a pass must make it. */
static int open_seek(struct opening *o, const struct cps_image_layer *layer,
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

/* ---- derived files by mapping ---- */

static int map_derived(struct opening *o, enum cps_derived kind,
		       const struct cps_digest *id, struct cps_map *out)
{
	cps_auto(cps_fd) int fd = cps_derived_open(o->store, kind, id);

	return fd < 0 ? fd : cps_map_fd(fd, out);
}

struct layer_index {
	struct cps_map map;
	struct cps_buf mem; /* of a folder: it is in no file */
	struct cps_index *index;
};

static void layer_index_close(struct layer_index *li)
{
	cps_index_close(li->index);
	cps_map_release(&li->map);
	cps_buf_release(&li->mem);
	li->index = NULL;
}

static int try_index(struct opening *o, const struct cps_digest *diff_id,
		     struct layer_index *out)
{
	int rc;

	if (cps_digest_is_zero(diff_id))
		return -ENOENT;
	rc = map_derived(o, CPS_INDEX, diff_id, &out->map);
	if (rc == 0)
		rc = cps_index_open(out->map.data, out->map.len, diff_id, &out->index,
				    o->err);
	/* A tree is built of all of it, and would keep what is wrong. */
	if (rc == 0) {
		cps_map_fetch(&out->map);
		rc = cps_index_verify(out->index, o->err);
	}
	if (rc < 0)
		layer_index_close(out);
	if (rc != -EBADMSG)
		return rc;
	cps_warn("a damaged index is made anew");
	cps_derived_drop(o->store, CPS_INDEX, diff_id);
	return -ENOENT;
}

static int index_dir(struct opening *o, struct cps_image_layer *layer,
		     struct layer_index *out)
{
	int rc = cps_dirlayer_index(layer->dir, &layer->diff_id, &out->mem, o->err);

	return rc < 0 ? rc
		      : cps_index_open(out->mem.data, out->mem.len, &layer->diff_id,
				       &out->index, o->err);
}

static int open_index(struct opening *o, struct cps_image_layer *layer,
		      struct layer_index *out)
{
	cps_auto(cps_fd) int lock = -1;
	int rc;

	if (layer->dir)
		return index_dir(o, layer, out);
	rc = try_index(o, &layer->diff_id, out);
	if (rc != -ENOENT)
		return rc;
	rc = ingest(o, layer, &lock);
	return rc < 0 ? rc : try_index(o, &layer->diff_id, out);
}

/* ---- trees ---- */

static int use_tree(struct opening *o, const void *data, size_t len,
		    const struct cps_digest *key)
{
	return cps_tree_open(data, len, key, &o->root->tree, o->err);
}

static int publish_tree(struct opening *o, const struct cps_digest *key)
{
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	const struct cps_buf *mem = &o->root->mem;
	int rc = cps_tmp_open(o->store, &tmp, o->err);

	if (rc == 0)
		rc = cps_write_full(tmp.fd, mem->data, mem->len);
	return rc < 0 ? rc : cps_tmp_publish_derived(&tmp, CPS_TREE, key, o->err);
}

/* Call `build` with the indexes of all the layers of the view. */
typedef int (*build_fn)(struct opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key);

static int with_indexes(struct opening *o, build_fn build, const struct cps_digest *key)
{
	cps_auto(cps_free) struct layer_index *open = calloc(o->count, sizeof(*open));
	cps_auto(cps_free) struct cps_tree_layer *layers =
		calloc(o->count, sizeof(*layers));
	unsigned int n = 0;
	int rc = 0;

	if (o->count && (!open || !layers))
		return cps_err_nomem(o->err);
	for (; n < o->count && rc == 0; n++) {
		struct cps_image_layer *layer = &o->root->image->layers[o->first + n];

		rc = open_index(o, layer, &open[n]);
		if (rc < 0)
			cps_err_wrap(o->err, rc, "layer %u", o->first + n + 1);
		layers[n].index = open[n].index;
		layers[n].diff_id = layer->diff_id;
	}
	if (rc == 0)
		rc = build(o, layers, key);
	while (n-- > 0)
		layer_index_close(&open[n]);
	return rc;
}

static int build_merged(struct opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key)
{
	return cps_tree_merge(layers, o->count, key, &o->root->mem, o->err);
}

static int build_single(struct opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key)
{
	return cps_tree_single(layers, (uint16_t)o->first, &o->root->mem, o->err);
}

/* The words beside a layer's files in the view of all layers. */
enum { NOTE_DIGEST, NOTE_DIFFID, NOTE_INSTRUCTION, NOTES };

struct frame_text {
	char name[12];
	char digest[CPS_DIGEST_TEXT_LEN + 1], diff_id[CPS_DIGEST_TEXT_LEN + 1];
	struct cps_buf instruction;
	struct cps_tree_note notes[NOTES];
};

static int describe_frame(const struct cps_image_layer *layer, unsigned int number,
			  struct frame_text *text)
{
	snprintf(text->name, sizeof(text->name), "%u", number);
	cps_digest_text(&layer->digest, text->digest);
	cps_digest_text(&layer->diff_id, text->diff_id);
	strcat(text->digest, "\n");
	strcat(text->diff_id, "\n");
	text->notes[NOTE_DIGEST] = (struct cps_tree_note){"digest", text->digest};
	text->notes[NOTE_DIFFID] = (struct cps_tree_note){"diff_id", text->diff_id};
	if (cps_buf_printf(&text->instruction, "%s\n", layer->created_by) < 0)
		return -ENOMEM;
	text->notes[NOTE_INSTRUCTION] =
		(struct cps_tree_note){"instruction", cps_buf_cstr(&text->instruction)};
	return 0;
}

static int build_frames(struct opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key)
{
	cps_auto(cps_free) struct frame_text *texts = calloc(o->count, sizeof(*texts));
	cps_auto(cps_free) struct cps_tree_frame *frames =
		calloc(o->count, sizeof(*frames));
	int rc = 0;

	if (o->count && (!texts || !frames))
		return cps_err_nomem(o->err);
	for (unsigned int i = 0; i < o->count && rc == 0; i++) {
		rc = describe_frame(&o->root->image->layers[i], i + 1, &texts[i]);
		frames[i] = (struct cps_tree_frame){texts[i].name, layers[i],
						    texts[i].notes, NOTES};
	}
	rc = rc < 0 ? cps_err_nomem(o->err)
		    : cps_tree_frames(frames, o->count, &o->root->mem, o->err);
	for (unsigned int i = 0; i < o->count; i++)
		cps_buf_release(&texts[i].instruction);
	return rc;
}

/* Bare archives learn their diffIDs from a pass. */
static int name_layers(struct opening *o)
{
	struct cps_image *image = o->root->image;
	int rc = 0;

	for (size_t i = 0; i < image->layer_count && rc == 0; i++) {
		cps_auto(cps_fd) int lock = -1;

		if (cps_digest_is_zero(&image->layers[i].diff_id))
			rc = ingest(o, &image->layers[i], &lock);
	}
	return rc;
}

static void chain_key(const struct opening *o, struct cps_digest *key)
{
	for (unsigned int i = 0; i < o->count; i++)
		cps_chain_id(i ? key : NULL, &o->root->image->layers[i].diff_id, key);
}

static int try_tree(struct opening *o, const struct cps_digest *key)
{
	struct cps_root *root = o->root;
	int rc = map_derived(o, CPS_TREE, key, &root->map);

	if (rc == 0)
		rc = use_tree(o, root->map.data, root->map.len, key);
	if (rc == 0 && root->map.len <= TREE_VERIFY_MAX) {
		cps_map_fetch(&root->map);
		rc = cps_tree_verify(root->tree, o->err);
	}
	if (rc != -EBADMSG)
		return rc;
	cps_warn("a damaged tree is made anew");
	cps_tree_close(CPS_TAKE(root->tree));
	cps_map_release(&root->map);
	cps_derived_drop(o->store, CPS_TREE, key);
	return -ENOENT;
}

static int open_merged(struct opening *o)
{
	struct cps_root *root = o->root;
	struct cps_digest key = {0};
	int rc;

	chain_key(o, &key);
	rc = try_tree(o, &key);
	if (rc != -ENOENT)
		return rc;
	rc = with_indexes(o, build_merged, &key);
	if (rc < 0)
		return rc;
	/* A tree that cannot be kept costs the next mount some time, no more. */
	if (publish_tree(o, &key) == 0 && try_tree(o, &key) == 0) {
		cps_buf_release(&root->mem);
		return 0;
	}
	cps_debug("the tree is not kept: %s", o->err ? o->err->msg : "");
	return use_tree(o, root->mem.data, root->mem.len, &key);
}

static int open_unkept(struct opening *o, build_fn build)
{
	int rc = with_indexes(o, build, NULL);

	return rc < 0 ? rc : use_tree(o, o->root->mem.data, o->root->mem.len, NULL);
}

/* ---- contents ---- */

static int open_content(struct opening *o, unsigned int i)
{
	struct cps_image_layer *layer = &o->root->image->layers[i];
	cps_auto(cps_fd) int lock = -1;
	struct cps_seek *seek = NULL;
	int rc;

	if (layer->dir)
		return cps_content_open_dir(o->root->cache, layer->dir,
					    &o->root->contents[i], o->err);
	rc = open_seek(o, layer, &seek);
	if (rc == -ENOENT) {
		rc = ingest(o, layer, &lock);
		if (rc == 0)
			rc = open_seek(o, layer, &seek);
	}
	if (rc < 0)
		return cps_err_wrap(o->err, rc, "layer %u", i + 1);
	return cps_content_open(o->root->cache, &layer->blob, seek,
				&o->root->contents[i], o->err);
}

static int open_contents(struct opening *o, const struct cps_root_opts *opts)
{
	struct cps_root *root = o->root;
	int rc =
		cps_cache_new(opts->cache_bytes ? opts->cache_bytes : CPS_CACHE_DEFAULT,
			      opts->workers, &root->cache, o->err);

	if (rc == 0)
		cps_cache_keep(root->cache, opts->keep_bytes);
	/* By layer ordinal, so that a view of some layers leaves holes. */
	root->content_count = root->image->layer_count;
	root->contents = calloc(root->content_count + 1, sizeof(*root->contents));
	if (rc == 0 && !root->contents)
		rc = cps_err_nomem(o->err);
	for (unsigned int i = 0; i < o->count && rc == 0; i++)
		rc = open_content(o, o->first + i);
	return rc;
}

/* ---- all of it ---- */

static int choose_layers(struct opening *o, const struct cps_root_opts *opts)
{
	size_t have = o->root->image->layer_count;

	if (have > CPS_LAYERS_MAX)
		return cps_err_set(o->err, -E2BIG, "%zu layers; at most %u are taken",
				   have, CPS_LAYERS_MAX);
	if (opts->layer > have || (opts->view == CPS_VIEW_LAYER && !opts->layer))
		return cps_err_set(o->err, -ERANGE, "no layer %u: the image has %zu",
				   opts->layer, have);
	o->count = (unsigned int)have;
	if (opts->view == CPS_VIEW_LAYER) {
		o->first = opts->layer - 1;
		o->count = 1;
	} else if (opts->view == CPS_VIEW_MERGED && opts->layer) {
		o->count = opts->layer;
	}
	return 0;
}

/* What is in a folder today is not what will be in it tomorrow. */
static bool has_dir(const struct cps_image *image)
{
	for (size_t i = 0; i < image->layer_count; i++)
		if (image->layers[i].dir)
			return true;
	return false;
}

static int open_tree(struct opening *o, enum cps_root_view view)
{
	switch (view) {
	case CPS_VIEW_LAYER:
		return open_unkept(o, build_single);
	case CPS_VIEW_LAYERS:
		return open_unkept(o, build_frames);
	default:
		return has_dir(o->root->image) ? open_unkept(o, build_merged)
					       : open_merged(o);
	}
}

int cps_root_open(struct cps_store *store, struct cps_image *image,
		  const struct cps_root_opts *opts, struct cps_root **out,
		  struct cps_err *err)
{
	cps_auto(cps_root_close) struct cps_root *root = calloc(1, sizeof(*root));
	struct opening o = {
		.store = store,
		.root = root,
		.progress = &opts->progress,
		.err = err,
	};
	int rc;

	if (!root) {
		cps_image_free(image);
		return cps_err_nomem(err);
	}
	root->image = image;
	rc = choose_layers(&o, opts);
	if (rc == 0)
		rc = name_layers(&o);
	if (rc == 0)
		rc = open_tree(&o, opts->view);
	if (rc == 0)
		rc = open_contents(&o, opts);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(root);
	return 0;
}

void cps_root_close(struct cps_root *root)
{
	if (!root)
		return;
	for (size_t i = 0; root->contents && i < root->content_count; i++)
		cps_content_close(root->contents[i]);
	free(root->contents);
	cps_cache_free(root->cache);
	cps_tree_close(root->tree);
	cps_map_release(&root->map);
	cps_buf_release(&root->mem);
	cps_image_free(root->image);
	free(root);
}

int cps_root_origin(const struct cps_root *root, uint16_t layer, struct cps_buf *out)
{
	char digest[CPS_DIGEST_TEXT_LEN];
	const struct cps_image_layer *l;

	if (layer == CPS_LAYER_NONE || layer >= root->image->layer_count)
		return cps_buf_str(out, "no layer");
	l = &root->image->layers[layer];
	if (l->dir)
		return cps_buf_printf(out, "layer %u: %s", layer + 1u, l->created_by);
	return cps_buf_printf(out, "layer %u %s: %s", layer + 1u,
			      cps_digest_text(&l->diff_id, digest), l->created_by);
}
