#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

/* Behaviours 13 to 21: content. */

static void truncating_open_keeps_the_rest(void)
{
	struct stat was = stat_of("big"), now;

	CHECK(setxattr("big", "user.k", "v", 1, 0) == 0 && chown("big", 5, 6) == 0 &&
	      chmod("big", 0604) == 0);
	close(open_ok("big", O_WRONLY | O_TRUNC));
	now = stat_of("big");
	IS(0, now.st_size);
	IS(0604, now.st_mode & 07777);
	IS(5, now.st_uid);
	IS(was.st_ino, now.st_ino);
	CHECK(getxattr("big", "user.k", NULL, 0) == 1);
	/* Grown again it holds zeros, not what was there. */
	CHECK(truncate("big", BIG) == 0);
	CHECK(!pattern_at("big", 0, 1));
	CHECK(truncate("a", 3) == 0 && holds("a", "low"));
	CHECK(truncate("a", 5) == 0);
	CHECK(stat_of("a").st_size == 5 && !holds("a", "lower"));
}

static void truncating_open_again(void)
{
	uint8_t buf[4096];
	int fd = open_ok("big", O_RDONLY);
	ssize_t n;

	IS(BIG, stat_of("big").st_size);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == 0);
	fd = open_ok("a", O_RDONLY);
	CHECK(read(fd, buf, sizeof(buf)) == 5 && memcmp(buf, "low\0\0", 5) == 0);
}

#define APPENDS 2500

static void append(void)
{
	int fd = open_ok("a", O_WRONLY | O_APPEND);

	for (int i = 0; i < APPENDS; i++)
		if (write(fd, "xy", 2) != 2)
			_exit(1);
	_exit(close(fd) != 0);
}

static void appends_lose_nothing(void)
{
	pid_t pid = fork(), two;
	int status, other;

	if (pid == 0)
		append();
	two = fork();
	if (two == 0)
		append();
	CHECK(waitpid(pid, &status, 0) == pid && waitpid(two, &other, 0) == two);
	CHECK(status == 0 && other == 0);
	IS(8 + 2 * 2 * APPENDS, stat_of("a").st_size);
}

static void open_flags_say_what_they_should(void)
{
	char *page = aligned_alloc(4096, 8192);
	int fd = open("big", O_RDWR | O_DIRECT);

	CHECK(fd >= 0 && pread(fd, page, 8192, 4096) == 8192);
	memset(page, 'D', 4096);
	CHECK(pwrite(fd, page, 4096, 8192) == 4096);
	close(fd);
	CHECK(pattern_at("big", 0, 8192) && !pattern_at("big", 8192, 8200) &&
	      pattern_at("big", 12288, BIG));
	FAILS(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	FAILS(ENOTDIR, open("a", O_RDONLY | O_DIRECTORY));
	fd = open("link", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0);
	FAILS(EBADF, read(fd, page, 1));
	FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	FAILS(ENXIO, open("sock", O_RDWR));
	free(page);
}

static blkcnt_t blocks_of(int fd)
{
	struct stat st;

	/* Blocks are given when pages are written. */
	CHECK(fsync(fd) == 0 && fstat(fd, &st) == 0);
	return st.st_blocks;
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static void a_punched_hole_takes_no_room(void)
{
	int fd = open_ok("new", O_RDWR | O_CREAT);
	char data[20000];

	memset(data, 'd', sizeof(data));
	for (int i = 0; i < 50; i++)
		CHECK(write(fd, data, sizeof(data)) == sizeof(data));
	CHECK(blocks_of(fd) >= 1900);
	CHECK(fallocate(fd, PUNCH, 0, 999424) == 0 && blocks_of(fd) < 100);
	close(fd);
}

static void fallocate_modes(void)
{
	int fd = open_ok("big", O_RDWR);
	char zero[20000] = "", got[20000];

	CHECK(fallocate(fd, PUNCH, 20000, 20000) == 0);
	CHECK(pread(fd, got, 20000, 20000) == 20000 && memcmp(zero, got, 20000) == 0);
	CHECK(pattern_at("big", 0, 20000) && pattern_at("big", 40000, BIG));
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 90000, 20000) == 0);
	IS(110000, stat_of("big").st_size);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 200000) == 0);
	IS(110000, stat_of("big").st_size);
	CHECK(fallocate(fd, 0, 0, 200000) == 0);
	IS(200000, stat_of("big").st_size);
	CHECK(pattern_at("big", 40000, 90000) && posix_fallocate(fd, 0, 300000) == 0);
	IS(300000, stat_of("big").st_size);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 299000, 9000) ==
	      0);
	IS(300000, stat_of("big").st_size);
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	if (!on_ext4() && !on_overlay())
		FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	close(fd);
	fd = open_ok("b", O_RDONLY);
	FAILS(EBADF, fallocate(fd, 0, 0, 10));
	close(fd);
	a_punched_hole_takes_no_room();
}

