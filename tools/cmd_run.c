/* Containers from nothing to running: run, create, start, attach. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "tools/images.h"
#include "tools/live.h"
#include "tools/options.h"
#include "tools/run_options.h"

#define START_TRIES    250
#define START_PAUSE_US 20000

/* A container outlives us; what we were given by accident must not live with it. */
static void drop_descriptors(void)
{
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
}

/* The new container, and what is known of it. */
static int create(struct cps_app *app, const struct cps_command *cmd,
		  const struct cps_args *args, struct cps_live *out)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_container_config) struct cps_container_config config = {0};
	struct cps_top_info info;
	int rc = cps_open_image(app, args->args[0], &image);

	if (rc == 0)
		rc = cps_run_config(app, cmd, args, image, &config);
	if (rc == 0)
		rc = cps_tops_create_container(
			app->store, cps_args_get(cmd, args, "name"), args->args[0],
			image, &config, &info, &app->err);
	return rc < 0 ? rc : cps_live_open(app, &info, out);
}

/* What run and create have. */
#define NEW_CONTAINER                                                                  \
	SWITCH("interactive", 'i', "keep the standard input open"),                    \
		SWITCH("tty", 't', "give it a terminal"),                              \
		SWITCH("rm", 0, "remove the container when it ends"),                  \
		OPTION("name", 0, "NAME", "name it; two words else"), ENV, ENV_FILE,   \
		OPTION("workdir", 'w', "DIR", "start in DIR, made when missing"),      \
		OPTION("user", 'u', "USER[:GROUP]", "run as USER of the image"),       \
		OPTION("volume", 'v', "SRC:DST[:ro]",                                  \
		       "show a path of the host, or a named volume, at DST"),          \
		OPTION("tmpfs", 0, "DIR[:OPTS]", "a file system in memory at DIR"),    \
		SWITCH("read-only", 0, "the image's files cannot be changed"),         \
		OPTION("entrypoint", 0, "PROGRAM", "instead of the image's"),          \
		OPTION("hostname", 'h', "NAME", "the start of its ID else"),           \
		OPTION("network", 0, "NET", "host (the default), none or private"),    \
		OPTION("label", 'l', "NAME[=VALUE]", "note something with it"),        \
		OPTION("memory", 'm', "SIZE", "limit its memory, e.g. 512m"),          \
		OPTION("cpus", 0, "N", "limit its processors, e.g. 1.5"),              \
		OPTION("pids-limit", 0, "N", "limit its processes"),                   \
		OPTION("stop-signal", 0, "SIGNAL", "what stop sends"),                 \
		OPTION("runtime", 0, "R", "run it by runc or crun")

#define NEW_CONTAINER_MORE                                                             \
	"The container's files are those of IMAGE with a writable top, which lasts "   \
	"until `rm`. Without CMD the image's command runs; an image that names "       \
	"none gives a shell. What stands behind IMAGE belongs to CMD.\n"               \
	"The network is the host's unless told otherwise; private is one of its "      \
	"own that reaches out through slirp4netns(1). A path of the host that is "     \
	"missing is made; a named volume is kept in the store and empty at first; "    \
	"volumes that the image names are part of the top.\n"                          \
	"Each exec and each exit leaves a mark in the top (exec-1, exit-1, ...), "     \
	"which `mount --ro --top CONTAINER --at MARK` shows."

#define RUN_MORE                                                                       \
	NEW_CONTAINER_MORE                                                             \
	"\n"                                                                           \
	"The exit status is the program's, 128 + N when signal N ended it; "           \
	"127 it was not found, 126 it cannot be run, 125 anything else. "              \
	"Ctrl-p ctrl-q detaches from a container that has a terminal."

static int cmd_create(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;

	CPS_BEGIN(args);
	if (create(app, cmd, &args, &live) < 0)
		return CPS_EXIT_FAILED;
	puts(live.info.id);
	return CPS_EXIT_OK;
}

const struct cps_command cps_cmd_create = {
	.name = "create",
	.run = cmd_create,
	.min_args = 1,
	.max_args = ANY,
	.options_first = true,
	.args = "IMAGE [CMD...]",
	.summary = "make a container without starting it",
	.options =
		{
			NEW_CONTAINER,
		},
	.more = NEW_CONTAINER_MORE,
};

/* ---- run ---- */

/* Why the program did not run is in the container's state; 126 and 127 are of it. */
static int failed_start(struct cps_app *app, const struct cps_command *cmd,
			struct cps_live *live)
{
	struct cps_container_state state = {0};
	struct cps_err err = CPS_ERR_INIT;
	int status = CPS_EXIT_RUN;

