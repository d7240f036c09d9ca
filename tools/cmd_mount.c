#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/daemon.h"
#include "fs/mount.h"
#include "fs/top/control.h"
#include "tools/command.h"
#include "tools/document.h"
#include "tools/mount_source.h"
#include "tools/progress.h"
#include "tools/table.h"

#define WORKERS       1     /* threads that decode ahead */
#define DRIVER_END_MS 60000 /* for its last sync */

static int number(const char *text, unsigned int *out)
{
	char *end;
	unsigned long v;

	if (!text)
		return 0;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || v == 0 || v > 100000)
		return -EINVAL;
	*out = (unsigned int)v;
	return 0;
}

static int root_options(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_root_opts *out)
{
	unsigned int layer = 0, upto = 0;
	bool layers = cps_args_get(cmd, args, "layers") != NULL;

	*out = (struct cps_root_opts){.workers = WORKERS};
	if (number(cps_args_get(cmd, args, "layer"), &layer) < 0 ||
	    number(cps_args_get(cmd, args, "upto"), &upto) < 0) {
		cps_complain("mount: layers are counted from 1");
		return CPS_EXIT_USAGE;
	}
	if (layers + (layer > 0) + (upto > 0) > 1) {
		cps_complain("mount: only one of --layers, --layer and --upto");
		return CPS_EXIT_USAGE;
	}
	out->view = layers ? CPS_VIEW_LAYERS : layer ? CPS_VIEW_LAYER : CPS_VIEW_MERGED;
	out->layer = layer ? layer : upto;
	return 0;
}

/** What the process that serves a mount holds. */
struct served {
	struct cps_opened opened;
	struct cps_mount *mount;
	struct cps_control *control;
};

static int start_serving(struct cps_app *app, const struct cps_mount_what *what,
			 const struct cps_mount_opts *opts, struct served *out)
{
	struct cps_mount_what first = *what;
	struct cps_meter meter;
	char id[CPS_TOP_ID_LEN];
	int rc = cps_store_open(app->root, &app->store, &app->err);

	if (rc < 0)
		return rc;
	/* A first mount reads every layer once. */
	first.root.progress = cps_meter_begin(&meter, app, "mount", false);
	rc = cps_mount_source(app->store, &first, &out->opened, id, &app->err);
	cps_meter_end(&meter);
	if (rc < 0)
		return cps_err_wrap(&app->err, rc, "'%s'", what->source);
	rc = cps_mount_open(out->opened.top, opts, &out->mount, &app->err);
	if (rc == 0 && what->rw)
		rc = cps_control_start(out->opened.top, out->opened.dirfd, AT_FDCWD,
				       opts->mountpoint, &out->control, &app->err);
	if (rc == 0 && *id)
		puts(id);
	return rc;
}

static int serve(struct cps_app *app, struct cps_daemon *daemon,
		 const struct cps_mount_what *what, const struct cps_mount_opts *opts)
{
	struct served served = {.opened = CPS_OPENED_INIT};
	int rc = start_serving(app, what, opts, &served), closed;

	cps_daemonize_ready(daemon, rc, &app->err);
	if (rc == 0)
		rc = cps_mount_serve(served.mount, &app->err);
	/* Who finds the socket gone knows that the top is about to be free. */
	cps_control_stop(served.control);
	cps_mount_close(served.mount);
	closed = cps_opened_close(&served.opened, &app->err);
	if (closed < 0)
		cps_log(CPS_LOG_ERROR, "%s", app->err.msg);
	return rc < 0 ? rc : closed;
}

static int top_options(const struct cps_command *cmd, const struct cps_args *args,
		       struct cps_mount_what *out)
{
	bool ro = cps_args_get(cmd, args, "ro") != NULL;
	const char *complaint = NULL;

	out->top = cps_args_get(cmd, args, "top");
	out->mark = cps_args_get(cmd, args, "at");
	out->rw = cps_args_get(cmd, args, "rw") != NULL;
	if (out->rw && ro)
		complaint = "mount: --rw or --ro, not both";
	else if (out->rw && out->mark)
		complaint = "mount: the past cannot be written; --at without --rw";
	else if (out->mark && !out->top)
		complaint = "mount: --at is a mark of which --top?";
	else if (out->top && !out->rw && !out->mark && !ro)
		complaint = "mount: --top with --rw, or with --ro to look only";
	else if ((out->rw || out->top) &&
		 (out->root.view != CPS_VIEW_MERGED || out->root.layer))
		complaint = "mount: a top is over the whole image, not over layers";
	if (!complaint)
		return 0;
	cps_complain(complaint);
	return CPS_EXIT_USAGE;
}

