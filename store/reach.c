#include "store/reach.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 4 /* indexes inside indexes */

struct collector {
	struct cps_store *store;
	struct cps_reach *reach;
	uint32_t image;
};

static int document(struct collector *c, const struct cps_digest *digest, bool optional,
		    unsigned int depth);

/* Index of the item, made when it is new (*fresh), or -ENOMEM. Lists are short while
 * they grow (tens of blobs an image), so a walk finds what is known. */
static ssize_t note(struct collector *c, const struct cps_digest *digest,
		    enum cps_reach_kind kind, bool optional, bool *fresh)
{
	struct cps_reach *r = c->reach;

	*fresh = false;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].kind == kind &&
		    cps_digest_equal(&r->items[i].digest, digest)) {
			r->items[i].optional &= optional;
			return (ssize_t)i;
		}
	if (cps_grow(&r->items, &r->cap, r->count + 1, sizeof(*r->items)) < 0)
		return -ENOMEM;
	r->items[r->count] = (struct cps_reach_item){.digest = *digest,
						     .kind = kind,
						     .image = c->image,
						     .optional = optional};
	if (kind < CPS_REACH_DIFF)
		r->items[r->count].missing = !cps_blob_exists(c->store, digest);
	*fresh = true;
	return (ssize_t)r->count++;
}

static int note_descriptor(struct collector *c, json_t *desc, enum cps_reach_kind kind)
{
	const char *text = json_string_value(json_object_get(desc, "digest"));
	struct cps_digest digest;
	bool fresh;

	/* What is no digest of ours names no blob of ours. */
	if (!text || cps_digest_parse(text, &digest, NULL) < 0)
		return 0;
	return note(c, &digest, kind, false, &fresh) < 0 ? -ENOMEM : 0;
}

static json_t *load_json(struct collector *c, size_t item, size_t limit)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(limit);
	struct cps_reach_item *it = &c->reach->items[item];
	struct cps_err err = CPS_ERR_INIT;
	json_error_t jerr;
	json_t *doc = NULL;
	int rc;

	if (it->missing)
		return NULL;
	rc = cps_blob_open(c->store, &it->digest, &blob, &err);
	if (rc == 0)
		rc = cps_blob_read(&blob, &it->digest, &text, &err);
	if (rc == 0) {
		doc = json_loadb(cps_buf_cstr(&text), text.len, JSON_REJECT_DUPLICATES,
				 &jerr);
		if (!json_is_object(doc))
			cps_err_set(&err, -EBADMSG, "no JSON object: %s", jerr.text);
	}
	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	it->unreadable = true;
	it->why = strdup(err.msg);
	return NULL;
}

static int config(struct collector *c, const struct cps_digest *digest)
{
	bool fresh;
	ssize_t at = note(c, digest, CPS_REACH_CONFIG, false, &fresh);
	json_t *doc, *id;
	struct cps_digest diff, chain;
	size_t i;
	int rc = at < 0 ? (int)at : 0;

	if (rc < 0 || !fresh)
		return rc;
	doc = load_json(c, (size_t)at, CPS_CONFIG_MAX);
	json_array_foreach(json_object_get(json_object_get(doc, "rootfs"), "diff_ids"),
			   i, id)
	{
		const char *text = json_string_value(id);

		if (!text || cps_digest_parse(text, &diff, NULL) < 0)
			break;
		cps_chain_id(i ? &chain : NULL, &diff, &chain);
		if (note(c, &diff, CPS_REACH_DIFF, false, &fresh) < 0 ||
		    note(c, &chain, CPS_REACH_CHAIN, false, &fresh) < 0)
			rc = -ENOMEM;
	}
	json_decref(doc);
	return rc;
}

static int manifest_parts(struct collector *c, json_t *doc)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(doc, "config"), "digest"));
	struct cps_digest digest;
	json_t *part;
	size_t i;
	int rc = 0;

	if (text && cps_digest_parse(text, &digest, NULL) == 0)
		rc = config(c, &digest);
	json_array_foreach(json_object_get(doc, "layers"), i, part)
	{
		if (rc == 0)
			rc = note_descriptor(c, part, CPS_REACH_LAYER);
	}
	json_array_foreach(json_object_get(doc, "blobs"), i, part)
	{
		if (rc == 0)
			rc = note_descriptor(c, part, CPS_REACH_OTHER);
	}
	return rc;
}

