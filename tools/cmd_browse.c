/* Looking inside without a mount. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/path.h"
#include "store/root.h"
#include "tools/command.h"

#define READ_BYTES (256u << 10)
#define DEPTH_MAX  4096

/** SOURCE:PATH taken apart. */
struct place {
	char *source; /* owned */
	const char *path;
};

static void place_auto(struct place *p)
{
	free(p->source);
}

/* PATH begins at the last ":/" that is not a scheme's own. */
static void split(const char *text, struct place *out)
{
	static const char *const schemes[] = {
		"oci:", "oci-archive:", "docker-archive:", "tar:"};
	const char *from = text, *cut = NULL;

	for (size_t i = 0; i < CPS_ARRAY_LEN(schemes); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			from = text + strlen(schemes[i]);
	for (const char *p = strstr(from, ":/"); p; p = strstr(p + 1, ":/"))
		cut = p;
	out->source = cut ? strndup(text, (size_t)(cut - text)) : strdup(text);
	out->path = cut ? cut + 1 : "/";
}

static int open_place(struct cps_app *app, const struct cps_command *cmd,
		      const struct cps_args *args, const struct place *place,
		      struct cps_root **out)
{
	const char *layer = cps_args_get(cmd, args, "layer");
	struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	int rc = 0;

	if (layer) {
		opts.view = CPS_VIEW_LAYER;
		opts.layer = (unsigned int)strtoul(layer, NULL, 10);
	}
	if (!app->store)
		rc = cps_store_open(app->root, &app->store, &app->err);
	if (rc == 0)
		rc = cps_source_open(app->store, place->source, &image, &app->err);
	if (rc == 0)
		rc = cps_root_open(app->store, image, &opts, out, &app->err);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", place->source) : 0;
}

static int find_path(struct cps_app *app, struct cps_root *root, const char *path,
		     bool nofollow, uint32_t *ino)
{
	int rc = cps_root_walk(root, path, nofollow, ino);

	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", path) : 0;
}

/* ---- printing ---- */

static void put_text(const char *text, size_t len)
{
	struct cps_buf out = CPS_BUF_INIT(0);

	/* A pipe wants the bytes; a terminal must not be steered by them. */
	if (isatty(STDOUT_FILENO) && cps_escape(&out, text, len) == 0)
		fwrite(out.data, 1, out.len, stdout);
	else
		fwrite(text, 1, len, stdout);
	cps_buf_release(&out);
}

static char type_letter(uint32_t mode)
{
	static const char letters[] = "?pc?d?b?-?l?s???";

	return letters[mode >> 12 & 15];
}

static void print_long(const struct cps_root *root, uint32_t ino)
{
	static const char bits[] = "rwxrwxrwx";
	struct cps_inode in;
	char mode[11], when[32] = "";
	time_t t;
	struct tm tm;

	if (cps_tree_inode(root->tree, ino, &in) < 0)
		return;
	mode[0] = type_letter(in.mode);
	for (int i = 0; i < 9; i++)
		mode[i + 1] = in.mode & (0400u >> i) ? bits[i] : '-';
	if (in.mode & 04000)
		mode[3] = mode[3] == 'x' ? 's' : 'S';
	if (in.mode & 02000)
		mode[6] = mode[6] == 'x' ? 's' : 'S';
	if (in.mode & 01000)
		mode[9] = mode[9] == 'x' ? 't' : 'T';
	mode[10] = '\0';
	t = (time_t)in.mtime_s;
	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("%s %3u %5u %5u %11llu %s ", mode, in.nlink, in.uid, in.gid,
	       (unsigned long long)in.size, when);
}

static void print_line(const struct cps_root *root, uint32_t ino, const char *name,
		       size_t len, bool details)
{
	const char *target;
	size_t target_len;
	struct cps_inode in;

	if (details)
		print_long(root, ino);
	put_text(name, len);
	if (details && cps_tree_inode(root->tree, ino, &in) == 0 && S_ISLNK(in.mode) &&
	    cps_tree_inline(root->tree, ino, &target, &target_len) == 0) {
		fputs(" -> ", stdout);
		put_text(target, target_len);
	}
	putchar('\n');
}

/* ---- walking ---- */

typedef void (*visit_fn)(void *ctx, const struct cps_root *root, const char *path,
			 const struct cps_dirent *d);

/* Depth first, names in order. `path` holds the folder's own path. */
static int walk(const struct cps_root *root, uint32_t dir, struct cps_buf *path,
		unsigned int depth, visit_fn visit, void *ctx)
{
	struct cps_dirent d;
	int rc;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	for (uint32_t pos = 0;
	     (rc = cps_tree_readdir_sorted(root->tree, dir, pos, &d)) == 1; pos++) {
		size_t keep = path->len;

		if (cps_buf_str(path, keep && path->data[keep - 1] == '/' ? "" : "/") <
			    0 ||
		    cps_buf_append(path, d.name, d.name_len) < 0)
			return -ENOMEM;
		visit(ctx, root, cps_buf_cstr(path), &d);
		if (d.type == DT_DIR)
			rc = walk(root, d.ino, path, depth + 1, visit, ctx);
		path->len = keep;
		path->data[keep] = '\0';
		if (rc < 0)
			return rc;
	}
	return rc;
}

static void visit_ls(void *ctx, const struct cps_root *root, const char *path,
		     const struct cps_dirent *d)
{
	print_line(root, d->ino, path, strlen(path), *(bool *)ctx);
}

static int list(struct cps_app *app, const struct cps_root *root, uint32_t dir,
		bool details)
{
	struct cps_dirent d;
	int rc;

	for (uint32_t pos = 0;
	     (rc = cps_tree_readdir_sorted(root->tree, dir, pos, &d)) == 1; pos++)
		print_line(root, d.ino, d.name, d.name_len, details);
	return rc < 0 ? cps_err_sys(&app->err, rc, "the tree") : 0;
}

int cmd_ls(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	cps_auto(cps_root_close) struct cps_root *root = NULL;
	__attribute__((cleanup(place_auto))) struct place place = {0};
	cps_auto(cps_buf) struct cps_buf path = CPS_BUF_INIT(0);
	struct cps_inode in;
	struct cps_args args;
	uint32_t ino;
	bool details;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	split(args.args[0], &place);
	details = cps_args_get(cmd, &args, "long") != NULL;
	if (open_place(app, cmd, &args, &place, &root) < 0 ||
	    find_path(app, root, place.path, details, &ino) < 0 ||
	    cps_tree_inode(root->tree, ino, &in) < 0)
		return CPS_EXIT_FAILED;
	if (!S_ISDIR(in.mode)) {
		print_line(root, ino, place.path, strlen(place.path), details);
		return CPS_EXIT_OK;
	}
	if (!cps_args_get(cmd, &args, "recursive"))
		return list(app, root, ino, details) < 0 ? CPS_EXIT_FAILED
							 : CPS_EXIT_OK;
	cps_buf_str(&path, place.path);
	rc = walk(root, ino, &path, 0, visit_ls, &details);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

struct tests {
	const char *name;
	char type;
};

static void visit_find(void *ctx, const struct cps_root *root, const char *path,
		       const struct cps_dirent *d)
{
	static const char letters[] = "?pc?d?b?f?l?s???";
	const struct tests *t = ctx;

	if (t->name && fnmatch(t->name, strrchr(path, '/') + 1, 0) != 0)
		return;
	if (t->type && letters[d->type & 15] != t->type)
		return;
	put_text(path, strlen(path));
	putchar('\n');
}

int cmd_find(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	cps_auto(cps_root_close) struct cps_root *root = NULL;
	__attribute__((cleanup(place_auto))) struct place place = {0};
	cps_auto(cps_buf) struct cps_buf path = CPS_BUF_INIT(0);
	struct tests tests = {0};
	struct cps_args args;
	uint32_t ino;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	split(args.args[0], &place);
	tests.name = cps_args_get(cmd, &args, "name");
	if (cps_args_get(cmd, &args, "type"))
		tests.type = cps_args_get(cmd, &args, "type")[0];
	if (open_place(app, cmd, &args, &place, &root) < 0 ||
	    find_path(app, root, place.path, false, &ino) < 0)
		return CPS_EXIT_FAILED;
	cps_buf_str(&path, strcmp(place.path, "/") == 0 ? "" : place.path);
	rc = walk(root, ino, &path, 0, visit_find, &tests);
	if (rc < 0)
		cps_err_sys(&app->err, rc, "'%s'", place.path);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

static int print_file(struct cps_app *app, struct cps_root *root, const char *path)
{
	cps_auto(cps_free) uint8_t *buf = malloc(READ_BYTES);
	uint64_t off = 0;
	uint32_t ino;
	ssize_t n;
	int rc = buf ? find_path(app, root, path, false, &ino) : -ENOMEM;

	if (rc < 0)
		return rc;
	while ((n = cps_root_pread(root, ino, buf, READ_BYTES, off, 0)) > 0) {
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return cps_err_sys(&app->err, -errno, "standard output");
		off += (uint64_t)n;
	}
	return n < 0 ? cps_err_sys(&app->err, (int)n, "'%s'", path) : 0;
}

int cmd_cat(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	for (int i = 0; i < args.count; i++) {
		cps_auto(cps_root_close) struct cps_root *root = NULL;
		__attribute__((cleanup(place_auto))) struct place place = {0};

		split(args.args[i], &place);
		if (open_place(app, cmd, &args, &place, &root) < 0 ||
		    print_file(app, root, place.path) < 0)
			return CPS_EXIT_FAILED;
	}
	return CPS_EXIT_OK;
}
