/* Looking inside without a mount: ls, cat. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/document.h"
#include "tools/entry.h"
#include "tools/options.h"
#include "tools/place.h"

#define READ_BYTES (256u << 10)

/** How ls shows what it finds. */
struct listing {
	bool details;
	struct cps_doc_list *json; /* NULL: as text */
};

static int show(const struct listing *l, const struct cps_root *root, uint32_t ino,
		const char *name, size_t len)
{
	if (l->json)
		cps_doc_list_add(l->json, cps_entry_document(root, ino, name, len));
	else
		cps_print_entry(root, ino, name, len, l->details);
	return 0;
}

static int visit_ls(void *ctx, const struct cps_root *root, const char *path,
		    uint32_t ino)
{
	return show(ctx, root, ino, path, strlen(path));
}

static int list(const struct cps_root *root, uint32_t dir, const struct listing *l)
{
	struct cps_dirent d;
	uint32_t pos = 0;
	int rc;

	while ((rc = cps_tree_readdir_sorted(root->tree, dir, pos++, &d)) == 1)
		show(l, root, d.ino, d.name, d.name_len);
	return rc;
}

static int list_place(struct cps_app *app, const struct cps_place *place,
		      struct listing *l, bool recursive)
{
	struct cps_inode in;
	uint32_t ino;
	int rc = cps_place_walk(app, place, l->details, &ino);

	if (rc < 0)
		return rc;
	rc = cps_tree_inode(place->root->tree, ino, &in);
	if (rc == 0 && !S_ISDIR(in.mode))
		return show(l, place->root, ino, place->path, strlen(place->path));
	if (rc == 0)
		rc = recursive
			     ? cps_walk_tree(place->root, ino, place->path, visit_ls, l)
			     : list(place->root, ino, l);
	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", place->path) : 0;
}

static int cmd_ls(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	cps_auto(cps_place) struct cps_place place = {0};
	struct cps_doc_list json = {.out = stdout};
	struct listing l = {0};

	CPS_BEGIN(args);
	l.details = CPS_HAS("long");
	if (CPS_HAS("json"))
		l.json = &json;
	rc = cps_place_parse(args.args[0], &place);
	if (rc == 0)
		rc = cps_place_open(app, cmd, &args, &place);
	if (rc)
		return rc < 0 ? CPS_EXIT_FAILED : rc;
	rc = list_place(app, &place, &l, CPS_HAS("recursive"));
	if (l.json && cps_doc_list_end(&json) < 0 && rc == 0)
		rc = cps_err_sys(&app->err, json.failed, "the list");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_ls = {
	.name = "ls",
	.run = cmd_ls,
	.min_args = 1,
	.max_args = 1,
	.args = "SOURCE[:PATH]",
	.summary = "list a folder of an image",
	.options =
		{
			SWITCH("long", 'l', "modes, owners, sizes and times"),
			SWITCH("recursive", 'R', "folders below too"),
			LAYER,
			UPTO,
			PLATFORM,
			JSON,
		},
};

/* ---- cat ---- */

static int print_file(struct cps_app *app, const struct cps_place *place)
{
	cps_auto(cps_free) uint8_t *buf = malloc(READ_BYTES);
	uint64_t off = 0;
	uint32_t ino;
	ssize_t n;
	int rc = buf ? cps_place_walk(app, place, false, &ino) : -ENOMEM;

	if (rc < 0)
		return rc;
	while ((n = cps_root_pread(place->root, ino, buf, READ_BYTES, off, 0)) > 0) {
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return cps_err_sys(&app->err, -errno, "standard output");
		off += (uint64_t)n;
	}
	return n < 0 ? cps_err_sys(&app->err, (int)n, "'%s'", place->path) : 0;
}

static int cmd_cat(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv)
{
	CPS_BEGIN(args);
	for (int i = 0; i < args.count; i++) {
		cps_auto(cps_place) struct cps_place place = {0};

		rc = cps_place_parse(args.args[i], &place);
		if (rc == 0)
			rc = cps_place_open(app, cmd, &args, &place);
		if (rc > 0)
			return rc;
		if (rc < 0 || print_file(app, &place) < 0)
			return CPS_EXIT_FAILED;
	}
	return CPS_EXIT_OK;
}

const struct cps_command cps_cmd_cat = {
	.name = "cat",
	.run = cmd_cat,
	.min_args = 1,
	.max_args = ANY,
	.args = "SOURCE:PATH...",
	.summary = "print files of an image",
	.options =
		{
			LAYER,
			UPTO,
			PLATFORM,
		},
};
