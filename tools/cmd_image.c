#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/path.h"
#include "store/compose.h"
#include "store/tops.h"
#include "store/transfer.h"
#include "tools/command.h"

#define PARSE(args)                                                                    \
	struct cps_args args;                                                          \
	int rc = cps_args_parse(cmd, argc, argv, &args);                               \
	if (rc)                                                                        \
		return rc < 0 ? CPS_EXIT_OK : rc;                                      \
	rc = cps_store_open(app->root, &app->store, &app->err);                        \
	if (rc < 0)                                                                    \
	return CPS_EXIT_FAILED

#define HAS(option) (cps_args_get(cmd, &args, option) != NULL)

/* ---- showing ---- */

static const char *size_text(uint64_t bytes, char out[16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1000 && u + 1 < CPS_ARRAY_LEN(units)) {
		v /= 1000;
		u++;
	}
	snprintf(out, 16, "%.3g%s", v, units[u]);
	return out;
}

static const char *id_text(const struct cps_digest *d, bool whole, char out[72])
{
	cps_digest_text(d, out);
	if (!whole)
		memmove(out, out + 7, 12), out[12] = '\0';
	return out;
}

static void print_escaped(const char *text, size_t limit)
{
	struct cps_buf out = CPS_BUF_INIT(0);

	cps_escape(&out, text, strlen(text));
	if (limit && out.len > limit)
		printf("%.*s…", (int)limit - 1, cps_buf_cstr(&out));
	else
		fputs(cps_buf_cstr(&out), stdout);
	cps_buf_release(&out);
}

static uint64_t image_bytes(const struct cps_image *image)
{
	uint64_t total = image->config.len + image->manifest.len;

	for (size_t i = 0; i < image->layer_count; i++)
		total += image->layers[i].blob.size;
	return total;
}

static const char *day(const char *created)
{
	static char out[20];

	snprintf(out, sizeof(out), "%.10s %.8s", created,
		 strlen(created) > 18 ? created + 11 : "");
	return created[0] ? out : "-";
}

static void print_image(struct cps_app *app, const struct cps_image_entry *e,
			bool digests, bool whole, bool quiet)
{
	const struct cps_digest *d = &e->digest;
	char name[CPS_DIGEST_TEXT_LEN], id[72], size[16];
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct cps_buf repo = CPS_BUF_INIT(0);
	struct cps_ref ref = {0};
	struct cps_err err = CPS_ERR_INIT;

	if (cps_image_open(app->store, cps_digest_text(d, name), &image, &err) < 0) {
		cps_err_wrap(&err, 0, "image '%s'", e->name ? e->name : name);
		cps_complain(err.msg);
		return;
	}
	if (quiet) {
		puts(id_text(&image->id, whole, id));
		return;
	}
	if (e->name && cps_ref_parse(e->name, &ref, NULL) == 0)
		cps_ref_repository(&ref, &repo);
	printf("%-28s %-14s ", e->name ? cps_buf_cstr(&repo) : "<none>",
	       e->name ? ref.tag : "<none>");
	if (digests)
		printf("%s ", cps_digest_text(d, name));
	printf("%-12s %-20s %s\n", id_text(&image->id, whole, id), day(image->created),
	       size_text(image_bytes(image), size));
	cps_buf_release(&repo);
}

static bool matches(const struct cps_image_entry *e, const char *name)
{
	struct cps_ref want, have;

	if (!name)
		return true;
	if (!e->name || cps_ref_parse(e->name, &have, NULL) < 0 ||
	    cps_ref_parse(name, &want, NULL) < 0)
		return false;
	if (!strchr(name, ':'))
		strcpy(want.tag, have.tag);
	return cps_ref_same_name(&want, &have);
}