int cmd_mount(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	static struct cps_daemon daemon = CPS_DAEMON_INIT;
	struct cps_mount_opts opts = {0};
	struct cps_mount_what what = {0};
	struct cps_args args;
	cps_auto(cps_free) char *dir = NULL;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	what.source = args.args[0];
	rc = root_options(cmd, &args, &what.root);
	if (rc == 0)
		rc = top_options(cmd, &args, &what);
	if (rc)
		return rc;
	cps_mount_defaults(&opts);
	rc = cps_mount_parse_options(cps_args_get(cmd, &args, "options")
					     ? cps_args_get(cmd, &args, "options")
					     : "",
				     &opts, &app->err);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	what.is_volatile = opts.is_volatile;
	what.root.cache_bytes = (size_t)opts.cache_mb << 20;
	what.root.keep_bytes = (uint64_t)opts.keep_mb << 20;
	/* The driver leaves this folder behind. */
	dir = realpath(args.args[1], NULL);
	if (!dir) {
		cps_err_sys(&app->err, -errno, "'%s'", args.args[1]);
		return CPS_EXIT_FAILED;
	}
	opts.mountpoint = dir;
	opts.fsname = args.args[0];
	if (!cps_args_get(cmd, &args, "foreground")) {
		rc = cps_daemonize_begin(&daemon, &app->err);
		if (rc)
			return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
		cps_log_sink(cps_daemon_log, &daemon);
	}
	rc = serve(app, &daemon, &what, &opts);
	if (rc < 0 && !cps_args_get(cmd, &args, "foreground"))
		app->err.msg[0] = '\0'; /* the parent has told it */
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

/* ---- unmounting and listing ---- */

/* Undo mountinfo's \040 and friends, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
				       (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

typedef int (*mount_fn)(void *ctx, const char *source, const char *dir);

/* Call `fn` for each mount of ours; its first result but 0 ends the walk. */
static int each_mount(mount_fn fn, void *ctx)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	while (f && rc == 0 && getline(&line, &cap, f) > 0) {
		char dir[4096], type[64], source[4096];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", dir) != 1 ||
		    sscanf(dash, " - %63s %4095s", type, source) != 2 ||
		    strcmp(type, "fuse.capas") != 0)
			continue;
		unescape(dir);
		unescape(source);
		rc = fn(ctx, source, dir);
	}
	free(line);
	if (f)
		fclose(f);
	return rc;
}

static int print_mount(void *ctx, const char *source, const char *dir)
{
	cps_table_add(ctx, source);
	cps_table_add(ctx, dir);
	return 0;
}

static int print_mount_json(void *ctx, const char *source, const char *dir)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_text(doc, "Source", source);
	cps_doc_put_text(doc, "Destination", dir);
	cps_doc_list_add(ctx, doc);
	return 0;
}

int cmd_mounts(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	cps_auto(cps_table) struct cps_table table = CPS_TABLE_INIT(2u);
	struct cps_doc_list list = {.out = stdout};
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	if (CPS_HAS("json")) {
		each_mount(print_mount_json, &list);
		rc = cps_doc_list_end(&list);
	} else {
		print_mount(&table, "SOURCE", "DIR");
		each_mount(print_mount, &table);
		rc = cps_table_print(&table);
	}
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the list");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

static int is_dir(void *ctx, const char *source, const char *dir)
{
	return strcmp(ctx, dir) == 0;
}

static int run_fusermount(const char *dir, bool lazy)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", lazy ? "-uzq" : "-uq", "--", dir,
		       (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

/* The process that serves the mount at `dir`; -1: it does not say. */
static int driver_of(const char *dir)
{
	char text[16] = "", path[32], comm[16] = "";
	cps_auto(cps_fd) int fd = -1;
	int pid;

	if (getxattr(dir, CPS_MOUNT_DRIVER_XATTR, text, sizeof(text) - 1) <= 0)
		return -1;
	pid = atoi(text);
	/* It may live in another namespace, where the number means another process. */
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, comm, sizeof(comm) - 1) <= 0 ||
	    strcmp(comm, "capas\n") != 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int unmount(const char *path, bool lazy, struct cps_err *err)
{
	cps_auto(cps_free) char *dir = realpath(path, NULL);
	cps_auto(cps_fd) int driver = -1;
	struct pollfd end = {.events = POLLIN};
	int rc;

	/* A mount whose driver died cannot be walked into, but it can be named. */
	if (!dir && errno == ENOTCONN)
		dir = strdup(path);
	if (!dir)
		return cps_err_sys(err, -errno, "'%s'", path);
	if (!each_mount(is_dir, dir))
		return cps_err_set(err, -EINVAL, "'%s' is no mount of capas", path);
	if (!lazy)
		driver = driver_of(dir);
	rc = umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
	if (rc == -EPERM)
		rc = run_fusermount(dir, lazy);
	/* Unmounted means synced, as everywhere. */
	end.fd = driver;
	if (rc == 0 && driver >= 0)
		poll(&end, 1, DRIVER_END_MS);
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", path) : 0;
}

int cmd_umount(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args), status = CPS_EXIT_OK;

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	for (int i = 0; i < args.count; i++) {
		struct cps_err err = CPS_ERR_INIT;

		if (unmount(args.args[i], cps_args_get(cmd, &args, "lazy") != NULL,
			    &err) < 0) {
			cps_err_wrap(&err, 0, "umount");
			cps_complain(err.msg);
			status = CPS_EXIT_FAILED;
		}
	}
	return status;
}