static int children(struct collector *c, json_t *doc, unsigned int depth)
{
	struct cps_digest digest;
	json_t *child;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(doc, "manifests"), i, child)
	{
		const char *text = json_string_value(json_object_get(child, "digest"));

		if (rc == 0 && text && cps_digest_parse(text, &digest, NULL) == 0)
			rc = document(c, &digest, true, depth + 1);
	}
	return rc;
}

static int document(struct collector *c, const struct cps_digest *digest, bool optional,
		    unsigned int depth)
{
	bool fresh;
	ssize_t at = note(c, digest, CPS_REACH_DOCUMENT, optional, &fresh);
	json_t *doc;
	int rc;

	if (at < 0)
		return (int)at;
	if (!fresh || depth > DEPTH_MAX)
		return 0;
	doc = load_json(c, (size_t)at, CPS_MANIFEST_MAX);
	rc = manifest_parts(c, doc);
	if (rc == 0)
		rc = children(c, doc, depth);
	json_decref(doc);
	return rc;
}

static int by_digest(const void *a, const void *b)
{
	const struct cps_reach_item *x = a, *y = b;

	return memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

static int note_top(void *ctx, const char *folder, const struct cps_top_info *info,
		    const char *why)
{
	struct cps_reach *reach = ctx;
	struct cps_digest id;

	if (info)
		return cps_top_list_add(&reach->tops, info);
	if (reach->damaged_top || cps_digest_parse_hex(folder, &id) < 0)
		return 0;
	return asprintf(&reach->damaged_top, "tops/%s: %s", folder, why) < 0 ? -ENOMEM
									     : 0;
}

/* The image under a top is needed whatever became of its names. */
static int tops(struct collector *c, struct cps_err *err)
{
	struct cps_reach *r = c->reach;
	int rc = cps_tops_each(c->store, note_top, r, err);

	for (size_t i = 0; rc == 0 && i < r->tops.count; i++) {
		c->image = (uint32_t)(r->images.count + i);
		rc = document(c, &r->tops.tops[i].manifest, false, 0);
	}
	return rc == -ENOMEM ? cps_err_nomem(err) : rc;
}

int cps_reach_collect(struct cps_store *store, struct cps_reach *out,
		      struct cps_err *err)
{
	cps_auto(cps_reach) struct cps_reach reach = {0};
	struct collector c = {.store = store, .reach = &reach};
	int rc = cps_image_list(store, &reach.images, err);

	for (size_t i = 0; rc == 0 && i < reach.images.count; i++) {
		c.image = (uint32_t)i;
		rc = document(&c, &reach.images.entries[i].digest, false, 0);
		if (rc < 0)
			return cps_err_nomem(err);
	}
	if (rc == 0)
		rc = tops(&c, err);
	if (rc < 0)
		return rc;
	if (reach.count)
		qsort(reach.items, reach.count, sizeof(*reach.items), by_digest);
	*out = reach;
	reach = (struct cps_reach){0};
	return 0;
}

const struct cps_reach_item *cps_reach_find(const struct cps_reach *reach,
					    const struct cps_digest *digest)
{
	const struct cps_reach_item key = {.digest = *digest};

	return reach->count ? bsearch(&key, reach->items, reach->count,
				      sizeof(*reach->items), by_digest)
			    : NULL;
}

const char *cps_reach_image(const struct cps_reach *reach,
			    const struct cps_reach_item *item)
{
	const struct cps_image_entry *e = &reach->images.entries[item->image];

	if (item->image >= reach->images.count)
		return reach->tops.tops[item->image - reach->images.count].image;
	return e->name ? e->name : "<untagged>";
}

void cps_reach_release(struct cps_reach *reach)
{
	for (size_t i = 0; i < reach->count; i++)
		free(reach->items[i].why);
	free(reach->items);
	free(reach->damaged_top);
	cps_top_list_release(&reach->tops);
	cps_image_list_release(&reach->images);
	*reach = (struct cps_reach){0};
}
