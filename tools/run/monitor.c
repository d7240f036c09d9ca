#include "tools/run/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/mount.h"
#include "fs/opened.h"
#include "fs/top/control.h"
#include "store/base/log.h"
#include "store/base/unix.h"
#include "store/folder.h"
#include "tools/run/crowd.h"
#include "tools/run/ends.h"
#include "tools/run/life.h"
#include "tools/run/output.h"
#include "tools/run/rootless.h"
#include "tools/run/spec.h"

#define WORKERS   1     /* threads that decode ahead */
#define REMOVE_MS 10000 /* for those who still look at what is to be removed */
#define PAUSE_MS  20
#define BUNDLE    "bundle"

enum { STATUS_OURS = 125, STATUS_ACCESS = 126, STATUS_MISSING = 127 };

struct monitor {
	const struct cps_monitor_opts *opts;
	struct cps_spec spec;
	struct cps_container_state state;
	struct cps_opened opened;
	struct cps_mount *mount;
	struct cps_control *control;
	struct cps_sandbox *box;
	struct cps_crowd *crowd;
	int folder, lock, client, signals;
	char bundle[PATH_MAX]; /* of an OCI runtime; "" none */
};

/* ---- beginning ---- */

/* Signals are taken from a descriptor; threads made from now on leave them to it. */
static int catch_signals(struct monitor *m, struct cps_err *err)
{
	static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CPS_ARRAY_LEN(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals < 0 ? cps_err_sys(err, -errno, "make a signalfd") : 0;
}

static int mount_top(struct monitor *m, struct cps_err *err)
{
	struct cps_root_opts root = {.workers = WORKERS};
	const struct cps_top_opts top = {.is_volatile = m->opts->config->auto_remove};
	struct cps_mount_opts mount;
	int rc;

	cps_mount_defaults(&mount);
	root.keep_bytes = (uint64_t)mount.keep_mb << 20;
	rc = cps_open_top(m->opts->store, m->opts->info, &root, &top, &m->opened, err);
	if (rc < 0)
		return rc;
	mount.fsname = m->opts->info->name;
	mount.suid = mount.allow_other = mount.default_permissions = true;
	rc = cps_mount_open(m->opened.top, &mount, &m->mount, err);
	if (rc == 0)
		rc = cps_mount_start(m->mount, err);
	if (rc == 0)
		rc = cps_control_start(m->opened.top, m->opened.dirfd,
				       cps_mount_root(m->mount), ".", &m->control, err);
	return rc;
}

/* From here on output is kept and passed on. */
static int gather(struct monitor *m, struct cps_ends *ends, int tty,
		  struct cps_err *err)
{
	struct cps_crowd_opts crowd = {
		.client = CPS_TAKE_FD(m->client),
		.in = CPS_TAKE_FD(ends->in[1]),
		.out = m->opts->config->tty ? tty : CPS_TAKE_FD(ends->out[0]),
		.err = CPS_TAKE_FD(ends->err[0]),
		.terminal = m->opts->config->tty,
		.box = m->box,
	};
	int rc;

	crowd.output = cps_output_open(m->folder, err);
	crowd.listen = cps_unix_listen(m->folder, CPS_ATTACH_SOCKET, SOCK_STREAM);
	rc = cps_crowd_new(&crowd, &m->crowd, err);
	if (rc < 0 || crowd.output < 0)
		return rc < 0 ? rc : crowd.output;
	return crowd.listen < 0 ? cps_err_sys(err, crowd.listen,
					      "make the socket '" CPS_ATTACH_SOCKET "'")
				: 0;
}

/* Why the program does not run, as a shell's $? would have it. */
static int status_of(int rc)
{
	return rc == -ENOENT   ? STATUS_MISSING
	       : rc == -EACCES ? STATUS_ACCESS
			       : STATUS_OURS;
}

static int start_program(struct monitor *m, struct cps_err *err)
{
	struct cps_ends ends = CPS_ENDS_INIT;
	struct cps_process *process = &m->spec.process;
	int tty = -1, rc = cps_ends_make(m->opts->config, &ends, process, err);

	process->rows = m->opts->rows;
	process->columns = m->opts->columns;
	if (rc == 0) {
		rc = cps_sandbox_start(m->box, cps_mount_root(m->mount), process, &tty,
				       err);
		m->state.exit_code = rc < 0 ? status_of(rc) : 0;
	}
	if (rc == 0)
		rc = gather(m, &ends, tty, err);
	cps_ends_close(&ends);
	return rc;
}

static int tell_running(struct monitor *m, struct cps_err *err)
{
	m->state.status = CPS_CONTAINER_RUNNING;
	m->state.pid = cps_sandbox_pid(m->box);
	m->state.monitor = getpid();
	m->state.runs++;
	m->state.exit_code = 0;
	m->state.finished[0] = '\0';
	cps_now_text(m->state.started);
	/* Gone already, it is told as the end of what was running. */
	if (cps_life_began(m->state.pid, &m->state.pid_started) < 0)
		m->state.pid_started = 0;
	return cps_container_state_write(m->folder, &m->state, false, err);
}

/* An OCI runtime wants a folder with a name, for its config. */
static int make_bundle(struct monitor *m, struct cps_err *err)
{
	char link[32];
	ssize_t n;

	if (!m->opts->config->runtime[0])
		return 0;
	if (mkdirat(m->folder, BUNDLE, 0700) < 0 && errno != EEXIST)
		return cps_err_sys(err, -errno, "make the folder '" BUNDLE "'");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", m->folder);
	n = readlink(link, m->bundle, sizeof(m->bundle) - sizeof(BUNDLE) - 1);
	if (n < 0)
		return cps_err_sys(err, -errno, "find the container's folder");
	strcpy(m->bundle + n, "/" BUNDLE);
	m->spec.opts.runtime = m->opts->config->runtime;
	m->spec.opts.bundle = m->bundle;
	return 0;
}

static int begin(struct monitor *m, struct cps_err *err)
{
	const struct cps_monitor_opts *o = m->opts;
	bool rootless = false;
	int rc;

	m->state.exit_code = STATUS_OURS;
	m->folder = cps_tops_peek(o->store, o->info, err);
	if (m->folder < 0)
		return m->folder;
	rc = cps_container_state_read(m->folder, &m->state, err);
	m->state.exit_code = STATUS_OURS;
	free(m->state.error);
	m->state.error = NULL;
	/* What is mounted in a namespace must have been opened in it. */
	if (rc == 0)
		rc = cps_become_root(&rootless, err);
	if (rc == 0)
		rc = cps_spec_make(o->store, o->info, o->config, &m->spec, err);
	m->spec.opts.rootless = rootless;
	if (rc == 0)
		rc = make_bundle(m, err);
	/* The init comes before any thread. */
	if (rc == 0)
		rc = cps_sandbox_new(&m->spec.opts, &m->box, err);
	if (rc == 0)
		rc = catch_signals(m, err);
	if (rc == 0)
		rc = mount_top(m, err);
	if (rc == 0)
		rc = start_program(m, err);
	return rc == 0 ? tell_running(m, err) : rc;
}

/* ---- the end ---- */

/* The top as the program left it, with a mark of its own. */
static void close_top(struct monitor *m, bool ran)
{
	const struct cps_top_who nobody = {.pid = 0};
	struct cps_err err = CPS_ERR_INIT;
	uint64_t upto;
	char mark[32];
	int rc = 0;

	cps_control_stop(m->control);
	if (m->mount)
		cps_mount_stop(m->mount, NULL);
	snprintf(mark, sizeof(mark), "exit-%u", m->state.runs);
	if (ran && !m->opts->config->auto_remove)
		rc = cps_top_mark(m->opened.top, &nobody, mark, &upto, &err);
	if (rc < 0)
		cps_warn("no mark '%s': %s", mark, err.msg);
	cps_mount_close(m->mount);
	if (m->opened.top && cps_opened_close(&m->opened, &err) < 0)
		cps_log(CPS_LOG_ERROR, "container '%s': %s", m->opts->info->name,
			err.msg);
}

/* Somebody may be looking at it just now. */
static void remove_container(struct monitor *m)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	struct cps_err err = CPS_ERR_INIT;
	int rc = -EBUSY;

	for (int ms = 0; ms < REMOVE_MS && rc == -EBUSY; ms += PAUSE_MS) {
		rc = cps_tops_remove(m->opts->store, m->opts->info, &err);
		if (rc == -EBUSY)
			nanosleep(&pause, NULL);
	}
	if (rc < 0 && rc != -ENOENT)
		cps_log(CPS_LOG_ERROR, "%s", err.msg);
}

