/* Ending, waiting for, naming and removing containers: stop, kill, wait, rename, rm;
 * and top, their processes. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/base/fd.h"
#include "tools/live.h"
#include "tools/options.h"
#include "tools/run/attach.h"
#include "tools/run/life.h"
#include "tools/run/spec.h"

#define STOP_S_DEFAULT 10       /* docker's */
#define GRACE_OWN      LONG_MAX /* as the container was told */

/* ---- stop, kill ---- */

static int stop_signal(const struct cps_live *live)
{
	int signo = live->config.stop_signal && live->config.stop_signal[0]
			    ? cps_signal_parse(live->config.stop_signal, NULL)
			    : SIGTERM;

	return signo > 0 ? signo : SIGTERM;
}

static int grace_ms(const struct cps_live *live, long grace_s)
{
	if (grace_s == GRACE_OWN)
		grace_s = live->config.stop_s ? (long)live->config.stop_s
					      : STOP_S_DEFAULT;
	return grace_s < 0 ? -1 : (int)grace_s * 1000;
}

static int stop_one(struct cps_app *app, const char *text, int signo, long grace_s)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	int rc = cps_live_find(app, text, &live);

	/* One that does not run is stopped. */
	if (rc == 0 && live.alive)
		rc = cps_live_stop(app, &live, signo ? signo : stop_signal(&live),
				   grace_ms(&live, grace_s));
	if (rc == 0)
		puts(text);
	return rc;
}

static int cmd_stop(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	const char *name, *seconds;
	long grace_s = GRACE_OWN;
	int status = CPS_EXIT_OK, signo = 0;
	char *end;

	CPS_BEGIN(args);
	seconds = cps_args_get(cmd, &args, "time");
	if (seconds) {
		grace_s = strtol(seconds, &end, 10);
		if (end == seconds || *end || grace_s > 1000000)
			return cps_usage(cmd, "'%s' is no number of seconds", seconds);
	}
	name = cps_args_get(cmd, &args, "signal");
	if (name && (signo = cps_signal_parse(name, &app->err)) < 0)
		return CPS_EXIT_FAILED;
	for (int i = 0; i < args.count; i++)
		if (stop_one(app, args.args[i], signo, grace_s) < 0)
			status = cps_item_failed(app, cmd);
	return status;
}

const struct cps_command cps_cmd_stop = {
	.name = "stop",
	.run = cmd_stop,
	.min_args = 1,
	.max_args = ANY,
	.args = "CONTAINER...",
	.summary = "end containers: a signal first, SIGKILL later",
	.options =
		{
			OPTION("time", 't', "SECONDS", "so long after the signal; 10"),
			SIGNAL("instead of the image's, or SIGTERM"),
		},
};

static int kill_one(struct cps_app *app, const char *text, int signo)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	int rc = cps_live_running(app, text, &live);

	if (rc == 0 && signo == SIGKILL)
		rc = cps_live_stop(app, &live, SIGKILL, -1);
	else if (rc == 0)
		rc = cps_attach_signal(live.folder, signo, &app->err);
	if (rc == 0)
		puts(text);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "cannot kill container") : 0;
}

static int cmd_kill(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	int status = CPS_EXIT_OK, signo = SIGKILL;
	const char *name;

	CPS_BEGIN(args);
	name = cps_args_get(cmd, &args, "signal");
	if (name && (signo = cps_signal_parse(name, &app->err)) < 0)
		return CPS_EXIT_FAILED;
	for (int i = 0; i < args.count; i++)
		if (kill_one(app, args.args[i], signo) < 0)
			status = cps_item_failed(app, cmd);
	return status;
}

const struct cps_command cps_cmd_kill = {
	.name = "kill",
	.run = cmd_kill,
	.min_args = 1,
	.max_args = ANY,
	.args = "CONTAINER...",
	.summary = "send a signal to containers that run",
	.options =
		{
			SIGNAL("instead of SIGKILL"),
		},
};

/* ---- wait ---- */

static int wait_one(struct cps_app *app, const char *text)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	cps_auto(cps_fd) int socket = -1;
	int rc = cps_live_find(app, text, &live), status;

	if (rc < 0)
		return rc;
	socket = live.alive ? cps_attach_connect(live.folder, NULL) : -1;
	if (socket >= 0 && cps_attach_wait(socket, -1, &status) == 0) {
		printf("%d\n", status);
		return 0;
	}
	/* It ends just now, or its monitor was killed: the state is the truth. */
	while (live.alive) {
		usleep(20000);
		cps_container_state_release(&live.state);
		rc = cps_life_read(live.folder, &live.state, &live.alive, &app->err);
		if (rc < 0)
			return rc;
	}
	printf("%d\n", live.state.exit_code);
	return 0;
}

