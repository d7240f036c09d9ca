/* Images in and out: import, load, save. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/archive/archive.h"
#include "store/base/log.h"
#include "store/transfer.h"
#include "store/upper.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/options.h"
#include "tools/outfile.h"
#include "tools/place.h"
#include "tools/progress.h"

static int open_input(struct cps_app *app, const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
					: open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? cps_err_sys(&app->err, -errno, "open it") : fd;
}

#define DIR_SCHEME "dir:"

/* A root filesystem that is unpacked already. */
static int import_dir(struct cps_app *app, const char *path, const char *name,
		      const struct cps_import_opts *opts, int64_t mtime_max_s,
		      struct cps_digest *id)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cps_auto(cps_upper_free) struct cps_upper *upper = NULL;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	int rc;

	if (fd < 0)
		return cps_err_sys(&app->err, -errno, "open the folder");
	if (cps_archive_open_dir(path, NULL, &image, NULL) == 0)
		return cps_err_set(&app->err, -EINVAL,
				   "it is an image that skopeo wrote, not a root "
				   "filesystem; have skopeo copy it to an oci-archive: "
				   "and load that");
	rc = cps_upper_plan(fd, NULL, mtime_max_s, &upper, &app->err);
	return rc < 0 ? rc
		      : cps_import_stream(app->store, cps_upper_read, upper, name, opts,
					  id, &app->err);
}

static int import_file(struct cps_app *app, const char *path, const char *name,
		       const struct cps_import_opts *opts, struct cps_digest *id)
{
	cps_auto(cps_fd) int fd = open_input(app, path);

	return fd < 0 ? fd : cps_import(app->store, fd, name, opts, id, &app->err);
}

static int cmd_import(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	struct cps_import_opts opts = {0};
	struct cps_digest id;
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	const char *changes[CPS_VALUES_MAX], *change;
	char text[CPS_DIGEST_TEXT_LEN];
	struct cps_meter meter;
	int pos = 0;

	CPS_BEGIN(args);
	opts.message = cps_args_get(cmd, &args, "message");
	while ((change = cps_args_each(cmd, &args, "change", &pos)))
		changes[opts.change_count++] = change;
	opts.changes = changes;
	opts.origin = args.args[0];
	opts.created_s = epoch ? strtoll(epoch, NULL, 10) : (int64_t)time(NULL);
	opts.progress = cps_meter_begin(&meter, app, "import", false);
	if (strncmp(args.args[0], DIR_SCHEME, strlen(DIR_SCHEME)) == 0)
		rc = import_dir(app, args.args[0] + strlen(DIR_SCHEME), args.args[1],
				&opts, epoch ? opts.created_s : INT64_MAX, &id);
	else
		rc = import_file(app, args.args[0], args.args[1], &opts, &id);
	cps_meter_end(&meter);
	if (rc < 0) {
		cps_err_wrap(&app->err, rc, "'%s'", args.args[0]);
		return CPS_EXIT_FAILED;
	}
	puts(cps_digest_text(&id, text));
	return CPS_EXIT_OK;
}

const struct cps_command cps_cmd_import = {
	.name = "import",
	.run = cmd_import,
	.min_args = 2,
	.max_args = 2,
	.args = "FILE|-|dir:DIR NAME",
	.summary = "make an image of a root filesystem archive",
	.options =
		{
			OPTION("change", 'c', "LINE",
			       "apply a Dockerfile line, e.g. 'CMD [\"bash\"]'"),
			OPTION("message", 'm', "TEXT",
			       "set the comment in the history"),
		},
	.more = "DIR is a root filesystem that is unpacked. What other file systems "
		"hold "
		"that are mounted in it is left out; what overlayfs leaves in an upper "
		"directory is taken as what it means.",
};