static void write_end(struct monitor *m)
{
	struct cps_err err = CPS_ERR_INIT;
	bool durable = !m->opts->config->auto_remove;

	m->state.pid = m->state.monitor = 0;
	m->state.pid_started = 0;
	if (cps_container_state_write(m->folder, &m->state, durable, &err) < 0)
		cps_log(CPS_LOG_ERROR, "container '%s': %s", m->opts->info->name,
			err.msg);
}

static void let_go(struct monitor *m)
{
	cps_crowd_free(m->crowd);
	cps_sandbox_free(m->box);
	cps_spec_release(&m->spec);
	cps_container_state_release(&m->state);
	if (m->client >= 0)
		close(m->client);
	if (m->lock >= 0)
		close(m->lock);
	if (m->folder >= 0)
		close(m->folder);
}

static void end_box(struct monitor *m)
{
	cps_sandbox_free(CPS_TAKE(m->box));
	if (m->bundle[0] && cps_folder_remove(m->folder, BUNDLE) < 0)
		cps_warn("the folder '" BUNDLE "' of container '%s' is left",
			 m->opts->info->name);
}

static void fail_start(struct monitor *m, struct cps_daemon *daemon, int rc,
		       struct cps_err *err)
{
	end_box(m);
	close_top(m, false);
	if (m->folder >= 0) {
		unlinkat(m->folder, CPS_ATTACH_SOCKET, 0);
		free(m->state.error);
		m->state.error = strdup(err->msg);
		write_end(m);
	}
	let_go(m);
	cps_daemonize_ready(daemon, rc, err);
}

