#include "tools/place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/progress.h"

#define LAYER_NUMBER_MAX 100000u

/* ---- taking apart ---- */

static const char *after_scheme(const char *text)
{
	static const char *const schemes[] = {
		"oci:", "oci-archive:", "docker-archive:", "tar:", "dir:"};

	for (size_t i = 0; i < CPS_ARRAY_LEN(schemes); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return text + strlen(schemes[i]);
	return NULL;
}

/* Are `len` bytes of `text` a file, or a file and a tag? */
static bool names_file(const char *text, size_t len)
{
	cps_auto(cps_free) char *path = strndup(text, len);
	struct stat st;

	if (!path)
		return false;
	if (stat(path, &st) == 0)
		return true;
	for (char *colon = strrchr(path, ':'); colon; colon = strrchr(path, ':')) {
		*colon = '\0';
		if (stat(path, &st) == 0)
			return true;
	}
	return false;
}

static const char *find_cut(const char *text)
{
	const char *file = after_scheme(text), *cut;

	if (!file)
		return strstr(text, ":/");
	for (cut = strstr(file, ":/"); cut; cut = strstr(cut + 1, ":/"))
		if (names_file(file, (size_t)(cut - file)))
			return cut;
	return strstr(file, ":/");
}

int cps_place_parse(const char *text, struct cps_place *out)
{
	const char *cut = find_cut(text);

	*out = (struct cps_place){
		.source = cut ? strndup(text, (size_t)(cut - text)) : strdup(text),
		.path = cut ? cut + 1 : "/",
		.has_path = cut != NULL,
	};
	return out->source ? 0 : -ENOMEM;
}

void cps_place_release(struct cps_place *place)
{
	cps_root_close(place->root);
	free(place->source);
	*place = (struct cps_place){0};
}

/* ---- opening ---- */

int cps_layer_number(const char *text, unsigned int *out)
{
	unsigned long v;
	char *end;

	*out = 0;
	if (!text)
		return 0;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || v == 0 || v > LAYER_NUMBER_MAX)
		return -EINVAL;
	*out = (unsigned int)v;
	return 0;
}

int cps_platform_option(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_platform *room, const struct cps_platform **out)
{
	const char *text = cps_args_get(cmd, args, "platform");
	struct cps_err err = CPS_ERR_INIT;

	*out = text ? room : NULL;
	if (text && cps_platform_parse(text, room, &err) < 0)
		return cps_usage(cmd, "--platform: %s", err.msg);
	return 0;
}

static int root_options(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_root_opts *out)
{
	unsigned int layer, upto;

	if (cps_layer_number(cps_args_get(cmd, args, "layer"), &layer) < 0 ||
	    cps_layer_number(cps_args_get(cmd, args, "upto"), &upto) < 0)
		return cps_usage(cmd, "layers are counted from 1");
	if (layer && upto)
		return cps_usage(cmd, "only one of --layer and --upto");
	out->view = layer ? CPS_VIEW_LAYER : CPS_VIEW_MERGED;
	out->layer = layer ? layer : upto;
	return 0;
}

int cps_place_open(struct cps_app *app, const struct cps_command *cmd,
		   const struct cps_args *args, struct cps_place *place)
{
	const struct cps_platform *platform;
	struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	struct cps_platform room;
	struct cps_meter meter;
	int rc = root_options(cmd, args, &opts);

	if (rc == 0)
		rc = cps_platform_option(cmd, args, &room, &platform);
	if (rc)
		return rc;
	if (!app->store)
		rc = cps_store_open(app->root, &app->store, &app->err);
	opts.progress = cps_meter_begin(&meter, app, cmd->name, false);
	if (rc == 0)
		rc = cps_source_open(app->store, place->source, platform, &image,
				     &app->err);
	if (rc == 0)
		rc = cps_root_open(app->store, image, &opts, &place->root, &app->err);
	cps_meter_end(&meter);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", place->source) : 0;
}

int cps_place_walk(struct cps_app *app, const struct cps_place *place, bool nofollow,
		   uint32_t *ino)
{
	int rc = cps_root_walk(place->root, place->path, nofollow, ino);

	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", place->path) : 0;
}