static void fallocate_again(void)
{
	CHECK(pattern_at("big", 0, 20000) && pattern_at("big", 40000, 90000));
	CHECK(!pattern_at("big", 20000, 20100) && !pattern_at("big", 90000, 90100));
	IS(300000, stat_of("big").st_size);
}

static size_t copy(int from, off_t in, int to, off_t at, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len &&
	       (n = copy_file_range(from, &in, to, &at, len - done, 0)) > 0)
		done += (size_t)n;
	return done;
}

static void copies_ranges(void)
{
	int big = open_ok("big", O_RDWR), fresh = open_ok("fresh", O_RDWR | O_CREAT);
	uint8_t want[5000], got[5000];
	off_t in = 0, at = 1000;

	IS(5000, copy(big, 70000, fresh, 0, 5000));
	pattern(want, sizeof(want), 70000);
	CHECK(pread(fresh, got, 5000, 0) == 5000 && memcmp(want, got, 5000) == 0);
	IS(3000, copy(fresh, 2000, big, 0, 99999));
	CHECK(pread(big, got, 3000, 0) == 3000 && memcmp(want + 2000, got, 3000) == 0);
	CHECK(pattern_at("big", 3000, BIG));
	IS(1000, copy(big, 50000, big, 60000, 1000));
	IS(0, copy(big, BIG, fresh, 0, 10));
	FAILS(EINVAL, copy_file_range(big, &in, big, &at, 5000, 0));
	FAILS(EBADF, copy_file_range(big, NULL, open_ok("b", O_RDONLY), NULL, 10, 0));
}

static void holes_are_seen_and_stay(void)
{
	int fd = open_ok("sparse", O_RDWR);
	off_t data;

	if (on_overlay())
		skipped("overlayfs fills the holes");
	CHECK(stat_of("sparse").st_blocks <= 64);
	data = lseek(fd, 0, SEEK_DATA);
	CHECK(data <= SPARSE / 2 && data > SPARSE / 2 - 65536);
	CHECK(lseek(fd, data, SEEK_HOLE) <= SPARSE / 2 + 65536);
	IS(0, lseek(fd, 0, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, SPARSE, SEEK_DATA));
	/* A write elsewhere fills nothing up. */
	CHECK(pwrite(fd, "x", 1, 100) == 1);
	CHECK(blocks_of(fd) <= 64);
	data = lseek(fd, 0, SEEK_DATA); /* its block, or just the byte */
	CHECK(data >= 0 && data <= 100);
	CHECK(lseek(fd, 70000, SEEK_DATA) > SPARSE / 2 - 65536);
	close(fd);
	fd = open_ok("new", O_RDWR | O_CREAT);
	CHECK(pwrite(fd, "end", 3, 50 << 20) == 3);
	CHECK(blocks_of(fd) <= 16);
	CHECK(lseek(fd, 0, SEEK_DATA) >= (50 << 20) - 65536);
}

static void holes_again(void)
{
	int fd = open_ok("sparse", O_RDONLY);

	if (on_overlay())
		skipped("overlayfs fills the holes");
	CHECK(stat_of("sparse").st_blocks <= 64);
	CHECK(lseek(fd, 70000, SEEK_DATA) > SPARSE / 2 - 65536);
	CHECK(stat_of("new").st_blocks <= 16 &&
	      stat_of("new").st_size == (50 << 20) + 3);
}

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	siglongjmp(bus_jump, 1);
}

static void truncate_below_a_map(int fd, uint8_t *map)
{
	/* Beyond the end is a signal, up to it is not. */
	CHECK(ftruncate(fd, 8192) == 0);
	CHECK(map[8191] != 0);
	signal(SIGBUS, on_bus);
	if (sigsetjmp(bus_jump, 1) == 0) {
		map[12288] = 1;
		failed(__FILE__, __LINE__, "a map beyond the end is no error");
	}
	signal(SIGBUS, SIG_DFL);
	CHECK(ftruncate(fd, BIG) == 0 && map[60000] == 0);
}

