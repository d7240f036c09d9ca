#include "tools/live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "fs/top/control.h"
#include "store/base/clock.h"
#include "store/base/fd.h"
#include "store/base/log.h"
#include "tools/run/attach.h"
#include "tools/run/life.h"
#include "tools/run/monitor.h"
#include "tools/run/spec.h"
#include "tools/run/window.h"

#define END_MS      60000 /* for a monitor's last sync */
#define ALONE_MS    5000  /* for a monitor that is deaf to see its program's end */
#define PAUSE_MS    20
#define KILL_REPEAT 3

void cps_live_release(struct cps_live *live)
{
	if (live->folder >= 0)
		close(live->folder);
	cps_top_info_release(&live->info);
	cps_container_config_release(&live->config);
	cps_container_state_release(&live->state);
	*live = (struct cps_live)CPS_LIVE_INIT;
}

int cps_live_open(struct cps_app *app, struct cps_top_info *info, struct cps_live *out)
{
	struct cps_err err = CPS_ERR_INIT;
	int rc;

	*out = (struct cps_live){.folder = -1, .info = *info};
	*info = (struct cps_top_info){0};
	out->folder = cps_tops_peek(app->store, &out->info, &app->err);
	if (out->folder < 0)
		return out->folder;
	rc = cps_container_config_read(out->folder, &out->config, &err);
	out->by_run = rc != -ENOENT;
	if (rc == 0 || rc == -ENOENT)
		rc = cps_life_read(out->folder, &out->state, &out->alive, &err);
	return rc < 0 ? cps_err_set(&app->err, rc, "container '%s': %s", out->info.name,
				    err.msg)
		      : 0;
}

int cps_live_find(struct cps_app *app, const char *text, struct cps_live *out)
{
	struct cps_top_info info;
	int rc = cps_tops_find(app->store, text, &info, &app->err);

	*out = (struct cps_live)CPS_LIVE_INIT;
	if (rc == 0)
		return cps_live_open(app, &info, out);
	cps_top_info_release(&info);
	return rc;
}

int cps_live_running(struct cps_app *app, const char *text, struct cps_live *out)
{
	int rc = cps_live_find(app, text, out);

	if (rc == 0 && !cps_live_is_running(out))
		rc = cps_err_set(&app->err, -ENOTCONN, "container '%s' is not running",
				 text);
	return rc;
}

bool cps_live_is_mounted(const struct cps_live *live)
{
	return !live->alive && cps_control_alive(live->folder);
}

/* ---- attached ---- */

static void pause_briefly(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};

	nanosleep(&pause, NULL);
}

/* Until the lock is free: the end of a monitor that cannot be talked to. */
static int await_lock(struct cps_app *app, struct cps_live *live, int timeout_ms)
{
	const int64_t deadline = cps_now_ms() + timeout_ms;

	do {
		cps_container_state_release(&live->state);
		if (cps_life_read(live->folder, &live->state, &live->alive, &app->err) <
		    0)
			return -EIO;
		if (!live->alive)
			return 0;
		pause_briefly();
	} while (cps_now_ms() < deadline);
	return cps_err_set(&app->err, -ETIME, "container '%s' does not end",
			   live->info.name);
}

/* The state is the truth when the monitor has not told the end. Its descriptors go one
 * after the other, the lock perhaps behind the socket. */
static int lost(struct cps_app *app, struct cps_live *live)
{
	int rc = await_lock(app, live, END_MS);

	cps_warn("container '%s': its monitor is gone", live->info.name);
	return rc < 0 ? rc : live->state.exit_code;
}

static int look(struct cps_app *app, struct cps_live *live, int socket, bool input)
{
	const struct cps_attach_opts opts = {
		.socket = socket,
		.folder = live->folder,
		.stdin_too = input && live->config.open_stdin,
		.terminal = live->config.tty,
		.signals = !live->config.tty,
	};
	int status = 0, end = cps_attach(&opts, &status, &app->err);

	if (end == CPS_ATTACH_LOST)
		return lost(app, live);
	if (end == CPS_ATTACH_DETACHED)
		fputs("\nread escape sequence\n", stderr);
	return end == CPS_ATTACH_EXITED ? status : end < 0 ? end : 0;
}

static int check_terminal(struct cps_app *app, const struct cps_live *live, bool input)
{
	if (input && live->config.open_stdin && live->config.tty &&
	    !isatty(STDIN_FILENO))
		return cps_err_set(&app->err, -ENOTTY, "the input device is not a TTY");
	return 0;
}