static void say_loaded(void *ctx, const char *name, const struct cps_digest *id,
		       bool displaced)
{
	cps_auto(cps_buf) struct cps_buf familiar = CPS_BUF_INIT(0);
	char text[CPS_DIGEST_TEXT_LEN];

	cps_meter_end(ctx);
	if (!name) {
		printf("Loaded image ID: %s\n", cps_digest_text(id, text));
		return;
	}
	name = cps_familiar_name(name, &familiar);
	if (displaced)
		cps_warn("load: '%s' meant another image before", name);
	printf("Loaded image: %s\n", name);
}

static int cmd_load(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_fd) int fd = -1;
	const struct cps_platform *platform;
	struct cps_progress progress;
	struct cps_platform room;
	struct cps_meter meter;
	const char *path;

	CPS_BEGIN(args);
	rc = cps_platform_option(cmd, &args, &room, &platform);
	if (rc)
		return rc;
	path = cps_args_get(cmd, &args, "input");
	if (!path && isatty(STDIN_FILENO)) {
		cps_err_set(&app->err, 0, "standard input is a terminal; use -i FILE");
		return CPS_EXIT_FAILED;
	}
	fd = open_input(app, path ? path : "-");
	progress = cps_meter_begin(&meter, app, "load", CPS_HAS("quiet"));
	rc = fd < 0 ? fd
		    : cps_load(app->store, fd, platform, &progress, say_loaded, &meter,
			       &app->err);
	cps_meter_end(&meter);
	if (rc < 0)
		cps_err_wrap(&app->err, rc, "'%s'", path ? path : "-");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_load = {
	.name = "load",
	.run = cmd_load,
	.args = "",
	.summary = "load the images of an archive",
	.options =
		{
			OPTION("input", 'i', "FILE",
			       "read FILE instead of the standard input"),
			PLATFORM,
			SWITCH("quiet", 'q', "no progress"),
		},
};

static int save_choice(const char *text, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!text || strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static int save_to(struct cps_app *app, const char *path, const struct cps_args *args,
		   int format, int compress, const struct cps_progress *progress)
{
	const char *const *names = (const char *const *)args->args;
	cps_auto(cps_outfile) struct cps_outfile out = CPS_OUTFILE_INIT;
	int rc;

	if (!path)
		return cps_save(app->store, STDOUT_FILENO, names, (size_t)args->count,
				format, compress, progress, &app->err);
	rc = cps_outfile_open(path, &out, &app->err);
	if (rc < 0)
		return rc;
	rc = cps_save(app->store, out.fd, names, (size_t)args->count, format, compress,
		      progress, &app->err);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", path)
		      : cps_outfile_commit(&out, &app->err);
}

static int cmd_save(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	static const char *const formats[] = {"docker-archive", "oci-archive"};
	static const char *const codecs[] = {"keep", "gzip", "zstd", "none"};
	struct cps_progress progress;
	struct cps_meter meter;
	const char *path;
	int format, compress;

	CPS_BEGIN(args);
	path = cps_args_get(cmd, &args, "output");
	format = save_choice(cps_args_get(cmd, &args, "format"), formats, 2);
	compress = save_choice(cps_args_get(cmd, &args, "compress"), codecs, 4);
	if (format < 0)
		return cps_usage(cmd, "--format is docker-archive or oci-archive");
	if (compress < 0)
		return cps_usage(cmd, "--compress is gzip, zstd or none");
	if (!path && isatty(STDOUT_FILENO)) {
		cps_err_set(&app->err, 0, "standard output is a terminal; use -o FILE");
		return CPS_EXIT_FAILED;
	}
	progress = cps_meter_begin(&meter, app, "save", false);
	rc = save_to(app, path, &args, format, compress, &progress);
	cps_meter_end(&meter);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_save = {
	.name = "save",
	.run = cmd_save,
	.min_args = 1,
	.max_args = ANY,
	.args = "IMAGE...",
	.summary = "write images as an archive",
	.options =
		{
			OPTION("output", 'o', "FILE",
			       "write FILE instead of the standard output"),
			OPTION("format", 0, "F",
			       "docker-archive (the default) or oci-archive"),
			OPTION("compress", 0, "C",
			       "write layers again as gzip, zstd or none"),
		},
};