static void maps_are_coherent(void)
{
	int fd = open_ok("big", O_RDWR), ro = open_ok("big", O_RDONLY);
	uint8_t *map = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile uint8_t *seen = mmap(NULL, BIG, PROT_READ, MAP_SHARED, ro, 0);
	char buf[8] = "";

	CHECK(map != MAP_FAILED && seen != MAP_FAILED);
	CHECK(seen[50000] == map[50000]);
	memcpy(map + 50000, "mapped", 6);
	CHECK(pread(ro, buf, 6, 50000) == 6 && memcmp(buf, "mapped", 6) == 0);
	CHECK(pwrite(fd, "WRITTEN", 7, 60000) == 7);
	CHECK(memcmp(map + 60000, "WRITTEN", 7) == 0);
	CHECK(seen[60000] == 'W' || on_overlay());
	CHECK(msync(map, BIG, MS_SYNC) == 0);
	truncate_below_a_map(fd, map);
	memcpy(map + 70000, "late", 4);
	munmap(map, BIG);
}

static void maps_again(void)
{
	char buf[8] = "";
	int fd = open_ok("big", O_RDONLY);

	CHECK(pread(fd, buf, 4, 70000) == 4 && memcmp(buf, "late", 4) == 0);
	CHECK(pread(fd, buf, 4, 60000) == 4 && memcmp(buf, "\0\0\0\0", 4) == 0);
	CHECK(pattern_at("big", 0, 8192));
}

static void an_early_reader_sees_late_writes(void)
{
	int early = open_ok("a", O_RDONLY), late;
	char buf[8] = "";

	CHECK(pread(early, buf, 5, 0) == 5);
	late = open_ok("a", O_WRONLY);
	CHECK(pwrite(late, "LATER", 5, 0) == 5 && pread(early, buf, 5, 0) == 5);
	CHECK(memcmp(buf, "LATER", 5) == 0);
	CHECK(ftruncate(late, 2) == 0 && pread(early, buf, 5, 0) == 2);
}

static int lock(int fd, int cmd, short type)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 4};

	return fcntl(fd, cmd, &l);
}

static int in_child(int (*fn)(int fd), int fd)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(fn(fd));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int try_posix_lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4};

	if (lock(fd, F_SETLK, F_WRLCK) == 0)
		return 1;
	return fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_WRLCK &&
			       l.l_pid == getppid()
		       ? 2
		       : 3;
}

static void locks_hold(void)
{
	int ro = open_ok("a", O_RDONLY), rw = open_ok("a", O_RDWR);

	CHECK(flock(ro, LOCK_EX) == 0);
	FAILS(EWOULDBLOCK, flock(rw, LOCK_EX | LOCK_NB));
	CHECK(write(rw, "x", 1) == 1);
	FAILS(EWOULDBLOCK, flock(rw, LOCK_SH | LOCK_NB));
	close(ro);
	CHECK(flock(rw, LOCK_EX | LOCK_NB) == 0 && flock(rw, LOCK_UN) == 0);
	CHECK(lock(rw, F_SETLK, F_WRLCK) == 0);
	IS(2, in_child(try_posix_lock, rw));
	close(open_ok("a", O_RDONLY)); /* a close of any drops the process's locks */
	IS(1, in_child(try_posix_lock, rw));
	CHECK(lock(rw, F_OFD_SETLK, F_WRLCK) == 0);
	FAILS(EAGAIN, lock(open_ok("a", O_RDWR), F_OFD_SETLK, F_WRLCK));
}

const struct test data_tests[] = {
	{"13-truncate", truncating_open_keeps_the_rest, truncating_open_again},
	{"14-append", appends_lose_nothing, NULL},
	{"15-open-flags", open_flags_say_what_they_should, NULL},
	{"16-fallocate", fallocate_modes, fallocate_again},
	{"17-copy-range", copies_ranges, NULL},
	{"18-holes", holes_are_seen_and_stay, holes_again},
	{"19-mmap", maps_are_coherent, maps_again},
	{"20-early-reader", an_early_reader_sees_late_writes, NULL},
	{"21-locks", locks_hold, NULL},
	{0},
};
