/* What was written to containers: commit, diff, export, mark. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/seal/seal.h"
#include "store/base/path.h"
#include "store/commit.h"
#include "store/container.h"
#include "store/upper.h"
#include "tools/container.h"
#include "tools/document.h"
#include "tools/options.h"
#include "tools/outfile.h"

#define WRITE_BYTES (256u << 10)

static int status_of(int rc)
{
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

/* ---- commit ---- */

/* The time that everything gets; INT64_MAX when none was asked for. */
static int source_date(int64_t *out, struct cps_err *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;

	*out = INT64_MAX;
	if (!text || !*text)
		return 0;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return *end || errno || *out < 0
		       ? cps_err_set(err, -EINVAL,
				     "SOURCE_DATE_EPOCH='%s' is no number of seconds",
				     text)
		       : 0;
}

static int codec_of(const char *text, enum cps_codec *out)
{
	static const enum cps_codec codecs[] = {CPS_CODEC_NONE, CPS_CODEC_GZIP,
						CPS_CODEC_ZSTD};

	*out = CPS_CODEC_NONE;
	for (size_t i = 0; text && i < CPS_ARRAY_LEN(codecs); i++)
		if (strcmp(text, cps_codec_name(codecs[i])) == 0) {
			*out = codecs[i];
			return 0;
		}
	return text ? -EINVAL : 0;
}

/* What the container was told to be is what the image is; one that was made by a mount
 * was told nothing. */
static int config_of(struct cps_app *app, const struct cps_top_info *info,
		     struct cps_container_config *out, bool *found)
{
	cps_auto(cps_fd) int folder = cps_tops_peek(app->store, info, &app->err);
	struct cps_err err = CPS_ERR_INIT;
	int rc = folder < 0 ? folder : cps_container_config_read(folder, out, &err);

	*found = rc == 0;
	if (folder < 0 || rc == 0 || rc == -ENOENT)
		return folder < 0 ? folder : 0;
	return cps_err_set(&app->err, rc, "container '%s': %s", info->name, err.msg);
}

static int commit_container(struct cps_app *app, const char *text, int64_t mtime_max_s,
			    struct cps_commit_opts *opts, struct cps_digest *id)
{
	cps_auto(cps_container_config) struct cps_container_config config = {0};
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	cps_auto(cps_opened) struct cps_opened opened = CPS_OPENED_INIT;
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	bool by_run = false;
	int rc = cps_tops_find(app->store, text, &info, &app->err);

	if (rc == 0)
		rc = config_of(app, &info, &config, &by_run);
	if (by_run)
		opts->config = &config;
	if (rc == 0)
		rc = cps_container_changes(app->store, &info, &opened, &app->err);
	if (rc == 0)
		rc = cps_seal_plan(opened.top, CPS_SEAL_LAYER, mtime_max_s, &seal,
				   &app->err);
	return rc < 0 ? rc
		      : cps_commit(app->store, opened.root->image,
				   cps_seal_is_empty(seal) ? NULL : cps_seal_read, seal,
				   opts, id, &app->err);
}

