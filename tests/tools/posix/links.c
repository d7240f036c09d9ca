#include "posix.h"

/* Behaviours 9 to 11, 32, 39: links, files without names, numbers. */

static void hard_links_are_one_file(void)
{
	struct stat a = stat_of("h1"), b = stat_of("h2");

	IS(a.st_ino, b.st_ino);
	IS(2, a.st_nlink);
	CHECK(link("h1", "h3") == 0 && link("a", "a2") == 0);
	IS(3, stat_of("h2").st_nlink);
	IS(a.st_ino, stat_of("h3").st_ino);
	IS(2, stat_of("a").st_nlink);
	IS(stat_of("a").st_ino, stat_of("a2").st_ino);
	put("h3", "changed\n");
	CHECK(holds("h1", "changed\n") && holds("h2", "changed\n"));
	CHECK(chmod("h1", 0600) == 0);
	IS(0600, mode_of("h2"));
	CHECK(unlink("h1") == 0);
	IS(2, stat_of("h2").st_nlink);
	put("a", "short\n");
	CHECK(holds("a2", "short\n"));
}

static void hard_links_again(void)
{
	CHECK(!exists("h1") && holds("h2", "changed\n") && holds("h3", "changed\n"));
	IS(stat_of("h2").st_ino, stat_of("h3").st_ino);
	IS(2, stat_of("h2").st_nlink);
	IS(stat_of("a").st_ino, stat_of("a2").st_ino);
	CHECK(holds("a2", "short\n"));
	put("h2", "once more\n");
	CHECK(holds("h3", "once more\n"));
}

static void link_to_links_and_nameless(void)
{
	char proc[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	CHECK(link("link", "link2") == 0 && S_ISLNK(stat_of("link2").st_mode));
	IS(stat_of("link").st_ino, stat_of("link2").st_ino);
	CHECK(fd >= 0 && write(fd, "nameless\n", 9) == 9);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	CHECK(holds("named", "nameless\n"));
	IS(1, stat_of("named").st_nlink);
	IS(0640, mode_of("named"));
	CHECK(write(fd, "more\n", 5) == 5 && holds("named", "nameless\nmore\n"));
	FAILS(EPERM, link("dir", "dir2"));
	FAILS(EEXIST, link("a", "b"));
	/* Once unlinked, a file that had a name gets none again. */
	CHECK(unlink("named") == 0);
	FAILS(ENOENT, linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
}

static void link_to_links_again(void)
{
	char target[8] = "";

	CHECK(readlink("link2", target, sizeof(target)) == 1 && target[0] == 'a');
	IS(2, stat_of("link2").st_nlink);
}

static void nameless_files(void)
{
	struct stat st;
	char proc[64];
	int fd = open("dir", O_TMPFILE | O_RDWR | O_EXCL, 0600);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	IS(0, st.st_nlink);
	CHECK(ftruncate(fd, 100000) == 0 && pwrite(fd, "end", 3, 99997) == 3);
	IS(3, entries("dir"));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, proc, AT_FDCWD, "n", AT_SYMLINK_FOLLOW));
	close(fd);
	FAILS(ENOENT, open("none", O_TMPFILE | O_RDWR, 0600));
	FAILS(ENOTDIR, open("a", O_TMPFILE | O_RDWR, 0600));
	FAILS(EINVAL, open("dir", O_TMPFILE | O_RDONLY, 0600));
}

