#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "posix.h"

/* Behaviours 31, 33 to 35, 40: kinds and names. */

static void talk_through(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	char c = 0;

	strcpy(at.sun_path, path);
	CHECK(bind(server, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	      listen(server, 1) == 0);
	CHECK(S_ISSOCK(stat_of(path).st_mode));
	CHECK(connect(client, (struct sockaddr *)&at, sizeof(at)) == 0);
	peer = accept(server, NULL, NULL);
	CHECK(peer >= 0 && write(client, "!", 1) == 1 && read(peer, &c, 1) == 1 &&
	      c == '!');
	FAILS(EADDRINUSE, bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at,
			       sizeof(at)));
}

static void special_files_work(void)
{
	struct statvfs st;
	char c = 0;
	int fd;

	talk_through("new-sock");
	fd = open_ok("fifo", O_RDWR);
	CHECK(write(fd, "f", 1) == 1 && read(fd, &c, 1) == 1 && c == 'f');
	CHECK(chmod("fifo", 0600) == 0 && chown("sock", USER, OTHER) == 0 &&
	      chown("null", USER, OTHER) == 0 && rename("fifo", "pipe") == 0);
	CHECK(S_ISCHR(stat_of("null").st_mode));
	IS(makedev(1, 3), stat_of("null").st_rdev);
	CHECK(mknod("zero", S_IFCHR | 0666, makedev(1, 5)) == 0);
	CHECK(mknod("large", S_IFBLK | 0600, makedev(259, 1048575)) == 0);
	IS(makedev(259, 1048575), stat_of("large").st_rdev);
	CHECK(statvfs(".", &st) == 0);
	if (!(st.f_flag & ST_NODEV)) {
		CHECK(read(open_ok("zero", O_RDONLY), &c, 1) == 1 && c == 0);
		CHECK(write(open_ok("null", O_WRONLY), "x", 1) == 1);
	}
	/* A device 0:0 is not a deletion. */
	if (mknod("whiteout", S_IFCHR | 0600, 0) == 0)
		CHECK(S_ISCHR(stat_of("whiteout").st_mode));
	else
		IS(EPERM, errno);
}

static void special_again(void)
{
	CHECK(S_ISFIFO(stat_of("pipe").st_mode) && !exists("fifo"));
	IS(0600, mode_of("pipe"));
	IS(makedev(259, 1048575), stat_of("large").st_rdev);
	IS(makedev(1, 3), stat_of("null").st_rdev);
	IS(OTHER, stat_of("sock").st_gid);
	CHECK(S_ISSOCK(stat_of("new-sock").st_mode));
	if (on_overlay())
		return;
	CHECK(S_ISCHR(stat_of("whiteout").st_mode));
	IS(0, stat_of("whiteout").st_rdev);
}

static const char *name_of(char kind, size_t len)
{
	static char names[4][512];
	static unsigned int next;
	char *name = names[next++ % 4];

	memset(name, kind, len);
	name[len] = '\0';
	return name;
}

static void too_long_is_said(void)
{
	const char *n = name_of('t', 256);
	struct stat st;
	struct statvfs vfs;

	FAILS(ENAMETOOLONG, open(n, O_RDONLY));
	FAILS(ENAMETOOLONG, open(n, O_CREAT | O_RDWR, 0600));
	FAILS(ENAMETOOLONG, mkdir(n, 0755));
	FAILS(ENAMETOOLONG, rmdir(n));
	FAILS(ENAMETOOLONG, unlink(n));
	FAILS(ENAMETOOLONG, symlink("x", n));
	FAILS(ENAMETOOLONG, link("a", n));
	FAILS(ENAMETOOLONG, rename("a", n));
	FAILS(ENAMETOOLONG, rename(n, "z"));
	FAILS(ENAMETOOLONG, lstat(n, &st));
	FAILS(ENAMETOOLONG, mkfifo(n, 0600));
	FAILS(ENAMETOOLONG, chmod(n, 0600));
	FAILS(ENAMETOOLONG, truncate(n, 0));
	FAILS(ENAMETOOLONG, readlink(n, (char *)&st, sizeof(st)));
	FAILS(ENAMETOOLONG, statvfs(n, &vfs));
	FAILS(ENAMETOOLONG, utimensat(AT_FDCWD, n, NULL, 0));
}