int cmd_images(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	struct cps_image_list list;

	PARSE(args);
	if (cps_image_list(app->store, &list, &app->err) < 0)
		return CPS_EXIT_FAILED;
	if (!HAS("quiet"))
		printf("%-28s %-14s %s%-12s %-20s %s\n", "REPOSITORY", "TAG",
		       HAS("digests") ? "DIGEST " : "", "IMAGE ID", "CREATED", "SIZE");
	for (size_t i = 0; i < list.count; i++)
		if (matches(&list.entries[i], args.count ? args.args[0] : NULL))
			print_image(app, &list.entries[i], HAS("digests"),
				    HAS("no-trunc"), HAS("quiet"));
	cps_image_list_release(&list);
	return CPS_EXIT_OK;
}

static int open_image(struct cps_app *app, const char *name, struct cps_image **out)
{
	int rc = cps_image_open(app->store, name, out, &app->err);

	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", name) : 0;
}

int cmd_history(struct cps_app *app, const struct cps_command *cmd, int argc,
		char **argv)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	char id[72], size[16];
	size_t layer;

	PARSE(args);
	if (open_image(app, args.args[0], &image) < 0)
		return CPS_EXIT_FAILED;
	layer = image->layer_count;
	if (!HAS("quiet"))
		printf("%-12s %-20s %-46s %-8s %s\n", "IMAGE", "CREATED", "CREATED BY",
		       "SIZE", "COMMENT");
	for (size_t i = image->history_count; i-- > 0;) {
		const struct cps_history *h = &image->history[i];
		bool newest = i + 1 == image->history_count;
		uint64_t bytes = 0;

		if (!h->empty_layer && layer > 0)
			bytes = image->layers[--layer].blob.size;
		if (HAS("quiet")) {
			puts(newest ? id_text(&image->id, HAS("no-trunc"), id)
				    : "<missing>");
			continue;
		}
		printf("%-12s %-20s ",
		       newest ? id_text(&image->id, HAS("no-trunc"), id) : "<missing>",
		       day(h->created));
		print_escaped(h->created_by, HAS("no-trunc") ? 0 : 45);
		printf("  %s  ", size_text(bytes, size));
		print_escaped(h->comment, 0);
		putchar('\n');
	}
	return CPS_EXIT_OK;
}

static json_t *names_of(struct cps_app *app, const struct cps_image *image)
{
	struct cps_image_list list;
	json_t *names = json_array();

	if (cps_image_list(app->store, &list, NULL) < 0)
		return names;
	for (size_t i = 0; i < list.count; i++)
		if (list.entries[i].name &&
		    cps_digest_equal(&list.entries[i].digest, &image->manifest_digest))
			json_array_append_new(names, json_string(list.entries[i].name));
	cps_image_list_release(&list);
	return names;
}

static json_t *inspect(struct cps_app *app, const struct cps_image *image)
{
	json_t *config =
		json_loadb(cps_buf_cstr(&image->config), image->config.len, 0, NULL);
	json_t *layers = json_array(), *inner = json_object_get(config, "config"), *doc;
	char id[CPS_DIGEST_TEXT_LEN], text[CPS_DIGEST_TEXT_LEN];

	for (size_t i = 0; i < image->layer_count; i++)
		json_array_append_new(
			layers,
			json_string(cps_digest_text(&image->layers[i].diff_id, text)));
	doc = json_pack(
		"{s:s, s:o, s:s, s:s, s:s, s:O, s:s, s:s, s:I, s:{s:s, s:o}}", "Id",
		cps_digest_text(&image->id, id), "RepoTags", names_of(app, image),
		"Digest", cps_digest_text(&image->manifest_digest, text), "Created",
		image->created, "Author", image->author, "Config",
		inner ? inner : json_object(), "Architecture", image->architecture,
		"Os", image->os, "Size", (json_int_t)image_bytes(image), "RootFS",
		"Type", "layers", "Layers", layers);
	json_decref(config);
	return doc;
}

