#include <grp.h>
#include <stdarg.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

#define EXT4_MAGIC    0xef53
#define OVERLAY_MAGIC 0x794c7630

void failed(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	va_list args;

	printf("# %s:%d: ", slash ? slash + 1 : file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

void skipped(const char *why)
{
	printf("# skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

const char *long_name(size_t len)
{
	static char name[512];

	memset(name, 'N', len);
	name[len] = '\0';
	return name;
}

void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    close(fd))
		failed(__FILE__, __LINE__, "put %s: %s", path, strerror(errno));
}

bool holds(const char *path, const char *text)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		failed(__FILE__, __LINE__, "lstat %s: %s", path, strerror(errno));
	return st;
}

mode_t mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

void pattern(uint8_t *buf, size_t len, uint64_t from)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)((from + i) * 31 + (from + i) / 4096 + 1);
}

bool pattern_at(const char *path, uint64_t from, uint64_t to)
{
	uint8_t want[4096], got[4096];
	int fd = open(path, O_RDONLY);
	bool good = fd >= 0;

	while (good && from < to) {
		size_t len = to - from < sizeof(want) ? to - from : sizeof(want);

		pattern(want, len, from);
		good = pread(fd, got, len, (off_t)from) == (ssize_t)len &&
		       memcmp(want, got, len) == 0;
		from += len;
	}
	if (fd >= 0)
		close(fd);
	return good;
}

size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	size_t n = 0;

	if (!dir)
		failed(__FILE__, __LINE__, "opendir %s: %s", path, strerror(errno));
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n;
}

int open_ok(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		failed(__FILE__, __LINE__, "open %s: %s", path, strerror(errno));
	return fd;
}

void copy_file(const char *from, const char *to)
{
	char data[65536];
	int in = open_ok(from, O_RDONLY), out = open_ok(to, O_WRONLY | O_CREAT);
	ssize_t n;

	while ((n = read(in, data, sizeof(data))) > 0)
		CHECK(write(out, data, (size_t)n) == n);
	CHECK(fchmod(out, 0755) == 0);
	close(in);
	close(out);
}

void as_user(uid_t uid, gid_t gid, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
		    setresuid(uid, uid, uid))
			failed(__FILE__, __LINE__, "become %u", uid);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		_exit(1);
}

static bool magic_is(uint32_t magic)
{
	struct statfs st;

	return statfs(".", &st) == 0 && (uint32_t)st.f_type == magic;
}

bool on_ext4(void)
{
	return magic_is(EXT4_MAGIC);
}

bool on_overlay(void)
{
	return magic_is(OVERLAY_MAGIC);
}

int remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int rc = 0;

	while (dir && (e = readdir(dir))) {
		char below[PATH_MAX];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR ? remove_tree(below) : unlink(below))
			rc = -1;
	}
	if (dir)
		closedir(dir);
	return rmdir(path) || rc ? -1 : 0;
}

/* ---- the lower layer ---- */

static void put_sparse(void)
{
	uint8_t block[BLOCK];
	int fd = open_ok("sparse", O_WRONLY | O_CREAT);

	pattern(block, sizeof(block), 0);
	CHECK(ftruncate(fd, SPARSE) == 0);
	CHECK(pwrite(fd, block, sizeof(block), SPARSE / 2) == sizeof(block));
	close(fd);
}

static void put_big(void)
{
	uint8_t *data = malloc(BIG);
	int fd = open_ok("big", O_WRONLY | O_CREAT);

	pattern(data, BIG, 0);
	CHECK(write(fd, data, BIG) == BIG);
	close(fd);
	free(data);
}

void prepare(const char *dir)
{
	CHECK(mkdir(dir, 0755) == 0 && chdir(dir) == 0);
	put("a", "lower a\n");
	put("b", "lower b\n");
	CHECK(setxattr("a", "user.t", "1", 1, 0) == 0);
	put_big();
	put("h1", "linked\n");
	CHECK(link("h1", "h2") == 0);
	CHECK(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0 &&
	      mkdir("empty", 0755) == 0);
	put("dir/x", "x\n");
	put("dir/y", "y\n");
	put("dir/sub/z", "z\n");
	put_sparse();
	CHECK(mkfifo("fifo", 0644) == 0);
	CHECK(mknod("sock", S_IFSOCK | 0755, 0) == 0);
	CHECK(mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK(symlink("a", "link") == 0);
	put("priv", "privileged\n");
	CHECK(chown("priv", OTHER, OTHER) == 0 && chmod("priv", 06777) == 0);
	copy_file("/bin/sleep", "prog");
	put(LONG_NAME, "long\n");
	CHECK(chdir("..") == 0);
}