static int commit_upper(struct cps_app *app, const char *dir, const char *image_text,
			int64_t mtime_max_s, const struct cps_commit_opts *opts,
			struct cps_digest *id)
{
	cps_auto(cps_upper_free) struct cps_upper *upper = NULL;
	cps_auto(cps_root_close) struct cps_root *root = NULL;
	const struct cps_root_opts root_opts = {0};
	struct cps_image *image = NULL;
	cps_auto(cps_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return cps_err_sys(&app->err, -errno, "'%s'", dir);
	rc = cps_image_open(app->store, image_text, &image, &app->err);
	if (rc == 0)
		rc = cps_root_open(app->store, image, &root_opts, &root, &app->err);
	if (rc < 0)
		return cps_err_wrap(&app->err, rc, "'%s'", image_text);
	rc = cps_upper_plan(fd, root->tree, mtime_max_s, &upper, &app->err);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", dir)
		      : cps_commit(app->store, root->image,
				   cps_upper_is_empty(upper) ? NULL : cps_upper_read,
				   upper, opts, id, &app->err);
}

static int cmd_commit(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	const char *changes[CPS_VALUES_MAX], *change, *upper;
	char text[CPS_DIGEST_TEXT_LEN];
	struct cps_commit_opts opts = {.changes = changes};
	struct cps_digest id;
	int64_t mtime_max_s;
	int pos = 0;

	CPS_BEGIN(args);
	if (codec_of(cps_args_get(cmd, &args, "compress"), &opts.codec) < 0)
		return cps_usage(cmd, "--compress is gzip, zstd or none");
	upper = cps_args_get(cmd, &args, "upperdir");
	while ((change = cps_args_each(cmd, &args, "change", &pos)))
		changes[opts.change_count++] = change;
	opts.author = cps_args_get(cmd, &args, "author");
	opts.message = cps_args_get(cmd, &args, "message");
	opts.name = args.count > 1 ? args.args[1] : NULL;
	rc = source_date(&mtime_max_s, &app->err);
	opts.created_s = mtime_max_s == INT64_MAX ? time(NULL) : mtime_max_s;
	if (rc == 0 && upper)
		rc = commit_upper(app, upper, args.args[0], mtime_max_s, &opts, &id);
	else if (rc == 0)
		rc = commit_container(app, args.args[0], mtime_max_s, &opts, &id);
	if (rc == 0)
		puts(cps_digest_text(&id, text));
	return status_of(rc);
}

const struct cps_command cps_cmd_commit = {
	.name = "commit",
	.run = cmd_commit,
	.min_args = 1,
	.max_args = 2,
	.args = "CONTAINER [NAME]",
	.summary = "make an image of what changed in a container",
	.options =
		{
			OPTION("author", 'a', "TEXT", "set the author of the image"),
			OPTION("change", 'c', "LINE",
			       "apply a Dockerfile line, e.g. 'CMD [\"bash\"]'"),
			OPTION("message", 'm', "TEXT",
			       "set the comment in the history"),
			OPTION("compress", 0, "C",
			       "write the new layer as gzip, zstd or none"),
			OPTION("upperdir", 0, "DIR",
			       "of DIR, an overlay mount's, over IMAGE [NAME]"),
		},
	.more = "The container may be mounted and written to: what was done before the "
		"command is in the image. Names that begin with .wh. are refused, "
		"sockets are left out. With SOURCE_DATE_EPOCH set no time of the layer "
		"is later than that, and the same changes give the same image.\n"
		"DIR is the upper directory of an overlayfs or fuse-overlayfs mount "
		"over the files of IMAGE, unmounted or at rest.",
};

/* ---- diff ---- */

/** Where the lines go. */
struct changes {
	struct cps_doc_list json;
	bool as_json;
};

static void put_json(struct changes *c, char kind, const char *path)
{
	struct json_t *doc = cps_doc_new_object();
	/* Docker's numbers in its API. */
	static const char kinds[] = "CAD";

	cps_doc_put_bytes(doc, "Path", path, strlen(path));
	cps_doc_put_number(doc, "Kind", (uint64_t)(strchr(kinds, kind) - kinds));
	cps_doc_list_add(&c->json, doc);
}

static int put_change(void *ctx, char kind, const char *path)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	struct changes *c = ctx;

	if (c->as_json) {
		put_json(c, kind, path);
		return 0;
	}
	/* A pipe wants the bytes; a terminal must not be steered by them. */
	if (isatty(STDOUT_FILENO) && cps_escape(&text, path, strlen(path)) == 0)
		path = cps_buf_cstr(&text);
	printf("%c %s\n", kind, path);
	return 0;
}

static int cmd_diff(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	cps_auto(cps_opened) struct cps_opened opened = CPS_OPENED_INIT;
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	struct changes c = {.json = {.out = stdout}};

	CPS_BEGIN(args);
	c.as_json = CPS_HAS("json");
	rc = cps_tops_find(app->store, args.args[0], &info, &app->err);
	if (rc == 0)
		rc = cps_container_changes(app->store, &info, &opened, &app->err);
	if (rc == 0)
		rc = cps_seal_plan(opened.top, CPS_SEAL_CHANGES, INT64_MAX, &seal,
				   &app->err);
	if (rc == 0)
		rc = cps_seal_diff(seal, put_change, &c, &app->err);
	if (rc == 0 && c.as_json && cps_doc_list_end(&c.json) < 0)
		rc = cps_err_sys(&app->err, c.json.failed, "the list");
	return status_of(rc);
}

