/* cp between a container and the host, by docker's rules. */
#include "tools/cp_container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "store/base/path.h"
#include "tools/container_root.h"
#include "tools/copytree.h"
#include "tools/extract.h"
#include "tools/outfile.h"
#include "tools/progress.h"
#include "tools/tar_tree.h"

#define SPOOL_BYTES (256u << 10)

/** One end: a path below a root. */
struct end {
	const char *path;
	int root; /* borrowed; AT_FDCWD: the host */
	int dir;  /* owned; the folder that it is in, or it is itself */
	char name[CPS_NAME_MAX + 1];  /* in `dir`; "." for `dir` itself */
	bool exists, is_dir, content; /* content: what is in it */
};

static void end_auto(struct end *e)
{
	if (e->dir >= 0)
		close(e->dir);
}

static int open_at(const struct end *e, const char *path, int flags)
{
	int fd;

	if (e->root != AT_FDCWD)
		return cps_open_in_root(e->root, path, flags);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

/* The path without slashes at its end, and its last name. */
static int split(const char *path, char **parent, char name[CPS_NAME_MAX + 1])
{
	cps_auto(cps_free) char *text = strdup(path);
	char *slash;

	*parent = NULL;
	if (!text)
		return -ENOMEM;
	for (size_t len = strlen(text); len > 1 && text[len - 1] == '/'; len--)
		text[len - 1] = '\0';
	slash = strrchr(text, '/');
	if (!cps_name_ok(slash ? slash + 1 : text))
		return -EINVAL;
	strcpy(name, slash ? slash + 1 : text);
	*parent = slash ? strndup(text, (size_t)(slash - text) + (slash == text))
			: strdup(".");
	return *parent ? 0 : -ENOMEM;
}

/* A folder, or what cannot be named in one (".", "/", ".."): it is opened itself. */
static int find_folder(struct end *e)
{
	char *parent;

	e->dir = open_at(e, e->path, O_RDONLY | O_DIRECTORY);
	if (e->dir < 0)
		return e->dir;
	e->exists = e->is_dir = true;
	e->content = ends_with(e->path, "/.") || split(e->path, &parent, e->name) < 0;
	if (!e->content)
		free(parent);
	else
		e->name[0] = '\0';
	return 0;
}

/* `follow`: a link at the end means what it leads to. */
static int find(struct cps_app *app, struct end *e, bool follow)
{
	cps_auto(cps_free) char *parent = NULL;
	struct stat st;
	int rc = split(e->path, &parent, e->name);

	if (rc == 0 && !ends_with(e->path, "/")) {
		e->dir = open_at(e, parent, O_PATH | O_DIRECTORY);
		rc = e->dir < 0 ? e->dir : 0;
		if (rc == 0 && fstatat(e->dir, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			rc = errno == ENOENT ? 1 : -errno;
		if (rc == 1)
			return 0; /* the folder is there, and the name is free */
		if (rc < 0)
			return cps_err_sys(&app->err, rc, "'%s'", e->path);
		e->exists = true;
		if (!S_ISDIR(st.st_mode) && !(S_ISLNK(st.st_mode) && follow))
			return 0;
		close(e->dir);
	}
	rc = find_folder(e);
	if (rc == -ENOTDIR && follow && !ends_with(e->path, "/"))
		return cps_err_set(&app->err, -ELOOP,
				   "'%s' is a link to a file; name the file itself",
				   e->path);
	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", e->path) : 0;
}

/* ---- from here to there ---- */

static int to_stdout(struct cps_app *app, struct end *from)
{
	const char *as = from->content || !from->name[0] ? "." : from->name;

	if (isatty(STDOUT_FILENO))
		return cps_err_set(&app->err, -EINVAL,
				   "standard output is a terminal; it takes no "
				   "archive");
	return cps_tar_tree(from->dir, from->is_dir ? "." : from->name, as,
			    cps_stdout_write, NULL, &app->err);
}

static int check(struct cps_app *app, const struct end *from, const struct end *to)
{
	if (!from->exists)
		return cps_err_set(&app->err, -ENOENT,
				   "'%s': no such file or directory", from->path);
	if (from->is_dir && to->exists && !to->is_dir)
		return cps_err_set(&app->err, -ENOTDIR,
				   "'%s' is a file; a folder cannot be copied to it",
				   to->path);
	if (!to->exists && !from->is_dir && ends_with(to->path, "/"))
		return cps_err_set(&app->err, -ENOENT, "'%s': there is no such folder",
				   to->path);
	return 0;
}

static int copy(struct cps_app *app, const struct cps_command *cmd,
		const struct cps_args *args, struct end *from, struct end *to)
{
	struct cps_copy_opts opts = {
		.archive = cps_args_get(cmd, args, "archive") != NULL,
	};
	struct cps_meter meter;
	const char *name = to->name;
	int rc = check(app, from, to);

	if (rc < 0)
		return rc;
	/* Into a folder that is there, under its own name; or what is in it. */
	if (to->is_dir)
		name = from->content ? "." : from->name;
	opts.progress = cps_meter_begin(&meter, app, cmd->name, false);
	rc = cps_copy_tree(from->dir, from->is_dir ? "." : from->name, to->dir, name,
			   &opts, &app->err);
	cps_meter_end(&meter);
	return rc;
}

static int spool_stdin(struct cps_app *app, int fd)
{
	cps_auto(cps_free) char *buf = malloc(SPOOL_BYTES);
	ssize_t n = 0;
	int rc = buf ? 0 : cps_err_nomem(&app->err);

	while (rc == 0 && (n = cps_read_full(STDIN_FILENO, buf, SPOOL_BYTES)) > 0)
		rc = cps_write_full(fd, buf, (size_t)n);
	if (n < 0)
		rc = (int)n;
	return rc < 0 ? cps_err_sys(&app->err, rc, "standard input") : 0;
}

/* An archive from the standard input goes into a folder. */
static int from_stdin(struct cps_app *app, struct end *to)
{
	const struct cps_extract_opts opts = {.archive = true};
	const struct cps_root_opts view = {.view = CPS_VIEW_LAYER, .layer = 1};
	cps_auto(cps_root_close) struct cps_root *root = NULL;
	cps_auto(cps_tmp) struct cps_tmp spool = CPS_TMP_INIT;
	struct cps_extract_result result;
	struct cps_image *image = NULL;
	char source[48];
	int rc;

	if (!to->is_dir)
		return cps_err_set(&app->err, -ENOTDIR,
				   "'%s': destination must be a directory", to->path);
	rc = cps_tmp_open(app->store, &spool, &app->err);
	if (rc == 0)
		rc = spool_stdin(app, spool.fd);
	snprintf(source, sizeof(source), "tar:/proc/self/fd/%d", spool.fd);
	if (rc == 0)
		rc = cps_source_open(app->store, source, NULL, &image, &app->err);
	if (rc == 0)
		rc = cps_root_open(app->store, image, &view, &root, &app->err);
	return rc < 0 ? rc
		      : cps_extract_content(root, 0, to->dir, &opts, &result,
					    &app->err);
}

/* ---- the command ---- */

static int run(struct cps_app *app, const struct cps_command *cmd,
	       const struct cps_args *args, struct cps_live *live, const char *path,
	       bool into)
{
	const char *other = args->args[into ? 0 : 1];
	cps_auto(cps_container_root) struct cps_container_root root =
		CPS_CONTAINER_ROOT_INIT;
	__attribute__((cleanup(end_auto))) struct end in = {.path = path, .dir = -1};
	__attribute__((cleanup(end_auto))) struct end out = {
		.path = other, .dir = -1, .root = AT_FDCWD};
	bool stream = strcmp(other, "-") == 0;
	bool follow = cps_args_get(cmd, args, "follow-link") != NULL;
	int rc = cps_container_root_open(app, live, into, &root), closed;

	in.root = root.fd;
	if (rc == 0)
		rc = find(app, &in, into || follow);
	if (rc == 0 && !stream)
		rc = find(app, &out, !into || follow);
	if (rc == 0 && stream)
		rc = into        ? from_stdin(app, &in)
		     : in.exists ? to_stdout(app, &in)
				 : cps_err_sys(&app->err, -ENOENT, "'%s'", path);
	else if (rc == 0)
		rc = into ? copy(app, cmd, args, &out, &in)
			  : copy(app, cmd, args, &in, &out);
	if (in.dir >= 0)
		close(CPS_TAKE_FD(in.dir));
	closed = cps_container_root_close(&root, rc < 0 ? NULL : &app->err);
	return rc < 0 ? rc : closed;
}

/* CONTAINER:PATH: what has a slash or a dot before its colon is a path of the host. */
static const char *container_path(const char *text, char **name)
{
	const char *colon = strchr(text, ':');

	*name = NULL;
	if (!colon || text[0] == '/' || text[0] == '.' ||
	    memchr(text, '/', (size_t)(colon - text)))
		return NULL;
	*name = strndup(text, (size_t)(colon - text));
	return *name ? (colon[1] ? colon + 1 : "/") : NULL;
}

bool cps_cp_container(struct cps_app *app, const struct cps_command *cmd,
		      const struct cps_args *args, int *status)
{
	for (int i = 0; i < 2; i++) {
		cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
		cps_auto(cps_free) char *name = NULL;
		const char *path = container_path(args->args[i], &name);
		int rc = path ? cps_live_find(app, name, &live) : -ENOENT;

		if (rc == -ENOENT)
			continue;
		if (rc == 0)
			rc = run(app, cmd, args, &live, path, i == 1);
		*status = rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
		return true;
	}
	app->err.msg[0] = '\0';
	return false;
}