static int cmd_wait(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	int status = CPS_EXIT_OK;

	CPS_BEGIN(args);
	for (int i = 0; i < args.count; i++)
		if (wait_one(app, args.args[i]) < 0)
			status = cps_item_failed(app, cmd);
	return status;
}

const struct cps_command cps_cmd_wait = {
	.name = "wait",
	.run = cmd_wait,
	.min_args = 1,
	.max_args = ANY,
	.args = "CONTAINER...",
	.summary = "wait for containers to end, print their exit statuses",
};

/* ---- rename, rm ---- */

static int cmd_rename(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};

	CPS_BEGIN(args);
	rc = cps_tops_find(app->store, args.args[0], &info, &app->err);
	if (rc == 0)
		rc = cps_tops_rename(app->store, &info, args.args[1], &app->err);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_rename = {
	.name = "rename",
	.run = cmd_rename,
	.min_args = 2,
	.max_args = 2,
	.args = "CONTAINER NAME",
	.summary = "give a container another name",
};

/* With `force` one that is not there is fine, and one that cannot be read goes too. */
static int remove_one(struct cps_app *app, const char *text, bool force)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	struct cps_top_info info;
	int rc = cps_tops_find(app->store, text, &info, &app->err);

	if (force && rc == -ENOENT) {
		app->err.msg[0] = '\0';
		return 0;
	}
	if (rc < 0 && !(force && rc == -EBADMSG && info.id[0])) {
		cps_top_info_release(&info);
		return rc;
	}
	if (rc == 0)
		rc = cps_live_open(app, &info, &live);
	else
		live.info = info;
	if (rc == 0)
		rc = cps_live_remove(app, &live, force);
	else if (force && rc == -EBADMSG)
		rc = cps_tops_remove(app->store, &live.info, &app->err);
	if (rc == 0)
		puts(text);
	return rc;
}

static int cmd_rm(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	int status = CPS_EXIT_OK;

	CPS_BEGIN(args);
	for (int i = 0; i < args.count; i++)
		if (remove_one(app, args.args[i], CPS_HAS("force")) < 0)
			status = cps_item_failed(app, cmd);
	return status;
}

const struct cps_command cps_cmd_rm = {
	.name = "rm",
	.run = cmd_rm,
	.min_args = 1,
	.max_args = ANY,
	.args = "CONTAINER...",
	.summary = "remove containers and all that was written to them",
	.options =
		{
			SWITCH("force", 'f',
			       "also running and damaged ones; no error for missing "
			       "ones"),
			SWITCH("volumes", 'v', "accepted for docker's sake"),
		},
};

/* ---- top ---- */

/* The processes in the namespace of the init, as ps(1) wants them: "12,34". */
static int list_processes(pid_t init, struct cps_buf *out)
{
	DIR *proc = opendir("/proc");
	struct stat space, st;
	struct dirent *entry;
	char path[64];
	int rc = proc ? 0 : -errno;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)init);
	if (rc == 0 && stat(path, &space) < 0)
		rc = -errno;
	while (rc == 0 && (entry = readdir(proc))) {
		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name) ||
		    atoi(entry->d_name) == init)
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", entry->d_name);
		if (stat(path, &st) == 0 && st.st_ino == space.st_ino &&
		    st.st_dev == space.st_dev)
			rc = cps_buf_printf(out, "%s%s", out->len ? "," : "",
					    entry->d_name);
	}
	if (proc)
		closedir(proc);
	return rc;
}

static int cmd_top(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	cps_auto(cps_strings) struct cps_strings ps = {0};
	cps_auto(cps_buf) struct cps_buf pids = CPS_BUF_INIT(0);

	CPS_BEGIN(args);
	rc = cps_live_running(app, args.args[0], &live);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	rc = list_processes(live.state.pid, &pids);
	if (rc == 0)
		rc = cps_strings_add(&ps, "ps");
	if (rc == 0)
		rc = args.count > 1 ? cps_strings_add_all(&ps, args.args + 1)
				    : cps_strings_add(&ps, "-f");
	if (rc == 0)
		rc = cps_strings_printf(&ps, "-p%s", cps_buf_cstr(&pids));
	if (rc == 0) {
		execvp(ps.v[0], ps.v);
		rc = -errno;
	}
	cps_err_sys(&app->err, rc, "run ps(1)");
	return CPS_EXIT_FAILED;
}

const struct cps_command cps_cmd_top = {
	.name = "top",
	.run = cmd_top,
	.min_args = 1,
	.max_args = ANY,
	.options_first = true,
	.args = "CONTAINER [PS-OPTION...]",
	.summary = "list the processes of a container",
};
