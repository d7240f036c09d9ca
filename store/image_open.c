/* What a user means by IMAGE. */
#include <errno.h>
#include <string.h>

#include "store/base/distance.h"
#include "store/image_internal.h"
#include "store/json.h"

#define ID_PREFIX_MIN 4

static bool hex_prefix(const char *text, const char **hex)
{
	*hex = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
	return strlen(*hex) >= ID_PREFIX_MIN && strlen(*hex) < CPS_DIGEST_HEX_LEN &&
	       strspn(*hex, "0123456789abcdef") == strlen(*hex);
}

static bool digest_starts(const struct cps_digest *d, const char *hex)
{
	char text[CPS_DIGEST_HEX_LEN];

	return strncmp(cps_digest_hex(d, text), hex, strlen(hex)) == 0;
}

static int find_by_id(const struct cps_blob_source *source,
		      const struct cps_image_list *list, const char *name,
		      const char *hex, const struct cps_image_entry **out,
		      struct cps_err *err)
{
	const struct cps_image_entry *found = NULL;
	struct cps_digest found_id, id;

	for (size_t i = 0; i < list->count; i++) {
		const struct cps_image_entry *e = &list->entries[i];

		/* Without its documents an image still has the manifest's digest. */
		if (cps_image_resolve_id(source, &e->digest, e->size, &id, NULL) < 0)
			id = e->digest;
		if (!digest_starts(&e->digest, hex) && !digest_starts(&id, hex))
			continue;
		if (found && !cps_digest_equal(&found_id, &id))
			return cps_err_set(err, -EEXIST,
					   "'%s' is the start of several image IDs",
					   name);
		if (!found) {
			found = e;
			found_id = id;
		}
	}
	*out = found;
	return found ? 0 : -ENOENT;
}

/* With a digest the repository and the digest decide; a tag is talk. */
static bool is_meant(const struct cps_ref *ref, const struct cps_ref *other,
		     const struct cps_image_entry *e)
{
	if (!ref->has_digest)
		return cps_ref_same_name(ref, other);
	return strcmp(ref->domain, other->domain) == 0 &&
	       strcmp(ref->path, other->path) == 0 &&
	       cps_digest_equal(&ref->digest, &e->digest);
}

static int find_by_name(const struct cps_image_list *list, const char *name,
			const struct cps_image_entry **out, struct cps_err *err)
{
	struct cps_ref ref, other;
	int rc = cps_ref_parse(name, &ref, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < list->count; i++) {
		const struct cps_image_entry *e = &list->entries[i];

		if (!e->name || cps_ref_parse(e->name, &other, NULL) < 0 ||
		    !is_meant(&ref, &other, e))
			continue;
		*out = e;
		return 0;
	}
	return -ENOENT;
}

/* ---- a name that is nearly right ---- */

static int no_such_image(const struct cps_image_list *list, const char *name,
			 struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf wanted = CPS_BUF_INIT(0);
	const char *best = NULL;
	size_t least = 4;
	struct cps_ref ref;

	if (cps_ref_parse(name, &ref, NULL) < 0 || cps_ref_familiar(&ref, &wanted) < 0)
		cps_buf_str(&wanted, name);
	for (size_t i = 0; i < list->count; i++) {
		size_t d = list->entries[i].name ? cps_distance(cps_buf_cstr(&wanted),
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
	const struct cps_image_entry *entry = NULL;
	struct cps_image_list list;
	const char *hex;
	int rc = cps_image_list(store, &list, err);

	if (rc < 0)
		return rc;
	rc = find_by_name(&list, name, &entry, err);
	if (rc < 0 && hex_prefix(name, &hex))
		rc = find_by_id(&source, &list, name, hex, &entry, err);
	if (rc == -ENOENT)
		rc = no_such_image(&list, name, err);
	if (rc == 0)
		rc = cps_image_resolve(&source, &entry->digest, entry->size, NULL, out,
				       err);
	cps_image_list_release(&list);
	return rc;
}