static json_t *inspect_top(const struct cps_top_info *info)
{
	char image[CPS_DIGEST_TEXT_LEN], manifest[CPS_DIGEST_TEXT_LEN],
		chain[CPS_DIGEST_TEXT_LEN] = "";

	if (!cps_digest_is_zero(&info->chain_id))
		cps_digest_text(&info->chain_id, chain);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Id", info->id,
			 "Created", info->created, "Name", info->name, "Image",
			 info->image, "ImageID",
			 cps_digest_text(&info->image_id, image), "Manifest",
			 cps_digest_text(&info->manifest, manifest), "ChainID", chain);
}

int cmd_inspect(struct cps_app *app, const struct cps_command *cmd, int argc,
		char **argv)
{
	json_t *all = json_array();
	int status = CPS_EXIT_OK;

	PARSE(args);
	for (int i = 0; i < args.count; i++) {
		cps_auto(cps_image_free) struct cps_image *image = NULL;
		cps_auto(cps_top_info) struct cps_top_info top = {0};

		/* A container comes before an image of that name, as docker has it. */
		if (cps_tops_find(app->store, args.args[i], &top, NULL) == 0)
			json_array_append_new(all, inspect_top(&top));
		else if (open_image(app, args.args[i], &image) < 0)
			status = CPS_EXIT_FAILED;
		else
			json_array_append_new(all, inspect(app, image));
	}
	json_dumpf(all, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(all);
	return status;
}

/* ---- names ---- */

int cmd_tag(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	PARSE(args);
	if (open_image(app, args.args[0], &image) < 0 ||
	    cps_image_tag(app->store, &image->manifest_digest, image->manifest.len,
			  image->media_type[0] ? image->media_type : CPS_MEDIA_MANIFEST,
			  args.args[1], NULL, &app->err) < 0)
		return CPS_EXIT_FAILED;
	return CPS_EXIT_OK;
}

static int remove_by_id(struct cps_app *app, const char *name, bool force)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	char id[CPS_DIGEST_TEXT_LEN];
	json_t *names, *n;
	size_t i, count;

	if (open_image(app, name, &image) < 0)
		return -ENOENT;
	names = names_of(app, image);
	count = json_array_size(names);
	if (count > 1 && !force) {
		json_decref(names);
		return cps_err_set(
			&app->err, -EBUSY,
			"'%s': the image has %zu names; remove them, or use -f", name,
			count);
	}
	json_array_foreach(names, i, n) printf("Untagged: %s\n", json_string_value(n));
	json_decref(names);
	printf("Deleted: %s\n", cps_digest_text(&image->id, id));
	return cps_image_forget(app->store, &image->manifest_digest, &app->err);
}

int cmd_rmi(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	int status = CPS_EXIT_OK;

	PARSE(args);
	for (int i = 0; i < args.count; i++) {
		struct cps_ref ref;

		if (cps_ref_parse(args.args[i], &ref, NULL) == 0 && !ref.has_digest &&
		    cps_image_untag(app->store, args.args[i], &app->err) == 0) {
			printf("Untagged: %s\n", args.args[i]);
			continue;
		}
		if (remove_by_id(app, args.args[i], HAS("force")) < 0) {
			cps_complain(app->err.msg);
			status = CPS_EXIT_FAILED;
		}
	}
	app->err.msg[0] = '\0';
	return status;
}

/* ---- in and out ---- */

static int open_input(struct cps_app *app, const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
					: open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? cps_err_sys(&app->err, -errno, "'%s'", path) : fd;
}

