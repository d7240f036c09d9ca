#include "tools/images.h"

int cps_open_image(struct cps_app *app, const char *name, struct cps_image **out)
{
	int rc = cps_image_open(app->store, name, out, &app->err);

	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", name) : 0;
}

uint64_t cps_image_bytes(const struct cps_image *image)
{
	uint64_t total = image->config.len + image->manifest.len;

	for (size_t i = 0; i < image->layer_count; i++)
		total += image->layers[i].blob.size;
	return total;
}

const char *cps_next_name(const struct cps_image_list *list,
			  const struct cps_digest *manifest, size_t *pos)
{
	while (*pos < list->count) {
		const struct cps_image_entry *e = &list->entries[(*pos)++];

		if (e->name && cps_digest_equal(&e->digest, manifest))
			return e->name;
	}
	return NULL;
}

const char *cps_familiar_name(const char *text, struct cps_buf *out)
{
	struct cps_ref ref;

	if (cps_ref_parse(text, &ref, NULL) < 0 || cps_ref_familiar(&ref, out) < 0)
		return text;
	return cps_buf_cstr(out);
}