	if (cps_container_state_read(live->folder, &state, NULL) == 0 &&
	    state.exit_code)
		status = state.exit_code;
	cps_container_state_release(&state);
	cps_item_failed(app, cmd);
	if (live->config.auto_remove &&
	    cps_tops_remove(app->store, &live->info, &err) < 0)
		cps_complain(err.msg);
	return status;
}

static int cmd_run(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	struct cps_args args;
	bool detach;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : CPS_EXIT_RUN;
	drop_descriptors();
	detach = CPS_HAS("detach");
	if (!detach && CPS_HAS("tty") && CPS_HAS("interactive") &&
	    !isatty(STDIN_FILENO)) {
		cps_err_set(&app->err, 0, "the input device is not a TTY");
		return CPS_EXIT_FAILED;
	}
	if (cps_store_open(app->root, &app->store, &app->err) < 0 ||
	    create(app, cmd, &args, &live) < 0)
		return cps_run_failed(app, cmd);
	rc = cps_live_start(app, &live, !detach, !detach);
	if (rc < 0)
		return failed_start(app, cmd, &live);
	if (detach)
		puts(live.info.id);
	return rc;
}

const struct cps_command cps_cmd_run = {
	.name = "run",
	.run = cmd_run,
	.min_args = 1,
	.max_args = ANY,
	.options_first = true,
	.args = "IMAGE [CMD...]",
	.summary = "run a program in a new container",
	.options =
		{
			SWITCH("detach", 'd', "in the background; print the ID"),
			NEW_CONTAINER,
		},
	.more = RUN_MORE,
};

/* ---- start, attach ---- */

/* *again: somebody else starts it just now. */
static int try_start(struct cps_app *app, const char *text, bool attach, bool input,
		     bool *again)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	int rc = cps_live_find(app, text, &live);

	if (rc < 0)
		return rc;
	if (cps_live_is_running(&live))
		return attach ? cps_live_attach(app, &live, input) : 0;
	rc = cps_live_start(app, &live, attach, input);
	*again = rc == -EBUSY && !cps_live_is_mounted(&live);
	return rc;
}

static int start_one(struct cps_app *app, const char *text, bool attach, bool input)
{
	bool again = false;
	int rc = try_start(app, text, attach, input, &again);

	for (int i = 0; i < START_TRIES && again; i++) {
		usleep(START_PAUSE_US);
		again = false;
		rc = try_start(app, text, attach, input, &again);
	}
	if (rc >= 0 && !attach)
		puts(text);
	return rc;
}

static int cmd_start(struct cps_app *app, const struct cps_command *cmd, int argc,
		     char **argv)
{
	int status = CPS_EXIT_OK;
	bool attach, input;
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	drop_descriptors();
	if (cps_store_open(app->root, &app->store, &app->err) < 0)
		return CPS_EXIT_FAILED;
	input = CPS_HAS("interactive");
	attach = input || CPS_HAS("attach");
	if (attach && args.count > 1)
		return cps_usage(cmd, "you cannot start and attach multiple containers "
				      "at once");
	for (int i = 0; i < args.count; i++) {
		rc = start_one(app, args.args[i], attach, input);
		if (rc < 0)
			status = cps_item_failed(app, cmd);
		else if (attach)
			status = rc;
	}
	return status;
}

const struct cps_command cps_cmd_start = {
	.name = "start",
	.run = cmd_start,
	.min_args = 1,
	.max_args = ANY,
	.args = "CONTAINER...",
	.summary = "start containers again",
	.options =
		{
			SWITCH("attach", 'a', "show its outputs until it ends"),
			SWITCH("interactive", 'i',
			       "that, and pass the standard input on"),
		},
};

static int cmd_attach(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;

	CPS_BEGIN(args);
	rc = cps_live_running(app, args.args[0], &live);
	if (rc == 0)
		rc = cps_live_attach(app, &live, !CPS_HAS("no-stdin"));
	return rc < 0 ? CPS_EXIT_FAILED : rc;
}

const struct cps_command cps_cmd_attach = {
	.name = "attach",
	.run = cmd_attach,
	.min_args = 1,
	.max_args = 1,
	.args = "CONTAINER",
	.summary = "connect the terminal to a container that runs",
	.options =
		{
			SWITCH("no-stdin", 0, "do not pass the input on"),
		},
	.more = "Ctrl-p ctrl-q detaches from one that has a terminal.",
};
