/* What a user means by IMAGE. */
#include <errno.h>
#include <string.h>

#include "store/image_internal.h"
#include "store/json.h"

#define ID_PREFIX_MIN 4

static bool hex_prefix(const char *text, const char **hex)
{
	*hex = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
	return strlen(*hex) >= ID_PREFIX_MIN && strlen(*hex) < CPS_DIGEST_HEX_LEN &&
	       strspn(*hex, "0123456789abcdef") == strlen(*hex);
}

static int config_digest(struct cps_store *store, const struct cps_image_entry *e,
			 struct cps_digest *out)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	cps_auto(cps_json) json_t *doc = NULL;
	uint64_t size;

	if (cps_blob_open(store, &e->digest, &blob, NULL) < 0 ||
	    cps_blob_read(&blob, NULL, &text, NULL) < 0)
		return -ENOENT;
	doc = cps_json_object(text.data, text.len, "the manifest", NULL);
	return doc ? cps_descriptor_parse(json_object_get(doc, "config"), out, &size,
					  NULL)
		   : -ENOENT;
}

static bool digest_starts(const struct cps_digest *d, const char *hex)
{
	char text[CPS_DIGEST_HEX_LEN];

	return strncmp(cps_digest_hex(d, text), hex, strlen(hex)) == 0;
}

static int find_by_id(struct cps_store *store, const struct cps_image_list *list,
		      const char *name, const char *hex, struct cps_digest *out,
		      struct cps_err *err)
{
	const struct cps_digest *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct cps_image_entry *e = &list->entries[i];
		struct cps_digest id;

		if (!digest_starts(&e->digest, hex) &&
		    (config_digest(store, e, &id) < 0 || !digest_starts(&id, hex)))
			continue;
		if (found && !cps_digest_equal(found, &e->digest))
			return cps_err_set(err, -EEXIST,
					   "'%s' is the start of several image IDs",
					   name);
		found = &e->digest;
	}
	if (!found)
		return -ENOENT;
	*out = *found;
	return 0;
}

static int find_by_name(const struct cps_image_list *list, const char *name,
			struct cps_digest *out)
{
	struct cps_ref ref, other;

	if (cps_ref_parse(name, &ref, NULL) < 0)
		return -ENOENT;
	for (size_t i = 0; i < list->count; i++) {
		const struct cps_image_entry *e = &list->entries[i];

		if (!e->name || cps_ref_parse(e->name, &other, NULL) < 0)
			continue;
		/* With a digest the repository and the digest decide; a tag is talk. */
		if (ref.has_digest ? strcmp(ref.domain, other.domain) == 0 &&
					     strcmp(ref.path, other.path) == 0 &&
					     cps_digest_equal(&ref.digest, &e->digest)
				   : cps_ref_same_name(&ref, &other)) {
			*out = e->digest;
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- a name that is nearly right ---- */

static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b),
	       row[CPS_REF_NAME_MAX + CPS_REF_TAG_MAX + 2];

	if (lb >= CPS_ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

static int no_such_image(const struct cps_image_list *list, const char *name,
			 struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf wanted = CPS_BUF_INIT(0);
	const char *best = NULL;
	size_t least = 4;
	struct cps_ref ref;

	if (cps_ref_parse(name, &ref, NULL) < 0 || cps_ref_familiar(&ref, &wanted) < 0)
		cps_buf_str(&wanted, name);
	for (size_t i = 0; i < list->count && wanted.len < 512; i++) {
		size_t d = list->entries[i].name ? distance(cps_buf_cstr(&wanted),
							    list->entries[i].name)
						 : SIZE_MAX;

		if (d < least) {
			least = d;
			best = list->entries[i].name;
		}
	}
	if (best)
		return cps_err_set(err, -ENOENT, "no such image (did you mean '%s'?)",
				   best);
	return cps_err_set(err, -ENOENT, "no such image");
}

int cps_image_open(struct cps_store *store, const char *name, struct cps_image **out,
		   struct cps_err *err)
{
	const struct cps_blob_source source = {cps_store_blob_open, store};
	struct cps_image_list list;
	struct cps_digest digest;
	const char *hex;
	int rc = cps_image_list(store, &list, err);

	if (rc < 0)
		return rc;
	rc = find_by_name(&list, name, &digest);
	if (rc == -ENOENT && hex_prefix(name, &hex))
		rc = find_by_id(store, &list, name, hex, &digest, err);
	if (rc == -ENOENT)
		rc = no_such_image(&list, name, err);
	cps_image_list_release(&list);
	return rc < 0 ? rc : cps_image_resolve(&source, &digest, out, err);
}
