/* Containers from nothing to running: run, create, start, attach. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "store/base/fd.h"
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

/* Before there is a container: where its ID cannot go, there is none. */
static int check_id_file(struct cps_app *app, const char *path)
{
	return path && access(path, F_OK) == 0
		       ? cps_err_set(&app->err, -EEXIST,
				     "container ID file found, make sure the other "
				     "container isn't running or delete '%s'",
				     path)
		       : 0;
}

static int write_id(struct cps_app *app, const char *path,
		    const struct cps_top_info *info)
{
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	rc = fd < 0 ? -errno : cps_write_full(fd, info->id, strlen(info->id));
	if (rc == 0)
		return 0;
	cps_err_sys(&app->err, rc, "container ID file '%s'", path);
	cps_tops_remove(app->store, info, NULL);
	return rc;
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
		rc = check_id_file(app, cps_args_get(cmd, args, "cidfile"));
	if (rc == 0)
		rc = cps_run_config(app, cmd, args, image, &config);
	if (rc == 0)
		rc = cps_tops_create_container(
			app->store, cps_args_get(cmd, args, "name"), args->args[0],
			image, &config, &info, &app->err);
	if (rc == 0)
		rc = write_id(app, cps_args_get(cmd, args, "cidfile"), &info);
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
		OPTION("volume", 'v', "[SRC:]DST[:ro]",                                \
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
		OPTION("ulimit", 0, "NAME=SOFT[:HARD]",                                \
		       "limit its processes, e.g. nofile=1024"),                       \
		OPTION("shm-size", 0, "SIZE", "of /dev/shm; 64m else"),                \
		OPTION("cap-add", 0, "CAP", "a capability more"),                      \
		OPTION("cap-drop", 0, "CAP", "one less; ALL: all"),                    \
		OPTION("group-add", 0, "GROUP", "one more group of its user"),         \
		OPTION("add-host", 0, "NAME:ADDRESS", "a line more in /etc/hosts"),    \
		OPTION("mount", 0, "type=T,...",                                       \
		       "bind, tmpfs or volume; with source, target, readonly"),        \
		OPTION("cidfile", 0, "FILE", "write the ID there"),                    \
		SWITCH("init", 0, "accepted: there is always one"),                    \
		OPTION("stop-signal", 0, "SIGNAL", "what stop sends"),                 \
		OPTION("stop-timeout", 0, "SECONDS", "how long stop waits then"),      \
		OPTION("runtime", 0, "R", "run it by runc or crun")

#define NEW_CONTAINER_MORE                                                             \
	"The container's files are those of IMAGE with a writable top, which lasts "   \
	"until `rm`. Without CMD the image's command runs; an image that names "       \
	"none gives a shell. What stands behind IMAGE belongs to CMD.\n"               \
	"The network is the host's unless told otherwise; private is one of its "      \
	"own that reaches out through slirp4netns(1). A path of the host that is "     \
	"missing is made; a named volume is kept in the store, until its folder in "   \
	"volumes/ is removed, and empty at first. A VOLUME of the image, or -v DIR, "  \
	"begins with what the image has there, is no part of a commit, diff or "       \
	"export, and goes with the container.\n"                                       \
	"Each exec and each exit leaves a mark in the top (exec-1, exit-1, ...), "     \
	"which `mount --ro --top CONTAINER --at MARK` shows."

#define RUN_MORE                                                                       \
	NEW_CONTAINER_MORE                                                             \
	"\n"                                                                           \
	"The exit status is the program's, 128 + N when signal N ended it; "           \
	"127 it was not found, 126 it cannot be run, 125 anything else. "              \
	"Ctrl-p ctrl-q detaches from a container that has a terminal."

static const struct cps_refusal run_refusals[] = {
	{"publish", 'p',
	 "ports are not published: with --network host, the default, the program "
	 "listens on the host's own"},
	{"publish-all", 'P',
	 "ports are not published: with --network host, the default, the program "
	 "listens on the host's own"},
	{"expose", 0, "ports are not published; leave it out"},
	{"privileged", 0,
	 "a container that may do everything is not offered; --cap-add gives single "
	 "capabilities, -v paths of the host"},
	{"restart", 0,
	 "nothing watches over containers; let a unit of systemd run `capas start -a`"},
	{"platform", 0, "an image is run as it is; there is no emulation"},
	{"pull", 0, "only images of the store are run"},
	{"device", 0, "no device of the host is shown in a container"},
	{"gpus", 0, "no device of the host is shown in a container"},
	{"dns", 0,
	 "the name servers are the host's; give another file by -v "
	 "FILE:/etc/resolv.conf"},
	{"link", 0, "containers have no network in common but the host's"},
	{"ip", 0, "containers have no addresses of their own"},
	{"mac-address", 0, "containers have no addresses of their own"},
	{"volumes-from", 0, "volumes without a name belong to one container; name one"},
	{"security-opt", 0, "the system call filter and the masks are always on"},
	{"pid", 0, "a container always has its own process IDs"},
	{"ipc", 0, "a container always has its own IPC"},
	{"uts", 0, "a container always has its own host name"},
	{"userns", 0,
	 "root's containers run without, everybody else's with a user "
	 "namespace"},
	{"cgroupns", 0, "a container always has its own view of control groups"},
	{"memory-swap", 0, "swap is not limited"},
	{"cpu-shares", 'c', "use --cpus"},
	{"cpuset-cpus", 0, "use --cpus"},
	{"sysctl", 0, "the kernel's settings cannot be changed"},
	{"log-driver", 0, "output is kept in the container's folder; see `capas logs`"},
	{"log-opt", 0, "output is kept in the container's folder; see `capas logs`"},
	{"detach-keys", 0, "the keys are always ctrl-p ctrl-q"},
	{"sig-proxy", 0, "signals are always passed on, unless it has a terminal"},
	{"health-cmd", 0, "nothing watches over containers"},
	{"attach", 'a', "without -d all outputs are shown"},
	{NULL, 0, NULL},
};

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
	.refusals = run_refusals,
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
	.refusals = run_refusals,
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