const struct cps_command cps_cmd_diff = {
	.name = "diff",
	.run = cmd_diff,
	.min_args = 1,
	.max_args = 1,
	.args = "CONTAINER",
	.summary = "list what was added (A), changed (C) and deleted (D)",
	.options =
		{
			JSON,
		},
};

/* ---- export ---- */

/* Whole buffers: the stream comes in pieces of a header and more. */
static ssize_t fill(struct cps_seal *seal, uint8_t *buf, struct cps_err *err)
{
	size_t have = 0;
	ssize_t n;

	while (have < WRITE_BYTES &&
	       (n = cps_seal_read(seal, buf + have, WRITE_BYTES - have, err)) != 0) {
		if (n < 0)
			return n;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int write_out(struct cps_seal *seal, int fd, struct cps_err *err)
{
	cps_auto(cps_free) uint8_t *buf = malloc(WRITE_BYTES);
	ssize_t n = 0;
	int rc = buf ? 0 : cps_err_nomem(err);

	while (rc == 0 && (n = fill(seal, buf, err)) > 0) {
		rc = cps_write_full(fd, buf, (size_t)n);
		if (rc < 0)
			cps_err_sys(err, rc, "write the archive");
	}
	return n < 0 ? (int)n : rc;
}

static int write_file(struct cps_seal *seal, const char *path, struct cps_err *err)
{
	cps_auto(cps_outfile) struct cps_outfile out = CPS_OUTFILE_INIT;
	int rc = cps_outfile_open(path, &out, err);

	if (rc == 0)
		rc = write_out(seal, out.fd, err);
	return rc < 0 ? rc : cps_outfile_commit(&out, err);
}

static int cmd_export(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	cps_auto(cps_opened) struct cps_opened opened = CPS_OPENED_INIT;
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	const char *path;

	CPS_BEGIN(args);
	path = cps_args_get(cmd, &args, "output");
	if (!path && isatty(STDOUT_FILENO)) {
		cps_err_set(&app->err, 0, "standard output is a terminal; use -o FILE");
		return CPS_EXIT_FAILED;
	}
	rc = cps_container_or_source(app->store, args.args[0], &opened, &app->err);
	if (rc == 0)
		rc = cps_seal_plan(opened.top, CPS_SEAL_WHOLE, INT64_MAX, &seal,
				   &app->err);
	if (rc == 0)
		rc = path ? write_file(seal, path, &app->err)
			  : write_out(seal, STDOUT_FILENO, &app->err);
	if (rc < 0)
		cps_err_wrap(&app->err, rc, "'%s'", args.args[0]);
	return status_of(rc);
}

const struct cps_command cps_cmd_export = {
	.name = "export",
	.run = cmd_export,
	.min_args = 1,
	.max_args = 1,
	.args = "CONTAINER|SOURCE",
	.summary = "write a root filesystem as a tar archive",
	.options =
		{
			OPTION("output", 'o', "FILE",
			       "write FILE instead of the standard output"),
		},
};

/* ---- mark ---- */

static int cmd_mark(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};

	CPS_BEGIN(args);
	if (!args.args[1][0])
		return cps_usage(cmd, "the name is empty");
	rc = cps_tops_find(app->store, args.args[0], &info, &app->err);
	if (rc == 0)
		rc = cps_container_mark(app->store, &info, args.args[1],
					CPS_HAS("force"), &app->err);
	return status_of(rc);
}

const struct cps_command cps_cmd_mark = {
	.name = "mark",
	.run = cmd_mark,
	.min_args = 2,
	.max_args = 2,
	.args = "CONTAINER NAME",
	.summary = "name this moment, for mount --at NAME",
	.options =
		{
			SWITCH("force", 'f', "take the name from another moment"),
		},
};