int cmd_import(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	cps_auto(cps_fd) int fd = -1;
	struct cps_import_opts opts = {0};
	struct cps_digest id;
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char text[CPS_DIGEST_TEXT_LEN];
	const char *changes[64];

	PARSE(args);
	opts.message = cps_args_get(cmd, &args, "message");
	for (int i = 0; i < args.list_count; i++)
		if (args.list[i] != opts.message)
			changes[opts.change_count++] = args.list[i];
	opts.changes = changes;
	opts.origin = args.args[0];
	opts.created_s = epoch ? strtoll(epoch, NULL, 10) : (int64_t)time(NULL);
	fd = open_input(app, args.args[0]);
	if (fd < 0)
		return CPS_EXIT_FAILED;
	rc = cps_import(app->store, fd, args.args[1], &opts, &id, &app->err);
	if (rc < 0) {
		cps_err_wrap(&app->err, rc, "'%s'", args.args[0]);
		return CPS_EXIT_FAILED;
	}
	puts(cps_digest_text(&id, text));
	return CPS_EXIT_OK;
}

static void say_loaded(void *ctx, const char *name, const struct cps_digest *id,
		       bool displaced)
{
	char text[CPS_DIGEST_TEXT_LEN];

	if (!name)
		printf("Loaded image ID: %s\n", cps_digest_text(id, text));
	else
		printf("Loaded image: %s%s\n", name,
		       displaced ? " (the name meant another image before)" : "");
}

int cmd_load(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	cps_auto(cps_fd) int fd = -1;
	const char *path;

	PARSE(args);
	path = cps_args_get(cmd, &args, "input");
	if (!path && isatty(STDIN_FILENO)) {
		cps_err_set(&app->err, 0, "standard input is a terminal; use -i FILE");
		return CPS_EXIT_FAILED;
	}
	fd = open_input(app, path ? path : "-");
	if (fd < 0)
		return CPS_EXIT_FAILED;
	rc = cps_load(app->store, fd, NULL, say_loaded, NULL, &app->err);
	if (rc < 0)
		cps_err_wrap(&app->err, rc, "'%s'", path ? path : "-");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

static int save_choice(const char *text, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!text || strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

/* A file is written aside and renamed: a failed save leaves no half of one. */
static int save_to(struct cps_app *app, const char *path, const struct cps_args *args,
		   int format, int compress)
{
	const char *const *names = (const char *const *)args->args;
	struct cps_buf aside = CPS_BUF_INIT(0);
	int fd, rc;

	if (!path)
		return cps_save(app->store, STDOUT_FILENO, names, (size_t)args->count,
				format, compress, NULL, &app->err);
	cps_buf_printf(&aside, "%s.XXXXXX", path);
	fd = mkostemp((char *)aside.data, O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	if (rc < 0) {
		cps_buf_release(&aside);
		return cps_err_sys(&app->err, rc, "'%s'", path);
	}
	rc = cps_save(app->store, fd, names, (size_t)args->count, format, compress,
		      NULL, &app->err);
	fchmod(fd, 0644);
	if (rc == 0 && (fsync(fd) < 0 || rename(cps_buf_cstr(&aside), path) < 0))
		rc = cps_err_sys(&app->err, -errno, "'%s'", path);
	if (rc < 0)
		unlink(cps_buf_cstr(&aside));
	close(fd);
	cps_buf_release(&aside);
	return rc;
}

int cmd_save(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	static const char *const formats[] = {"docker-archive", "oci-archive"};
	static const char *const codecs[] = {"keep", "gzip", "zstd", "none"};
	const char *path;
	int format, compress;

	PARSE(args);
	path = cps_args_get(cmd, &args, "output");
	format = save_choice(cps_args_get(cmd, &args, "format"), formats, 2);
	compress = save_choice(cps_args_get(cmd, &args, "compress"), codecs, 4);
	if (format < 0 || compress < 0) {
		cps_complain(format < 0
				     ? "save: --format is docker-archive or oci-archive"
				     : "save: --compress is gzip, zstd or none");
		return CPS_EXIT_USAGE;
	}
	if (!path && isatty(STDOUT_FILENO)) {
		cps_err_set(&app->err, 0, "standard output is a terminal; use -o FILE");
		return CPS_EXIT_FAILED;
	}
	return save_to(app, path, &args, format, compress) < 0 ? CPS_EXIT_FAILED
							       : CPS_EXIT_OK;
}
