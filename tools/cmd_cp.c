/* Files out of an image, by docker cp's rules. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/base/path.h"
#include "tools/cp_container.h"
#include "tools/extract.h"
#include "tools/options.h"
#include "tools/outfile.h"
#include "tools/place.h"
#include "tools/progress.h"
#include "tools/tar_out.h"

/** What PATH of SOURCE:PATH means. */
struct origin {
	struct cps_place place;
	uint32_t ino;
	bool is_dir;
	bool content;                /* behind "/.", or the root: what is in it */
	char name[CPS_NAME_MAX + 1]; /* under which it is copied; "" for the root */
};

/** Where DST leads to. */
struct destination {
	int dirfd;                   /* owned */
	char name[CPS_NAME_MAX + 1]; /* in dirfd; "": dirfd itself takes the content */
};

static void origin_auto(struct origin *o)
{
	cps_place_release(&o->place);
}

static void destination_auto(struct destination *d)
{
	if (d->dirfd >= 0)
		close(d->dirfd);
}

/* ---- the source ---- */

/* The last name of a path by its letters alone: "/a/b/.." is "a". */
static int last_name(const char *path, char out[CPS_NAME_MAX + 1])
{
	size_t skip = 0, len, end = strlen(path);

	out[0] = '\0';
	while (end > 0) {
		const char *slash = memrchr(path, '/', end);
		const char *name = slash ? slash + 1 : path;

		len = (size_t)(path + end - name);
		end = slash ? (size_t)(slash - path) : 0;
		if (len == 0 || (len == 1 && *name == '.'))
			continue;
		if (len == 2 && memcmp(name, "..", 2) == 0) {
			skip++;
			continue;
		}
		if (skip > 0) {
			skip--;
			continue;
		}
		if (len > CPS_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(out, name, len);
		out[len] = '\0';
		return 0;
	}
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

static int find_origin(struct cps_app *app, struct origin *o, bool follow)
{
	const char *path = o->place.path;
	bool dir_wanted = ends_with(path, "/") || ends_with(path, "/.");
	struct cps_inode in;
	int rc = cps_place_walk(app, &o->place, !follow && !dir_wanted, &o->ino);

	if (rc < 0)
		return rc;
	rc = cps_tree_inode(o->place.root->tree, o->ino, &in);
	if (rc == 0)
		rc = last_name(path, o->name);
	if (rc == 0)
		o->is_dir = S_ISDIR(in.mode);
	if (rc == 0 && dir_wanted && !o->is_dir)
		rc = -ENOTDIR;
	o->content = ends_with(path, "/.") || !o->name[0];
	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", path) : 0;
}

/* ---- the destination ---- */

/* The folder that `path` is in, and its name there. */
static int open_parent(struct cps_app *app, const char *path, struct destination *out)
{
	cps_auto(cps_free) char *text = strdup(path);
	char *slash;
	size_t len;

	if (!text)
		return cps_err_nomem(&app->err);
	for (len = strlen(text); len > 1 && text[len - 1] == '/'; len--)
		text[len - 1] = '\0';
	slash = strrchr(text, '/');
	if (!cps_name_ok(slash ? slash + 1 : text))
		return cps_err_set(&app->err, -EINVAL, "'%s' is no name of a file",
				   path);
	strcpy(out->name, slash ? slash + 1 : text);
	if (slash)
		slash[slash == text] = '\0';
	out->dirfd = open(slash ? text : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return out->dirfd < 0
		       ? cps_err_sys(&app->err, -errno, "'%s'", slash ? text : ".")
		       : 0;
}

static int into_folder(struct cps_app *app, const char *path, const struct origin *o,
		       struct destination *out)
{
	out->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dirfd < 0)
		return cps_err_sys(&app->err, -errno, "'%s'", path);
	strcpy(out->name, o->content ? "" : o->name);
	return 0;
}

/* A link to a file is followed here: the caller has named it. */
static int onto_file(struct cps_app *app, const char *path, const struct origin *o,
		     const struct stat *st, struct destination *out)
{
	cps_auto(cps_free) char *real = realpath(path, NULL);

	if (o->is_dir)
		return cps_err_set(&app->err, -ENOTDIR,
				   "'%s' is a file; a folder cannot be copied to it",
				   path);
	if (!S_ISREG(st->st_mode))
		return cps_err_set(&app->err, -EINVAL,
				   "'%s' is neither a file nor a folder; use - for the "
				   "standard output",
				   path);
	if (!real)
		return cps_err_sys(&app->err, -errno, "'%s'", path);
	return open_parent(app, real, out);
}

static int find_destination(struct cps_app *app, const char *path,
			    const struct origin *o, struct destination *out)
{
	struct stat st;

	if (!*path)
		return cps_err_set(&app->err, -EINVAL, "'' is no name of a file");
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? into_folder(app, path, o, out)
					   : onto_file(app, path, o, &st, out);
	if (errno != ENOENT)
		return cps_err_sys(&app->err, -errno, "'%s'", path);
	if (lstat(path, &st) == 0)
		return cps_err_set(&app->err, -ENOENT,
				   "'%s' is a link that leads nowhere", path);
	if (!o->is_dir && ends_with(path, "/"))
		return cps_err_set(&app->err, -ENOENT, "'%s': there is no such folder",
				   path);
	return open_parent(app, path, out);
}

/* ---- copying ---- */

static int to_stdout(struct cps_app *app, const struct origin *o,
		     const struct cps_progress *progress)
{
	if (isatty(STDOUT_FILENO))
		return cps_err_set(
			&app->err, -EINVAL,
			"standard output is a terminal; it takes no archive");
	return cps_tar_out(o->place.root, o->ino, o->content ? "." : o->name, progress,
			   cps_stdout_write, NULL, &app->err);
}

static int to_host(struct cps_app *app, const struct origin *o, const char *path,
		   const struct cps_extract_opts *opts)
{
	__attribute__((cleanup(destination_auto))) struct destination d = {.dirfd = -1};
	struct cps_extract_result result = {0};
	int rc = find_destination(app, path, o, &d);

	if (rc < 0)
		return rc;
	rc = d.name[0] ? cps_extract(o->place.root, o->ino, d.dirfd, d.name, opts,
				     &result, &app->err)
		       : cps_extract_content(o->place.root, o->ino, d.dirfd, opts,
					     &result, &app->err);
	if (result.devices)
		cps_warn("cp: devices are left out (%llu); -a copies them",
			 (unsigned long long)result.devices);
	return rc;
}

/* One descriptor for each folder on the way down. */
static void allow_depth(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int copy(struct cps_app *app, const struct cps_command *cmd,
		const struct cps_args *args, const struct origin *o)
{
	struct cps_extract_opts opts = {
		.archive = cps_args_get(cmd, args, "archive") != NULL,
	};
	struct cps_meter meter;
	int rc;

	opts.progress = cps_meter_begin(&meter, app, cmd->name, false);
	rc = strcmp(args->args[1], "-") == 0 ? to_stdout(app, o, &opts.progress)
					     : to_host(app, o, args->args[1], &opts);
	cps_meter_end(&meter);
	return rc;
}

static int cmd_cp(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	__attribute__((cleanup(origin_auto))) struct origin origin = {0};
	int status;

	CPS_BEGIN(args);
	allow_depth();
	if (cps_cp_container(app, cmd, &args, &status))
		return status;
	rc = cps_place_parse(args.args[0], &origin.place);
	if (rc == 0 && !origin.place.has_path)
		return cps_usage(cmd, "'%s' is no SOURCE:PATH; PATH begins with a '/'",
				 args.args[0]);
	if (rc == 0)
		rc = cps_place_open(app, cmd, &args, &origin.place);
	if (rc > 0)
		return rc;
	if (rc == 0)
		rc = find_origin(app, &origin, CPS_HAS("follow-link"));
	if (rc == 0)
		rc = copy(app, cmd, &args, &origin);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_cp = {
	.name = "cp",
	.run = cmd_cp,
	.min_args = 2,
	.max_args = 2,
	.args = "SOURCE:PATH DST|-",
	.summary = "copy files out of an image, or into a container and back",
	.options =
		{
			SWITCH("archive", 'a', "keep owners, devices and xattrs"),
			SWITCH("follow-link", 'L', "follow PATH when it is a link"),
			LAYER,
			UPTO,
			PLATFORM,
		},
	.more = "As docker cp has it: a file goes into DST when that is a folder, else "
		"it becomes DST. A folder goes into DST when that exists, else it "
		"becomes DST; with /. behind PATH its content goes into DST. With - a "
		"tar archive goes to the standard output.\n"
		"Modes, times, symbolic and hard links and holes are kept. Without -a "
		"the files are the caller's own, set-id bits are dropped and devices "
		"are left out. No link of the image is followed on the host, and no "
		"link below DST.",
};
