#include "tools/mount_source.h"

#include <errno.h>
#include <string.h>

#include "tools/container.h"

static int make_top(struct cps_store *store, const struct cps_mount_what *what,
		    struct cps_top_info *info, struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	int rc = cps_image_open(store, what->source, &image, err);

	return rc < 0 ? rc
		      : cps_tops_create(store, what->top, what->source, image, info,
					err);
}

/* The image may have got another name, or lost its own; what it is counts. */
static int check_image(struct cps_store *store, const struct cps_mount_what *what,
		       const struct cps_top_info *info, struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	int rc;

	if (strcmp(what->source, info->name) == 0 ||
	    strcmp(what->source, info->id) == 0)
		return 0;
	rc = cps_image_open(store, what->source, &image, err);
	if (rc == -ENOENT && strcmp(what->source, info->image) == 0)
		return 0;
	if (rc < 0)
		return rc;
	if (cps_digest_equal(&image->manifest_digest, &info->manifest))
		return 0;
	return cps_err_set(err, -ESTALE,
			   "the top '%s' stands on another image (it was '%s' when the "
			   "top was made); mount it with that, or name another top",
			   info->name, info->image);
}

static int find_top(struct cps_store *store, const struct cps_mount_what *what,
		    struct cps_top_info *info, bool *made, struct cps_err *err)
{
	int rc = what->top ? cps_tops_find(store, what->top, info, err) : -ENOENT;

	*made = rc == -ENOENT && what->rw;
	if (*made)
		return make_top(store, what, info, err);
	return rc < 0 ? rc : check_image(store, what, info, err);
}

int cps_mount_source(struct cps_store *store, const struct cps_mount_what *what,
		     struct cps_opened *out, char id[CPS_TOP_ID_LEN],
		     struct cps_err *err)
{
	const struct cps_top_opts opts = {
		.read_only = !what->rw,
		.mark = what->mark,
		.is_volatile = what->is_volatile,
	};
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	struct cps_image *image = NULL;
	bool made;
	int rc;

	id[0] = '\0';
	if (!what->rw && !what->top) {
		rc = cps_source_open(store, what->source, what->platform, &image, err);
		return rc < 0 ? rc : cps_open_bare(store, image, &what->root, out, err);
	}
	rc = find_top(store, what, &info, &made, err);
	if (rc < 0)
		return rc;
	if (made && !what->top)
		memcpy(id, info.id, CPS_TOP_ID_LEN);
	if (what->rw || what->mark)
		return cps_open_top(store, &info, &what->root, &opts, out, err);
	rc = cps_container_look(store, &info, &what->root, out, err);
	if (rc == 0)
		cps_top_let_write(out->top);
	return rc;
}