int cps_live_start(struct cps_app *app, struct cps_live *live, bool attach, bool input)
{
	unsigned short rows, columns;
	cps_auto(cps_fd) int socket = -1;
	int rc;

	if (!live->by_run)
		return cps_err_set(&app->err, -EINVAL,
				   "container '%s' was made by a mount: it has no "
				   "command",
				   live->info.name);
	rc = attach ? check_terminal(app, live, input) : 0;
	if (rc < 0)
		return rc;
	cps_window_size(STDIN_FILENO, &rows, &columns);
	rc = cps_monitor_start(app->store, &live->info, &live->config, rows, columns,
			       attach ? &socket : NULL, &app->err);
	if (rc < 0 || !attach)
		return rc;
	return look(app, live, socket, input);
}

int cps_live_attach(struct cps_app *app, struct cps_live *live, bool input)
{
	cps_auto(cps_fd) int socket = -1;
	int rc = check_terminal(app, live, input);

	if (rc < 0)
		return rc;
	socket = cps_attach_connect(live->folder, &app->err);
	rc = socket < 0 ? socket : cps_attach_hello(socket, &app->err);
	return rc < 0 ? rc : look(app, live, socket, input);
}

/* ---- ending ---- */

/* pidfd  ended here; -errno: there is none */
static void kill_process(int pidfd)
{
	if (pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
}

/* By the kernel alone, when the monitor does not answer. It may still tell the end of
 * its program; if not, nobody is left who could. */
static int end_by_force(struct cps_app *app, struct cps_live *live)
{
	kill_process(cps_life_init(&live->state, NULL));
	if (await_lock(app, live, ALONE_MS) == 0)
		return 0;
	kill_process(cps_life_monitor(live->folder));
	return await_lock(app, live, END_MS);
}

int cps_live_answers(struct cps_app *app, const struct cps_live *live)
{
	int rc = cps_attach_signal(live->folder, 0, &app->err);

	return rc == -ETIME
		       ? cps_err_wrap(&app->err, rc, "container '%s'", live->info.name)
		       : 0;
}

int cps_live_stop(struct cps_app *app, struct cps_live *live, int signo, int grace_ms)
{
	cps_auto(cps_fd) int socket = cps_attach_connect(live->folder, NULL);
	int status, rc;
	bool heard;

	/* It ends just now, or begins just now; or its socket is lost, and only the
	 * kernel reaches it. */
	if (socket < 0) {
		if (signo != SIGKILL &&
		    await_lock(app, live, grace_ms < 0 ? END_MS : grace_ms) == 0)
			return 0;
		return end_by_force(app, live);
	}
	heard = cps_attach_signal(live->folder, signo, NULL) != -ETIME;
	rc = heard || signo != SIGKILL ? cps_attach_wait(socket, grace_ms, &status)
				       : -ETIME;
	if (rc == -ETIME &&
	    (!heard || cps_attach_signal(live->folder, SIGKILL, NULL) == -ETIME))
		return end_by_force(app, live);
	if (rc == -ETIME)
		rc = cps_attach_wait(socket, END_MS, &status);
	if (rc == -ETIME)
		return cps_err_set(&app->err, rc, "container '%s' does not end",
				   live->info.name);
	return rc == 0 ? 0 : await_lock(app, live, END_MS);
}

/* A monitor that was killed leaves them. */
static void remove_groups(const struct cps_live *live)
{
	char name[CPS_TOP_ID_LEN + 8];

	if (!live->config.memory_bytes && !live->config.nano_cpus && !live->config.pids)
		return;
	cps_spec_cgroup(live->info.id, name, sizeof(name));
	cps_sandbox_cgroup_remove(name);
}

int cps_live_remove(struct cps_app *app, struct cps_live *live, bool force)
{
	cps_auto(cps_fd) int lock = -1;
	int rc = 0;

	if (live->alive && !force)
		return cps_err_set(&app->err, -EBUSY,
				   "cannot remove container '%s': container is "
				   "running: stop the container before removing or "
				   "force remove",
				   live->info.name);
	for (int i = 0; i < KILL_REPEAT && rc == 0; i++) {
		if (live->alive)
			rc = cps_live_stop(app, live, SIGKILL, END_MS);
		if (rc == -ETIME)
			rc = end_by_force(app, live);
		/* From here on nobody starts it. */
		if (rc == 0)
			lock = cps_life_lock(live->folder, &app->err);
		if (rc == 0 && lock != -EBUSY)
			break;
	}
	/* One that was run with --rm has removed itself. */
	if (faccessat(live->folder, "top.json", F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	if (rc == 0 && lock < 0)
		rc = lock;
	if (rc == 0)
		remove_groups(live);
	return rc < 0 ? rc : cps_tops_remove(app->store, &live->info, &app->err);
}
