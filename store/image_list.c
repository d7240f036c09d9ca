/* index.json: which manifests there are, and their names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/image_internal.h"
#include "store/json.h"

#define REF_NAME  "org.opencontainers.image.ref.name"
#define FULL_NAME "io.containerd.image.name"

static int read_index(const struct cps_store *store, struct cps_buf *out,
		      struct cps_err *err)
{
	cps_auto(cps_fd) int fd =
		cps_open_regular(cps_store_root_fd(store), "index.json");
	int rc = fd < 0 ? fd : cps_read_all(fd, out);

	return rc < 0 ? cps_err_sys(err, rc, "read index.json") : 0;
}

/* The familiar form of an entry's name, or NULL when it has none that is a name. */
static char *entry_name(const json_t *desc)
{
	const char *text =
		cps_json_text(json_object_get(desc, "annotations"), REF_NAME);
	struct cps_buf name = CPS_BUF_INIT(0);
	struct cps_ref ref;

	if (!text[0] || cps_ref_parse(text, &ref, NULL) < 0 ||
	    cps_ref_familiar(&ref, &name) < 0)
		return NULL;
	return (char *)cps_buf_steal(&name, NULL);
}

int cps_image_list_parse(const struct cps_buf *text, struct cps_image_list *out,
			 struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc =
		cps_json_object(text->data, text->len, "index.json", err);
	json_t *list, *desc;
	size_t i;
	int rc;

	*out = (struct cps_image_list){0};
	if (!doc)
		return -EBADMSG;
	list = cps_json_get(doc, "manifests", JSON_ARRAY, &rc, err);
	if (rc < 0)
		return rc;
	out->entries = calloc(json_array_size(list) + 1, sizeof(*out->entries));
	if (!out->entries)
		return cps_err_nomem(err);
	json_array_foreach(list, i, desc)
	{
		struct cps_image_entry *e = &out->entries[out->count];

		/* Entries in algorithms that we cannot verify are not ours to use. */
		if (cps_descriptor_parse(desc, &e->digest, &e->size, NULL) < 0)
			continue;
		e->name = entry_name(desc);
		e->media_type = strdup(cps_json_text(desc, "mediaType"));
		out->count++;
		if (!e->media_type)
			return cps_err_nomem(err);
	}
	return 0;
}

int cps_image_list(struct cps_store *store, struct cps_image_list *out,
		   struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_INDEX_MAX);
	int rc;

	*out = (struct cps_image_list){0};
	rc = read_index(store, &text, err);
	if (rc == 0)
		rc = cps_image_list_parse(&text, out, err);
	if (rc < 0)
		cps_image_list_release(out);
	return rc < 0 ? cps_err_wrap(err, rc, "store '%s'", cps_store_path(store)) : 0;
}

void cps_image_list_release(struct cps_image_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->entries[i].name);
		free(list->entries[i].media_type);
	}
	free(list->entries);
	*list = (struct cps_image_list){0};
}

/* ---- changes ---- */

/** What to do to the entries; returns 1 when something changed, 0, or -errno. */
typedef int (*edit_fn)(json_t *list, void *ctx, struct cps_err *err);

static int write_index(struct cps_store *store, const json_t *doc, struct cps_err *err)
{
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	cps_auto(cps_free) char *text = json_dumps(doc, JSON_COMPACT);
	int rc = text ? cps_tmp_open(store, &tmp, err) : cps_err_nomem(err);

	if (rc < 0)
		return rc;
	rc = cps_write_full(tmp.fd, text, strlen(text));
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': write index.json",
				   cps_store_path(store));
	return cps_tmp_publish(&tmp, cps_store_root_fd(store), "index.json", true, err);
}

static int edit_index(struct cps_store *store, edit_fn edit, void *ctx,
		      struct cps_err *err)
{
	cps_auto(cps_fd) int lock = cps_store_lock_index(store, err);
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_INDEX_MAX);
	cps_auto(cps_json) json_t *doc = NULL;
	json_t *list;
	int rc;

	if (lock < 0)
		return lock;
	rc = read_index(store, &text, err);
	if (rc == 0) {
		doc = cps_json_object(text.data, text.len, "index.json", err);
		rc = doc ? 0 : -EBADMSG;
	}
	if (rc < 0)
		return cps_err_wrap(err, rc, "store '%s'", cps_store_path(store));
	list = cps_json_get(doc, "manifests", JSON_ARRAY, &rc, err);
	if (rc == 0 && !list) {
		list = json_array();
		json_object_set_new(doc, "manifests", list);
	}
	rc = rc < 0 ? rc : edit(list, ctx, err);
	return rc == 1 ? write_index(store, doc, err) : rc;
}

static bool is_manifest(const json_t *desc, const char *digest)
{
	return strcmp(cps_json_text(desc, "digest"), digest) == 0;
}

static bool is_named(const json_t *desc, const struct cps_ref *ref)
{
	cps_auto(cps_free) char *name = entry_name(desc);
	struct cps_ref other;

	return name && cps_ref_parse(name, &other, NULL) == 0 &&
	       cps_ref_same_name(&other, ref);
}

