#include <signal.h>
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "posix.h"

/* Behaviours 41, 43 and 45: syncing, running programs, handles. */

static void sync_answers(void)
{
	int fd = open_ok("big", O_RDWR), dir = open_ok("dir", O_RDONLY | O_DIRECTORY);

	CHECK(pwrite(fd, "synced", 6, 10) == 6 && fsync(fd) == 0 && fdatasync(fd) == 0);
	put("dir/new", "new");
	CHECK(fsync(dir) == 0 && syncfs(dir) == 0);
	CHECK(fsync(open_ok("b", O_RDONLY)) == 0);
	CHECK(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE) == 0);
	CHECK(write(open_ok("b", O_WRONLY | O_SYNC), "s", 1) == 1);
	FAILS(EINVAL, fsync(open_ok("fifo", O_RDWR)));
}

/* ---- programs ---- */

static pid_t start(const char *path)
{
	pid_t pid;
	int pipes[2];
	char c;

	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		execl(path, path, "60", (char *)NULL);
		_exit(write(pipes[1], "x", 1) == 1);
	}
	close(pipes[1]);
	CHECK(read(pipes[0], &c, 1) == 0); /* closed by execve() */
	close(pipes[0]);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void running_programs_are_busy(void)
{
	pid_t lower = start("./prog"), upper;

	FAILS(ETXTBSY, open("prog", O_WRONLY));
	FAILS(ETXTBSY, truncate("prog", 0));
	copy_file("/bin/sleep", "copy");
	upper = start("./copy");
	FAILS(ETXTBSY, open("copy", O_RDWR));
	/* What an upgrade does. */
	CHECK(rename("copy", "prog") == 0);
	FAILS(ETXTBSY, open("prog", O_RDWR));
	end(lower);
	end(upper);
	end(start("./prog"));
	close(open_ok("prog", O_RDWR));
	CHECK(chmod("prog", 0644) == 0 && access("prog", X_OK) < 0);
}

static void run_id(void)
{
	char out[32] = "";
	int pipes[2], status;
	pid_t pid;

	CHECK(pipe(pipes) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		execl("./id", "id", "-u", (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(read(pipes[0], out, sizeof(out)) > 0);
	IS(0, atoi(out));
}

static bool nosuid(void)
{
	struct statvfs st;

	CHECK(statvfs(".", &st) == 0);
	return st.f_flag & ST_NOSUID;
}

static void setuid_programs_run(void)
{
	running_programs_are_busy();
	if (nosuid())
		skipped("mounted nosuid");
	copy_file("/usr/bin/id", "id");
	CHECK(chmod("id", 04755) == 0);
	as_user(USER, USER, run_id);
}

static void setuid_programs_again(void)
{
	IS(0644, mode_of("prog"));
	if (!nosuid())
		as_user(USER, USER, run_id);
}

/* ---- handles and watching ---- */

static void handles_stay_good(void)
{
	struct file_handle *h = malloc(sizeof(*h) + 128);
	char buf[16] = "";
	int mount, at = open_ok(".", O_RDONLY | O_DIRECTORY), fd;

	h->handle_bytes = 128;
	if (name_to_handle_at(AT_FDCWD, "a", h, &mount, 0) < 0) {
		IS(EOPNOTSUPP, errno);
		return;
	}
	CHECK(rename("a", "elsewhere") == 0);
	fd = open_by_handle_at(at, h, O_RDONLY);
	if (fd < 0 && errno == EOPNOTSUPP)
		return;
	CHECK(fd >= 0 && read(fd, buf, 8) == 8 && memcmp(buf, "lower a\n", 8) == 0);
	CHECK(unlink("elsewhere") == 0 && close(fd) == 0);
	if (!on_overlay())
		FAILS(ESTALE, open_by_handle_at(at, h, O_RDONLY));
}

static void watchers_hear(void)
{
	char events[4096];
	int fd = inotify_init1(IN_NONBLOCK);
	ssize_t n;

	CHECK(inotify_add_watch(fd, "dir", IN_CREATE | IN_MOVED_TO | IN_DELETE) >= 0);
	put("dir/new", "");
	CHECK(rename("b", "dir/moved") == 0 && unlink("dir/x") == 0);
	n = read(fd, events, sizeof(events));
	CHECK(n >= (ssize_t)(3 * sizeof(struct inotify_event)));
	handles_stay_good();
}

const struct test program_tests[] = {
	{"41-sync", sync_answers, NULL},
	{"43-programs", setuid_programs_run, setuid_programs_again},
	{"45-handles", watchers_hear, NULL},
	{0},
};
