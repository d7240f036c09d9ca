/* The tree of a root: merged, and kept in the store; or one of a view that is not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/base/log.h"
#include "store/root_internal.h"

/* Bytes of a tree whose checksums are compared before it is used: some milliseconds. A
 * larger one is read as it is needed; its bounds are checked all the same. */
#define TREE_VERIFY_MAX (16u << 20)

static int use_tree(struct cps_opening *o, const void *data, size_t len,
		    const struct cps_digest *key)
{
	return cps_tree_open(data, len, key, &o->root->tree, o->err);
}

static int publish_tree(struct cps_opening *o, const struct cps_digest *key)
{
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	const struct cps_buf *mem = &o->root->mem;
	int rc = cps_tmp_open(o->store, &tmp, o->err);

	if (rc == 0)
		rc = cps_write_full(tmp.fd, mem->data, mem->len);
	return rc < 0 ? rc : cps_tmp_publish_derived(&tmp, CPS_TREE, key, o->err);
}

/* Call `build` with the indexes of all the layers of the view. */
typedef int (*build_fn)(struct cps_opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key);

static int with_indexes(struct cps_opening *o, build_fn build,
			const struct cps_digest *key)
{
	cps_auto(cps_free) struct cps_open_index *open =
		calloc(o->count, sizeof(*open));
	cps_auto(cps_free) struct cps_tree_layer *layers =
		calloc(o->count, sizeof(*layers));
	unsigned int n = 0;
	int rc = 0;

	if (o->count && (!open || !layers))
		return cps_err_nomem(o->err);
	for (; n < o->count && rc == 0; n++) {
		struct cps_image_layer *layer = &o->root->image->layers[o->first + n];

		rc = cps_opening_index(o, layer, &open[n]);
		if (rc < 0)
			cps_err_wrap(o->err, rc, "layer %u", o->first + n + 1);
		layers[n].index = open[n].index;
		layers[n].diff_id = layer->diff_id;
	}
	if (rc == 0)
		rc = build(o, layers, key);
	while (n-- > 0)
		cps_open_index_close(&open[n]);
	return rc;
}

static int build_merged(struct cps_opening *o, const struct cps_tree_layer *layers,
			const struct cps_digest *key)
{
	return cps_tree_merge(layers, o->count, key, &o->root->mem, o->err);
}

static int build_single(struct cps_opening *o, const struct cps_tree_layer *layers,
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

static int build_frames(struct cps_opening *o, const struct cps_tree_layer *layers,
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

static void chain_key(const struct cps_opening *o, struct cps_digest *key)
{
	for (unsigned int i = 0; i < o->count; i++)
		cps_chain_id(i ? key : NULL, &o->root->image->layers[i].diff_id, key);
}

static int try_tree(struct cps_opening *o, const struct cps_digest *key)
{
	struct cps_root *root = o->root;
	int rc = cps_opening_map(o, CPS_TREE, key, &root->map);

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

static int open_merged(struct cps_opening *o)
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

static int open_unkept(struct cps_opening *o, build_fn build)
{
	int rc = with_indexes(o, build, NULL);

	return rc < 0 ? rc : use_tree(o, o->root->mem.data, o->root->mem.len, NULL);
}

/* What is in a folder today is not what will be in it tomorrow. */
static bool has_dir(const struct cps_image *image)
{
	for (size_t i = 0; i < image->layer_count; i++)
		if (image->layers[i].dir)
			return true;
	return false;
}

int cps_opening_tree(struct cps_opening *o, enum cps_root_view view)
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