static bool has_name(const json_t *desc)
{
	return cps_json_text(json_object_get(desc, "annotations"), REF_NAME)[0] != '\0';
}

struct tag {
	char digest[CPS_DIGEST_TEXT_LEN];
	uint64_t size;
	const char *media_type;
	bool named;
	struct cps_ref ref;
	const char *familiar;
	bool displaced;
};

static void drop_name(json_t *desc)
{
	json_t *annotations = json_object_get(desc, "annotations");

	json_object_del(annotations, REF_NAME);
	json_object_del(annotations, FULL_NAME);
	if (json_object_size(annotations) == 0)
		json_object_del(desc, "annotations");
}

static int set_name(json_t *desc, const char *familiar)
{
	json_t *annotations = json_object_get(desc, "annotations");

	if (!json_is_object(annotations)) {
		annotations = json_object();
		if (json_object_set_new(desc, "annotations", annotations) < 0)
			return -ENOMEM;
	}
	return json_object_set_new(annotations, REF_NAME, json_string(familiar)) < 0
		       ? -ENOMEM
		       : 0;
}

static bool has_sibling(json_t *list, const json_t *desc)
{
	const char *digest = cps_json_text(desc, "digest");
	json_t *other;
	size_t i;

	json_array_foreach(list, i, other)
	{
		if (other != desc && is_manifest(other, digest))
			return true;
	}
	return false;
}

/* Take the name from other images; one that loses its last name stays, untagged. */
static void take_name(json_t *list, struct tag *t)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *desc = json_array_get(list, i);

		if (is_manifest(desc, t->digest) || !is_named(desc, &t->ref))
			continue;
		t->displaced = true;
		if (has_sibling(list, desc))
			json_array_remove(list, i);
		else
			drop_name(desc);
	}
}

static json_t *add_entry(json_t *list, const struct tag *t)
{
	json_t *desc = json_pack("{s:s*, s:s, s:I}", "mediaType", t->media_type,
				 "digest", t->digest, "size", (json_int_t)t->size);

	return json_array_append_new(list, desc) < 0 ? NULL : desc;
}

static int edit_tag(json_t *list, void *ctx, struct cps_err *err)
{
	json_t *desc, *entry = NULL;
	struct tag *t = ctx;
	size_t i;

	if (t->named)
		take_name(list, t);
	json_array_foreach(list, i, desc)
	{
		if (!is_manifest(desc, t->digest))
			continue;
		if (!t->named || is_named(desc, &t->ref))
			return t->displaced;
		if (!has_name(desc))
			entry = desc;
	}
	if (!entry)
		entry = add_entry(list, t);
	if (!entry || (t->named && set_name(entry, t->familiar) < 0))
		return cps_err_nomem(err);
	return 1;
}

int cps_image_tag(struct cps_store *store, const struct cps_digest *manifest,
		  uint64_t size, const char *media_type, const char *name,
		  bool *displaced, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf familiar = CPS_BUF_INIT(0);
	struct tag t = {.size = size, .media_type = media_type, .named = name != NULL};
	int rc = 0;

	cps_digest_text(manifest, t.digest);
	if (name)
		rc = cps_ref_parse_new(name, &t.ref, err);
	if (rc == 0 && name)
		rc = cps_ref_familiar(&t.ref, &familiar);
	t.familiar = cps_buf_cstr(&familiar);
	if (rc == 0)
		rc = edit_index(store, edit_tag, &t, err);
	if (displaced)
		*displaced = t.displaced;
	return rc;
}

static int edit_untag(json_t *list, void *ctx, struct cps_err *err)
{
	const struct cps_ref *ref = ctx;
	int changed = 0;

	for (size_t i = json_array_size(list); i-- > 0;)
		if (is_named(json_array_get(list, i), ref)) {
			json_array_remove(list, i);
			changed = 1;
		}
	return changed ? 1 : -ENOENT;
}

int cps_image_untag(struct cps_store *store, const char *name, struct cps_err *err)
{
	struct cps_ref ref;
	int rc = cps_ref_parse(name, &ref, err);

	if (rc == 0)
		rc = edit_index(store, edit_untag, &ref, err);
	if (rc == -ENOENT)
		cps_err_set(err, rc, "no such image: '%s'", name);
	return rc;
}

static int edit_forget(json_t *list, void *ctx, struct cps_err *err)
{
	int changed = 0;

	for (size_t i = json_array_size(list); i-- > 0;)
		if (is_manifest(json_array_get(list, i), ctx)) {
			json_array_remove(list, i);
			changed = 1;
		}
	return changed;
}

int cps_image_forget(struct cps_store *store, const struct cps_digest *manifest,
		     struct cps_err *err)
{
	char digest[CPS_DIGEST_TEXT_LEN];

	return edit_index(store, edit_forget,
			  (void *)(uintptr_t)cps_digest_text(manifest, digest), err);
}
