/* Names of images: tag, rmi. */
#include <errno.h>
#include <string.h>

#include "store/compose.h"
#include "store/tops.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/options.h"

static int cmd_tag(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_fd) int lock = -1;

	CPS_BEGIN(args);
	/* From the look at the image to its new name gc must not come between. */
	lock = cps_store_lock(app->store, false, &app->err);
	if (lock < 0 || cps_open_image(app, args.args[0], &image) < 0 ||
	    cps_image_tag(app->store, &image->manifest_digest, image->manifest.len,
			  image->media_type[0] ? image->media_type : CPS_MEDIA_MANIFEST,
			  args.args[1], NULL, &app->err) < 0)
		return CPS_EXIT_FAILED;
	return CPS_EXIT_OK;
}

const struct cps_command cps_cmd_tag = {
	.name = "tag",
	.run = cmd_tag,
	.min_args = 2,
	.max_args = 2,
	.args = "IMAGE NAME",
	.summary = "give an image another name",
};

/* ---- rmi ---- */

static size_t count_names(const struct cps_image_list *list,
			  const struct cps_digest *manifest)
{
	size_t pos = 0, count = 0;

	while (cps_next_name(list, manifest, &pos))
		count++;
	return count;
}

struct user {
	const struct cps_digest *manifest;
	char id[CPS_TOP_ID_LEN];
};

static int uses(void *ctx, const char *folder, const struct cps_top_info *info,
		const char *why)
{
	struct user *user = ctx;

	if (!info || !cps_digest_equal(&info->manifest, user->manifest))
		return 0;
	memcpy(user->id, info->id, sizeof(user->id));
	return 1;
}

/* Its last name goes, and a container stands on it? The image itself stays in the store
 * as long as that does. */
static int check_unused(struct cps_app *app, const char *text,
			const struct cps_image *image)
{
	struct user user = {.manifest = &image->manifest_digest};
	char id[CPS_HUMAN_MAX];
	int rc = cps_tops_each(app->store, uses, &user, &app->err);

	if (rc <= 0)
		return rc;
	return cps_err_set(&app->err, -EBUSY,
			   "conflict: unable to remove repository reference '%s' (must "
			   "force) - container %.12s is using its referenced image %s",
			   text, user.id, cps_id_text(&image->id, false, id));
}

static int remove_by_id(struct cps_app *app, const char *name, bool force)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct cps_image_list list = {0};
	char text[CPS_HUMAN_MAX];
	size_t count, pos = 0;
	int rc = cps_open_image(app, name, &image);

	if (rc == 0)
		rc = cps_image_list(app->store, &list, &app->err);
	if (rc < 0)
		return rc;
	count = count_names(&list, &image->manifest_digest);
	if (count > 1 && !force)
		rc = cps_err_set(
			&app->err, -EBUSY,
			"'%s': the image has %zu names; remove them, or use -f", name,
			count);
	else if (!force)
		rc = check_unused(app, name, image);
	if (rc == 0)
		rc = cps_image_forget(app->store, &image->manifest_digest, &app->err);
	while (rc == 0 && (name = cps_next_name(&list, &image->manifest_digest, &pos)))
		printf("Untagged: %s\n", name);
	if (rc == 0)
		printf("Deleted: %s\n", cps_id_text(&image->id, true, text));
	cps_image_list_release(&list);
	return rc;
}

/* The image that a name means, if its documents can be read; a name can be removed all
 * the same. */
static struct cps_image *image_of(struct cps_app *app, const char *name)
{
	struct cps_image *image = NULL;

	return cps_image_open(app->store, name, &image, NULL) < 0 ? NULL : image;
}

static bool is_last_name(struct cps_app *app, const struct cps_image *image)
{
	struct cps_image_list list;
	size_t count;

	if (cps_image_list(app->store, &list, NULL) < 0)
		return false;
	count = count_names(&list, &image->manifest_digest);
	cps_image_list_release(&list);
	return count == 1;
}

static int remove_name(struct cps_app *app, const char *name, bool force)
{
	cps_auto(cps_image_free) struct cps_image *image = image_of(app, name);
	cps_auto(cps_buf) struct cps_buf familiar = CPS_BUF_INIT(0);
	struct cps_image_list list;
	char text[CPS_HUMAN_MAX];
	int rc = 0;

	if (image && !force && is_last_name(app, image))
		rc = check_unused(app, name, image);
	if (rc == 0)
		rc = cps_image_untag(app->store, name, &app->err);
	if (rc < 0)
		return rc;
	printf("Untagged: %s\n", cps_familiar_name(name, &familiar));
	if (!image || cps_image_list(app->store, &list, NULL) < 0)
		return 0;
	if (count_names(&list, &image->manifest_digest) == 0)
		printf("Deleted: %s\n", cps_id_text(&image->id, true, text));
	cps_image_list_release(&list);
	return 0;
}

static int remove_one(struct cps_app *app, const char *text, bool force)
{
	struct cps_ref ref;
	int rc = -ENOENT;

	if (cps_ref_parse(text, &ref, NULL) == 0 && !ref.has_digest)
		rc = remove_name(app, text, force);
	return rc == -ENOENT ? remove_by_id(app, text, force) : rc;
}

static int cmd_rmi(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv)
{
	int status = CPS_EXIT_OK;

	CPS_BEGIN(args);
	for (int i = 0; i < args.count; i++)
		if (remove_one(app, args.args[i], CPS_HAS("force")) < 0)
			status = cps_item_failed(app, cmd);
	return status;
}

const struct cps_command cps_cmd_rmi = {
	.name = "rmi",
	.run = cmd_rmi,
	.min_args = 1,
	.max_args = ANY,
	.args = "IMAGE...",
	.summary = "remove names; the last takes the image",
	.options =
		{
			SWITCH("force", 'f',
			       "also with several names, or used by containers"),
		},
};