static void names_of_255_bytes(void)
{
	CHECK(holds(LONG_NAME, "long\n") && chmod(LONG_NAME, 0600) == 0);
	CHECK(rename(LONG_NAME, name_of('r', 255)) == 0);
	CHECK(unlink(name_of('r', 255)) == 0 && !exists(name_of('r', 255)));
	for (size_t len = 250; len <= 255; len++) {
		put(name_of('f', len), "f");
		CHECK(mkdir(name_of('d', len), 0755) == 0);
		CHECK(symlink("x", name_of('s', len)) == 0);
		CHECK(link("a", name_of('h', len)) == 0);
	}
	CHECK(rename(name_of('d', 255), name_of('e', 255)) == 0);
	too_long_is_said();
}

static void names_of_255_again(void)
{
	CHECK(!exists(LONG_NAME) && !exists(name_of('r', 255)));
	CHECK(exists(name_of('f', 255)) && exists(name_of('e', 255)) &&
	      exists(name_of('s', 255)) && exists(name_of('h', 252)));
}

static void whiteout_names_are_names(void)
{
	put(".wh.a", "mine");
	put("dir/.wh..wh..opq", "");
	put("dir/.wh.x", "");
	put(".wh.", "");
	CHECK(mkdir(".wh.dir", 0755) == 0);
	CHECK(holds("a", "lower a\n") && holds("dir/x", "x\n") &&
	      holds(".wh.a", "mine"));
	IS(5, entries("dir"));
	CHECK(unlink("b") == 0);
	put(".wh.b", "");
	CHECK(!exists("b") && exists(".wh.b") && unlink(".wh.b") == 0 && !exists("b"));
}

static void whiteout_names_again(void)
{
	IS(5, entries("dir"));
	CHECK(holds("a", "lower a\n") && holds(".wh.a", "mine") && !exists("b") &&
	      exists(".wh.dir"));
}

static const char *const odd_names[] = {
	"new\nline", "\xff\xfe\x80", "colon:comma,back\\", " ", "*", "-rf", "\xc3\xb1",
	"...",       "\x7f"};
#define ODD (sizeof(odd_names) / sizeof(*odd_names))

static void odd_names_are_names(void)
{
	for (size_t i = 0; i < ODD; i++)
		put(odd_names[i], odd_names[i]);
	CHECK(mkdir("sub", 0755) == 0);
	for (size_t i = 0; i < ODD; i++)
		CHECK(rename(odd_names[i], "sub/moved") == 0 &&
		      rename("sub/moved", odd_names[i]) == 0);
}

static void odd_names_again(void)
{
	for (size_t i = 0; i < ODD; i++)
		CHECK(holds(odd_names[i], odd_names[i]));
	IS(0, entries("sub"));
}

static void statfs_tells(void)
{
	struct statvfs st;

	CHECK(statvfs(".", &st) == 0);
	IS(255, st.f_namemax);
	CHECK(st.f_bsize >= 512 && st.f_blocks > 0 && st.f_bfree > 0 &&
	      st.f_bavail > 0 && st.f_bfree <= st.f_blocks);
	CHECK(!(st.f_flag & ST_RDONLY) && access(".", W_OK) == 0);
}

const struct test kind_tests[] = {
	{"31-special", special_files_work, special_again},
	{"33-long-names", names_of_255_bytes, names_of_255_again},
	{"34-whiteout-names", whiteout_names_are_names, whiteout_names_again},
	{"35-odd-names", odd_names_are_names, odd_names_again},
	{"40-statfs", statfs_tells, NULL},
	{0},
};
