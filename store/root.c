#include <errno.h>

#include "store/root_internal.h"

/* ---- contents ---- */

static int open_content(struct cps_opening *o, unsigned int i)
{
	struct cps_image_layer *layer = &o->root->image->layers[i];
	cps_auto(cps_fd) int lock = -1;
	struct cps_seek *seek = NULL;
	int rc;

	if (layer->dir)
		return cps_content_open_dir(o->root->cache, layer->dir,
					    &o->root->contents[i], o->err);
	rc = cps_opening_seek(o, layer, &seek);
	if (rc == -ENOENT) {
		rc = cps_opening_ingest(o, layer, &lock);
		if (rc == 0)
			rc = cps_opening_seek(o, layer, &seek);
	}
	if (rc < 0)
		return cps_err_wrap(o->err, rc, "layer %u", i + 1);
	return cps_content_open(o->root->cache, &layer->blob, seek,
				&o->root->contents[i], o->err);
}

static int open_contents(struct cps_opening *o, const struct cps_root_opts *opts)
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

static int choose_layers(struct cps_opening *o, const struct cps_root_opts *opts)
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

/* Bare archives learn their diffIDs from a pass. */
static int name_layers(struct cps_opening *o)
{
	struct cps_image *image = o->root->image;
	int rc = 0;

	for (size_t i = 0; i < image->layer_count && rc == 0; i++) {
		cps_auto(cps_fd) int lock = -1;

		if (cps_digest_is_zero(&image->layers[i].diff_id))
			rc = cps_opening_ingest(o, &image->layers[i], &lock);
	}
	return rc;
}

int cps_root_open(struct cps_store *store, struct cps_image *image,
		  const struct cps_root_opts *opts, struct cps_root **out,
		  struct cps_err *err)
{
	cps_auto(cps_root_close) struct cps_root *root = calloc(1, sizeof(*root));
	struct cps_opening o = {
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
		rc = cps_opening_tree(&o, opts->view);
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
