#include "fs/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/fd.h"
#include "store/base/mem.h"
#include "store/base/path.h"

/* What the child writes, once: at most PIPE_BUF would be atomic, but there is only one
 * writer, and the reader reads until it is complete. */
struct message {
	int32_t rc;
	char text[CPS_ERR_MAX];
};

static int child_died(pid_t child, struct cps_err *err)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return cps_err_set(err, -ECHILD, "the driver was ended by a signal: %s",
				   strsignal(WTERMSIG(status)));
	return cps_err_set(err, -ECHILD, "the driver ended before it was ready");
}

static int await_child(int fd, pid_t child, struct cps_err *err)
{
	struct message message;
	ssize_t n = cps_read_full(fd, &message, sizeof(message));

	if (n != (ssize_t)sizeof(message))
		return child_died(child, err);
	message.text[sizeof(message.text) - 1] = '\0';
	if (message.rc == 0)
		return 1;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return cps_err_set(err, message.rc, "%s", message.text);
}

int cps_daemonize_begin(struct cps_daemon *daemon, struct cps_err *err)
{
	int ends[2];
	pid_t child;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "make a pipe");
	fflush(NULL); /* or the child would write it again */
	child = fork();
	if (child == 0) {
		close(ends[0]);
		setsid();
		daemon->ready_fd = ends[1];
		return 0;
	}
	rc = child < 0 ? cps_err_sys(err, -errno, "fork") : 0;
	close(ends[1]);
	if (rc == 0)
		rc = await_child(ends[0], child, err);
	close(ends[0]);
	return rc;
}

/* A lock or a pipe of whoever called must not last as long as the mount. Ours are all
 * closed on exec; what is not was there before us. */
static void close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		int fd = atoi(de->d_name);

		if (fd > STDERR_FILENO && fcntl(fd, F_GETFD) == 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static void leave_terminal(struct cps_daemon *daemon)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	atomic_store(&daemon->detached, true);
	fflush(NULL);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	close_inherited();
	/* A folder that somebody wants to unmount must not be held. */
	if (chdir("/") < 0)
		cps_warn("chdir to /: %s", strerror(errno));
}

void cps_daemonize_ready(struct cps_daemon *daemon, int rc, const struct cps_err *err)
{
	struct message message = {.rc = rc};

	if (daemon->ready_fd < 0)
		return;
	if (rc < 0 && err)
		memcpy(message.text, err->msg, sizeof(message.text));
	if (rc == 0)
		leave_terminal(daemon);
	/* A parent that is gone needs no answer. */
	cps_write_full(daemon->ready_fd, &message, sizeof(message));
	close(daemon->ready_fd);
	daemon->ready_fd = -1;
}

/* Lines carry names out of images; they must not steer the terminal. */
static void say(const char *text)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);

	if (cps_escape(&out, text, strlen(text)) == 0)
		fprintf(stderr, "capas: %s\n", cps_buf_cstr(&out));
}

void cps_daemon_log(void *ctx, enum cps_log_level level, const char *text)
{
	static const int priorities[] = {
		[CPS_LOG_ERROR] = LOG_ERR,
		[CPS_LOG_WARN] = LOG_WARNING,
		[CPS_LOG_INFO] = LOG_INFO,
		[CPS_LOG_DEBUG] = LOG_DEBUG,
	};
	struct cps_daemon *daemon = ctx;

	if (atomic_load(&daemon->detached))
		syslog(LOG_DAEMON | priorities[level], "%s", text);
	else if (level <= CPS_LOG_INFO)
		say(text);
}