static void live(struct monitor *m)
{
	int status;

	cps_crowd_serve(m->crowd, m->signals);
	status = cps_sandbox_status(m->box);
	unlinkat(m->folder, CPS_ATTACH_SOCKET, 0);
	cps_crowd_drain(m->crowd);
	end_box(m);
	m->state.status = CPS_CONTAINER_EXITED;
	m->state.exit_code = status;
	cps_now_text(m->state.finished);
	close_top(m, true);
	write_end(m);
	if (m->opts->config->auto_remove)
		remove_container(m);
	/* Whoever hears of the end may start it again. */
	cps_life_unlock(m->lock);
	cps_crowd_dismiss(m->crowd, status);
	let_go(m);
}

void cps_monitor_run(const struct cps_monitor_opts *opts, struct cps_daemon *daemon)
{
	struct monitor m = {
		.opts = opts,
		.opened = CPS_OPENED_INIT,
		.folder = -1,
		.lock = opts->lock,
		.client = opts->client,
		.signals = -1,
	};
	struct cps_err err = CPS_ERR_INIT;
	int rc;

	cps_life_sign(opts->lock);
	rc = begin(&m, &err);
	if (rc < 0) {
		fail_start(&m, daemon, rc, &err);
		return;
	}
	cps_daemonize_ready(daemon, 0, NULL);
	live(&m);
}

/* ---- the other side ---- */

int cps_monitor_start(struct cps_store *store, const struct cps_top_info *info,
		      const struct cps_container_config *config, unsigned short rows,
		      unsigned short columns, int *attached, struct cps_err *err)
{
	static struct cps_daemon daemon;
	struct cps_monitor_opts opts = {
		.store = store,
		.info = info,
		.config = config,
		.lock = -1,
		.client = -1,
		.rows = rows,
		.columns = columns,
	};
	cps_auto(cps_fd) int folder = cps_tops_peek(store, info, err);
	int ends[2] = {-1, -1}, rc;

	if (folder < 0)
		return folder;
	opts.lock = cps_life_lock(folder, err);
	if (opts.lock < 0)
		return opts.lock;
	if (attached && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		rc = cps_err_sys(err, -errno, "make a socket");
	else
		rc = 0;
	daemon = (struct cps_daemon)CPS_DAEMON_INIT;
	if (rc == 0)
		rc = cps_daemonize_begin(&daemon, err);
	if (rc == 0) {
		if (ends[0] >= 0)
			close(ends[0]);
		opts.client = ends[1];
		cps_log_sink(cps_daemon_log, &daemon);
		cps_monitor_run(&opts, &daemon);
		_exit(0);
	}
	close(opts.lock);
	if (ends[1] >= 0)
		close(ends[1]);
	if (rc < 0 && ends[0] >= 0)
		close(CPS_TAKE_FD(ends[0]));
	if (attached)
		*attached = ends[0];
	return rc < 0 ? rc : 0;
}
