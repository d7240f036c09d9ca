/* One more program in a container that runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "fs/daemon.h"
#include "fs/top/control.h"
#include "store/base/fd.h"
#include "store/base/log.h"
#include "tools/live.h"
#include "tools/options.h"
#include "tools/run/attach.h"
#include "tools/run/life.h"
#include "tools/run/relay.h"
#include "tools/run/spec.h"
#include "tools/run/window.h"
#include "tools/run_options.h"

enum { STATUS_ACCESS = 126, STATUS_MISSING = 127, STATUS_SIGNAL = 128 };

/* The moment before it has a name, exec-N. */
static void leave_mark(const struct cps_live *live)
{
	struct cps_err err = CPS_ERR_INIT;
	int n = cps_life_count(live->folder, "execs");
	uint64_t upto;
	char name[32];

	snprintf(name, sizeof(name), "exec-%d", n);
	if (n < 0 || cps_control_mark(live->folder, name, &upto, &err) < 0)
		cps_warn("no mark before the exec: %s", n < 0 ? strerror(-n) : err.msg);
}

static int make_process(struct cps_app *app, const struct cps_command *cmd,
			const struct cps_args *args, const struct cps_live *live,
			struct cps_strings *env, struct cps_process *out)
{
	const struct cps_container_config *c = &live->config;
	const char *user = cps_args_get(cmd, args, "user");
	const char *cwd = cps_args_get(cmd, args, "workdir");
	int rc;

	*out = (struct cps_process){
		.argv = args->args + 1,
		.cwd = cwd                 ? cwd
		       : c->working_dir[0] ? c->working_dir
					   : "/",
		.user = user ? user : c->user,
		.terminal = cps_args_get(cmd, args, "tty") != NULL,
	};
	if (out->cwd[0] != '/')
		return cps_err_set(&app->err, -EINVAL,
				   "the working directory '%s' is no absolute path",
				   out->cwd);
	rc = cps_spec_powers(c, &out->powers, &app->err);
	if (rc < 0)
		return rc;
	rc = cps_spec_env(c, out->terminal, env);
	if (rc == 0)
		rc = cps_env_options(app, cmd, args, env);
	out->env = env->v;
	cps_window_size(STDIN_FILENO, &out->rows, &out->columns);
	return rc == -ENOMEM ? cps_err_nomem(&app->err) : rc;
}

static int await(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

/* Its status, or -errno. */
static int run(struct cps_app *app, struct cps_live *live, struct cps_process *process,
	       bool input)
{
	cps_auto(cps_fd) int init = cps_life_init(&live->state, &app->err);
	cps_auto(cps_fd) int tty = -1;
	cps_auto(cps_relay) struct cps_relay relay = CPS_RELAY_INIT;
	pid_t pid;
	int rc;

	if (init < 0)
		return init;
	rc = process->terminal ? 0 : cps_relay_open(&relay, input, &app->err);
	if (rc < 0)
		return rc;
	memcpy(process->stdio, relay.theirs, sizeof(process->stdio));
	leave_mark(live);
	rc = cps_sandbox_exec(init, process, &pid, &tty, &app->err);
	if (rc == 0 && !process->terminal)
		rc = cps_relay_run(&relay, pid, &app->err);
	if (rc < 0)
		return rc;
	if (tty >= 0 && cps_attach_terminal(tty, input) == CPS_ATTACH_DETACHED)
		return 0;
	return await(pid);
}

static int failed(struct cps_app *app, const struct cps_command *cmd, int rc)
{
	cps_item_failed(app, cmd);
	return rc == -ENOENT   ? STATUS_MISSING
	       : rc == -EACCES ? STATUS_ACCESS
			       : CPS_EXIT_RUN;
}

/* In the background: its parent is a process that waits for it, and nobody for that. */
static int run_detached(struct cps_app *app, struct cps_live *live,
			struct cps_process *process)
{
	static struct cps_daemon daemon = CPS_DAEMON_INIT;
	cps_auto(cps_fd) int init = cps_life_init(&live->state, &app->err);
	cps_auto(cps_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cps_auto(cps_fd) int tty = -1;
	pid_t pid;
	int rc = init < 0 ? init : cps_daemonize_begin(&daemon, &app->err);

	if (rc)
		return rc < 0 ? rc : 0;
	for (int i = 0; i < 3; i++)
		process->stdio[i] = null;
	leave_mark(live);
	rc = cps_sandbox_exec(init, process, &pid, &tty, &app->err);
	cps_daemonize_ready(&daemon, rc, &app->err);
	_exit(rc < 0 ? 1 : await(pid));
}

static int cmd_exec(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	cps_auto(cps_strings) struct cps_strings env = {0};
	struct cps_process process;
	struct cps_args args;
	bool input;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : CPS_EXIT_RUN;
	input = CPS_HAS("interactive");
	if (input && CPS_HAS("tty") && !CPS_HAS("detach") && !isatty(STDIN_FILENO)) {
		cps_err_set(&app->err, 0, "the input device is not a TTY");
		return CPS_EXIT_FAILED;
	}
	if (cps_store_open(app->root, &app->store, &app->err) < 0 ||
	    cps_live_running(app, args.args[0], &live) < 0 ||
	    cps_live_answers(app, &live) < 0)
		return CPS_EXIT_FAILED;
	if (make_process(app, cmd, &args, &live, &env, &process) < 0)
		return cps_run_failed(app, cmd);
	rc = CPS_HAS("detach") ? run_detached(app, &live, &process)
			       : run(app, &live, &process, input);
	return rc < 0 ? failed(app, cmd, rc) : rc;
}

const struct cps_command cps_cmd_exec = {
	.name = "exec",
	.run = cmd_exec,
	.min_args = 2,
	.max_args = ANY,
	.options_first = true,
	.args = "CONTAINER CMD...",
	.summary = "run one more program in a container that runs",
	.options =
		{
			SWITCH("interactive", 'i', "pass the standard input on"),
			SWITCH("tty", 't', "give it a terminal"),
			SWITCH("detach", 'd', "do not wait for it"),
			ENV,
			ENV_FILE,
			OPTION("workdir", 'w', "DIR", "start in DIR"),
			OPTION("user", 'u', "USER[:GROUP]", "run as USER of the image"),
		},
	.more = "The exit status is the program's; 125, 126 and 127 as for run. The "
		"moment before it gets a mark, exec-N.",
};