static void symlinks_hold_any_target(void)
{
	struct timespec times[2] = {{5, 6}, {7, 8}};
	char target[5000], got[5000];
	/* ext4 has room for a block less two. */
	size_t longest = on_ext4() || on_overlay() ? 4094 : 4095;

	memset(target, 't', sizeof(target));
	target[longest] = '\0';
	CHECK(symlink(target, "longest") == 0);
	IS(longest, readlink("longest", got, sizeof(got)));
	CHECK(memcmp(target, got, longest) == 0);
	IS(longest, stat_of("longest").st_size);
	memset(target, 't', 4096);
	target[4096] = '\0';
	FAILS(ENAMETOOLONG, symlink(target, "too-long"));
	CHECK(symlink("/etc/passwd", "absolute") == 0 &&
	      symlink("nowhere", "dangling") == 0);
	FAILS(ENOENT, open("dangling", O_RDONLY));
	CHECK(symlink("loop", "loop") == 0);
	FAILS(ELOOP, open("loop", O_RDONLY));
	FAILS(ENOENT, symlink("", "empty-target"));
	CHECK(lchown("link", USER, OTHER) == 0);
	CHECK(utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW) == 0);
	IS(0, stat_of("a").st_uid);
}

static void symlinks_again(void)
{
	struct stat st = stat_of("link");
	char got[16] = "";

	IS(USER, st.st_uid);
	IS(OTHER, st.st_gid);
	IS(7, st.st_mtim.tv_sec);
	IS(8, st.st_mtim.tv_nsec);
	CHECK(readlink("link", got, sizeof(got)) == 1 && got[0] == 'a');
}

/* ---- numbers ---- */

static const char *const numbered[] = {
	"a",    "b",    "big",  "h1",   "h2",   "dir",  "dir/x", "empty",  "sparse",
	"fifo", "sock", "null", "link", "priv", "prog", "new",   "new-dir"};
#define NUMBERED (sizeof(numbered) / sizeof(*numbered))

static void read_numbers(ino_t out[NUMBERED])
{
	for (size_t i = 0; i < NUMBERED; i++)
		out[i] = stat_of(numbered[i]).st_ino;
}

static void same_numbers(const ino_t want[NUMBERED])
{
	ino_t now[NUMBERED];

	read_numbers(now);
	for (size_t i = 0; i < NUMBERED; i++)
		if (now[i] != want[i])
			failed(__FILE__, __LINE__, "%s had number %lu, now %lu",
			       numbered[i], (unsigned long)want[i],
			       (unsigned long)now[i]);
}

static void numbers_stay(void)
{
	ino_t was[NUMBERED];
	int fd;

	put("new", "new");
	CHECK(mkdir("new-dir", 0755) == 0);
	read_numbers(was);
	for (size_t i = 0; i < NUMBERED; i++) {
		for (size_t j = 0; j < i; j++)
			CHECK(was[i] != was[j] || strcmp(numbered[i], "h2") == 0);
		CHECK(lchown(numbered[i], USER, USER) == 0);
		IS(stat_of(".").st_dev, stat_of(numbered[i]).st_dev);
	}
	put("b", "changed\n");
	CHECK(rename("a", "c") == 0 && rename("dir", "d") == 0);
	IS(was[0], stat_of("c").st_ino);
	IS(was[6], stat_of("d/x").st_ino);
	CHECK(rename("c", "a") == 0 && rename("d", "dir") == 0);
	same_numbers(was);
	fd = open_ok("numbers", O_WRONLY | O_CREAT);
	CHECK(write(fd, was, sizeof(was)) == sizeof(was));
	close(fd);
}

static void numbers_again(void)
{
	ino_t was[NUMBERED];
	int fd = open_ok("numbers", O_RDONLY);

	CHECK(read(fd, was, sizeof(was)) == sizeof(was));
	same_numbers(was);
	put("another", "a new number");
	for (size_t i = 0; i < NUMBERED; i++)
		CHECK(was[i] != stat_of("another").st_ino);
}

const struct test link_tests[] = {
	{"09-hard-links", hard_links_are_one_file, hard_links_again},
	{"10-link-nameless", link_to_links_and_nameless, link_to_links_again},
	{"11-tmpfile", nameless_files, NULL},
	{"32-symlinks", symlinks_hold_any_target, symlinks_again},
	{"39-numbers", numbers_stay, numbers_again},
	{0},
};
