#include "tools/run/life.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/compose.h"

#define LOCK_FILE  "lock"
#define SIGN_BYTES 32  /* "PID TICKS\n" in it */
#define KILLED     137 /* 128 + SIGKILL */

static const struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

int cps_life_lock(int folder, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = openat(
		folder, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct flock lock = whole_file;

	if (fd < 0)
		return cps_err_sys(err, -errno, "open '" LOCK_FILE "'");
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES
			       ? cps_err_set(err, -EBUSY, "it is running")
			       : cps_err_sys(err, -errno, "lock '" LOCK_FILE "'");
	return CPS_TAKE_FD(fd);
}

void cps_life_unlock(int lock)
{
	struct flock free_it = whole_file;

	free_it.l_type = F_UNLCK;
	fcntl(lock, F_OFD_SETLK, &free_it);
}

void cps_life_sign(int lock)
{
	char text[SIGN_BYTES + 1];
	uint64_t began;

	if (cps_life_began(getpid(), &began) < 0)
		return;
	/* Always as long, so that nothing of an older one is left behind it. */
	snprintf(text, sizeof(text), "%10d %20" PRIu64 "\n", (int)getpid(), began);
	if (cps_pwrite_full(lock, text, SIGN_BYTES, 0) < 0)
		cps_warn("the monitor's name is not on record: %s", strerror(errno));
}

/* Asks without taking, so that a look never keeps a start away. */
static int is_locked(int folder, bool *out, struct cps_err *err)
{
	cps_auto(cps_fd) int fd =
		openat(folder, LOCK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct flock lock = whole_file;

	*out = false;
	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : cps_err_sys(err, -errno, "open '" LOCK_FILE "'");
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return cps_err_sys(err, -errno, "ask for '" LOCK_FILE "'");
	*out = lock.l_type != F_UNLCK;
	return 0;
}

/* The last sign of life: nobody was there to tell the end. */
static void guess_end(int folder, struct cps_container_state *state)
{
	static const char *const signs[] = {"log", "output", CPS_STATE_FILE};
	struct timespec last = {0};
	char seconds[CPS_TIME_TEXT];
	struct stat st;

	for (size_t i = 0; i < CPS_ARRAY_LEN(signs); i++)
		if (fstatat(folder, signs[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtim.tv_sec > last.tv_sec)
			last = st.st_mtim;
	cps_time_text(last.tv_sec, seconds);
	snprintf(state->finished, sizeof(state->finished), "%.19s.%09ldZ", seconds,
		 last.tv_nsec);
}

int cps_life_read(int folder, struct cps_container_state *out, bool *alive,
		  struct cps_err *err)
{
	bool before, after;
	int rc;

	do {
		rc = is_locked(folder, &before, err);
		if (rc == 0)
			rc = cps_container_state_read(folder, out, err);
		if (rc == 0)
			rc = is_locked(folder, &after, err);
		if (rc < 0)
			return rc;
		if (before != after)
			cps_container_state_release(out);
	} while (before != after);
	if (alive)
		*alive = after;
	if (after || out->status != CPS_CONTAINER_RUNNING)
		return 0;
	out->status = CPS_CONTAINER_EXITED;
	out->exit_code = KILLED;
	out->pid = 0;
	guess_end(folder, out);
	return 0;
}

int cps_life_began(pid_t pid, uint64_t *ticks)
{
	char path[32], text[1024] = "", *at;
	cps_auto(cps_fd) int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || cps_read_full(fd, text, sizeof(text) - 1) <= 0)
		return -ESRCH;
	/* The name may hold anything, but no text after it has a ')'. */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EBADMSG;
	*ticks = strtoull(at + 1, NULL, 10);
	return 0;
}

/* A pidfd of the process that began then; -ESRCH. */
static int open_process(pid_t pid, uint64_t ticks)
{
	cps_auto(cps_fd) int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	uint64_t began;

	/* Looked at once the descriptor holds the number. */
	if (fd < 0 || cps_life_began(pid, &began) < 0 || began != ticks)
		return -ESRCH;
	return CPS_TAKE_FD(fd);
}

int cps_life_init(const struct cps_container_state *state, struct cps_err *err)
{
	int fd = open_process(state->pid, state->pid_started);

	return fd < 0 ? cps_err_set(err, fd, "it has just ended") : fd;
}

int cps_life_monitor(int folder)
{
	cps_auto(cps_fd) int fd =
		openat(folder, LOCK_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[SIGN_BYTES + 1] = "";
	uint64_t began;
	int pid;

	if (fd < 0 || cps_pread_full(fd, text, SIGN_BYTES, 0) < 0 ||
	    sscanf(text, "%d %" SCNu64, &pid, &began) != 2)
		return -ESRCH;
	return open_process(pid, began);
}

int cps_life_count(int folder, const char *file)
{
	cps_auto(cps_fd) int fd =
		openat(folder, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct flock lock = whole_file;
	char text[16] = "";
	int n;

	if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &lock) < 0 ||
	    pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	n = atoi(text) + 1;
	snprintf(text, sizeof(text), "%d\n", n);
	return pwrite(fd, text, strlen(text), 0) < 0 ? -errno : n;
}
