#include <sys/xattr.h>
#include <time.h>

#include "posix.h"

/* Behaviours 22 and 23: times. */

static void set(const char *path, time_t s, long ns, int flags)
{
	struct timespec times[2] = {{s, ns}, {s + 1, ns}};

	CHECK(utimensat(AT_FDCWD, path, times, flags) == 0);
}

static void has_times(const char *path, time_t s, long ns)
{
	struct stat st = stat_of(path);

	IS(s, st.st_atim.tv_sec);
	IS(s + 1, st.st_mtim.tv_sec);
	IS(ns, st.st_atim.tv_nsec);
	IS(ns, st.st_mtim.tv_nsec);
}

static void times_are_exact(void)
{
	struct timespec times[2] = {{0, UTIME_OMIT}, {9, 9}};
	struct stat st;

	set("a", 1000000000, 123456789, 0);
	has_times("a", 1000000000, 123456789);
	set("link", 7, 1, AT_SYMLINK_NOFOLLOW);
	has_times("link", 7, 1);
	has_times("a", 1000000000, 123456789);
	set("b", -1, 999999999, 0);
	has_times("b", -1, 999999999);
	set("big", 0xffffffffll + 5, 2, 0);
	has_times("big", 0xffffffffll + 5, 2);
	set("dir", 5, 5, 0);
	set("fifo", 6, 6, 0);
	CHECK(utimensat(AT_FDCWD, "a", times, 0) == 0);
	st = stat_of("a");
	IS(1000000000, st.st_atim.tv_sec);
	IS(9, st.st_mtim.tv_sec);
	times[1].tv_nsec = UTIME_NOW;
	CHECK(utimensat(AT_FDCWD, "a", times, 0) == 0);
	CHECK(labs(stat_of("a").st_mtim.tv_sec - time(NULL)) < 5);
	set("a", 1000000000, 123456789, 0);
}

static void times_again(void)
{
	has_times("a", 1000000000, 123456789);
	has_times("link", 7, 1);
	has_times("b", -1, 999999999);
	has_times("big", 0xffffffffll + 5, 2);
	has_times("dir", 5, 5);
	has_times("fifo", 6, 6);
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

static bool equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What happens between the two calls must take a tick of the clock. */
static struct stat before(const char *path)
{
	struct stat st;

	nanosleep(&(struct timespec){0, 15000000}, NULL);
	st = stat_of(path);
	nanosleep(&(struct timespec){0, 15000000}, NULL);
	return st;
}

#define CHANGES(path, call, m, c)                                                      \
	do {                                                                           \
		struct stat was_ = before(path), now_;                                 \
		CHECK((call) >= 0);                                                    \
		now_ = stat_of(path);                                                  \
		if (later(now_.st_mtim, was_.st_mtim) != (m) ||                        \
		    (!(m) && !equal(now_.st_mtim, was_.st_mtim)))                      \
			failed(__FILE__, __LINE__, "mtime of %s after %s", path,       \
			       #call);                                                 \
		if (later(now_.st_ctim, was_.st_ctim) != (c))                          \
			failed(__FILE__, __LINE__, "ctime of %s after %s", path,       \
			       #call);                                                 \
	} while (0)

static int write_close(const char *path)
{
	int fd = open_ok(path, O_WRONLY);
	int rc = (int)write(fd, "w", 1);

	close(fd);
	return rc;
}

static void times_of_a_file_follow_changes(void)
{
	set("a", 1000, 5, 0);
	CHANGES("a", chmod("a", 0600), false, true);
	CHANGES("a", chown("a", 1, 1), false, true);
	CHANGES("a", setxattr("a", "user.z", "1", 1, 0), false, true);
	CHANGES("a", link("a", "a2"), false, true);
	CHANGES("a", unlink("a2"), false, true);
	has_times("a", 1000, 5);
	CHANGES("a", write_close("a"), true, true);
	CHANGES("a", truncate("a", 3), true, true);
	CHANGES("a", truncate("a", 0), true, true);
}

static void times_of_a_folder_follow_names(void)
{
	CHANGES("dir", mkdir("dir/new", 0755), true, true);
	CHANGES("dir", rename("dir/new", "dir/newer"), true, true);
	CHANGES("dir", rename("dir/newer", "empty/newer"), true, true);
	CHANGES("empty", rename("dir/x", "empty/x"), true, true);
	CHANGES("empty", unlink("empty/x"), true, true);
	CHANGES("dir", chmod("dir", 0700), false, true);
	CHANGES("dir", symlink("x", "dir/s"), true, true);
	CHANGES("dir", link("b", "dir/b"), true, true);
	CHANGES("dir", write_close("dir/b"), false, false);
	CHANGES("dir", rmdir("empty/newer"), false, false);
	CHANGES("empty", rename("dir/sub", "empty/sub"), true, true);
}

static void times_follow_changes(void)
{
	times_of_a_file_follow_changes();
	times_of_a_folder_follow_names();
	set("dir", 100, 7, 0);
}

static void times_follow_again(void)
{
	has_times("dir", 100, 7);
}

const struct test time_tests[] = {
	{"22-times", times_are_exact, times_again},
	{"23-time-rules", times_follow_changes, times_follow_again},
	{0},
};
