#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fs/daemon.h"
#include "fs/mount.h"
#include "fs/top/control.h"
#include "tools/mount_source.h"
#include "tools/options.h"
#include "tools/place.h"
#include "tools/progress.h"

#define WORKERS 1 /* threads that decode ahead */

static int root_options(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_root_opts *out)
{
	unsigned int layer, upto;
	bool layers = cps_args_get(cmd, args, "layers") != NULL;

	*out = (struct cps_root_opts){.workers = WORKERS};
	if (cps_layer_number(cps_args_get(cmd, args, "layer"), &layer) < 0 ||
	    cps_layer_number(cps_args_get(cmd, args, "upto"), &upto) < 0) {
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
	else if ((out->rw || out->top) && out->platform)
		complaint = "mount: a top's image is there for one platform already";
	if (!complaint)
		return 0;
	cps_complain(complaint);
	return CPS_EXIT_USAGE;
}

/* -o, and what of it is the root's affair. */
static int mount_options(struct cps_app *app, const struct cps_command *cmd,
			 const struct cps_args *args, struct cps_mount_opts *out,
			 struct cps_root_opts *root)
{
	const char *text = cps_args_get(cmd, args, "options");
	int rc;

	cps_mount_defaults(out);
	rc = cps_mount_parse_options(text ? text : "", out, &app->err);
	root->cache_bytes = (size_t)out->cache_mb << 20;
	root->keep_bytes = (uint64_t)out->keep_mb << 20;
	return rc;
}

static int cmd_mount(struct cps_app *app, const struct cps_command *cmd, int argc,
		     char **argv)
{
	static struct cps_daemon daemon = CPS_DAEMON_INIT;
	struct cps_mount_opts opts = {0};
	struct cps_mount_what what = {0};
	struct cps_platform room;
	struct cps_args args;
	cps_auto(cps_free) char *dir = NULL;
	bool foreground;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	foreground = CPS_HAS("foreground");
	what.source = args.args[0];
	rc = root_options(cmd, &args, &what.root);
	if (rc == 0)
		rc = cps_platform_option(cmd, &args, &room, &what.platform);
	if (rc == 0)
		rc = top_options(cmd, &args, &what);
	if (rc)
		return rc;
	if (mount_options(app, cmd, &args, &opts, &what.root) < 0)
		return CPS_EXIT_FAILED;
	what.is_volatile = opts.is_volatile;
	/* The driver leaves this folder behind. */
	dir = realpath(args.args[1], NULL);
	if (!dir) {
		cps_err_sys(&app->err, -errno, "'%s'", args.args[1]);
		return CPS_EXIT_FAILED;
	}
	opts.mountpoint = dir;
	opts.fsname = args.args[0];
	if (!foreground) {
		rc = cps_daemonize_begin(&daemon, &app->err);
		if (rc)
			return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
		cps_log_sink(cps_daemon_log, &daemon);
	}
	rc = serve(app, &daemon, &what, &opts);
	if (rc < 0 && !foreground)
		app->err.msg[0] = '\0'; /* the parent has told it */
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_mount = {
	.name = "mount",
	.run = cmd_mount,
	.min_args = 2,
	.max_args = 2,
	.args = "SOURCE DIR",
	.summary = "mount an image's root filesystem at DIR",
	.options =
		{
			SWITCH("ro", 0, "read-only (the default)"),
			SWITCH("rw", 0, "writable: changes go to a top"),
			OPTION("top", 0, "NAME", "which top; made when there is none"),
			OPTION("at", 0, "MARK",
			       "the top as it was at a mark, read-only"),
			SWITCH("layers", 0, "each layer a folder, whiteouts shown"),
			LAYER,
			UPTO,
			PLATFORM,
			OPTION("options", 'o', "OPTS",
			       "mount options: suid, dev, allow_other, ..."),
			SWITCH("foreground", 'f', "stay in the foreground"),
		},
	.more = "OPTS are mount(8)'s suid, dev, exec, atime and their noes (nosuid and "
		"nodev unless asked for), FUSE's allow_other and default_permissions "
		"(both on for root), and:\n"
		"writeback: the kernel collects writes; many small ones cost less, but "
		"those are lost with a killed driver.\n"
		"volatile: with --rw, no sync waits for the disk; when the machine "
		"goes "
		"down the top is lost.\n"
		"cache_mb=N: memory for decoded content (64).\n"
		"keep_mb=N: what the store keeps of it for later mounts, of all images "
		"(512).\n"
		"spin_us=N: look for the next request so long before sleeping (50).\n"
		"threads=N: that answer (by the number of processors).",
};
