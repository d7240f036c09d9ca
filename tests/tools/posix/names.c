#include <sys/xattr.h>

#include "posix.h"

/* Behaviours 1 to 8 and 12: names that come, go and move. */

static void use_unlinked(int fd)
{
	struct stat st;
	char buf[16];

	CHECK(fstat(fd, &st) == 0);
	if (!on_overlay())
		IS(0, st.st_nlink);
	CHECK(pwrite(fd, "12345678", 8, 0) == 8 && pread(fd, buf, 8, 0) == 8);
	CHECK(memcmp(buf, "12345678", 8) == 0);
	CHECK(ftruncate(fd, 3) == 0 && fchmod(fd, 0600) == 0 && fchown(fd, 7, 8) == 0);
	CHECK(fstat(fd, &st) == 0);
	IS(3, st.st_size);
	IS(0600, st.st_mode & 07777);
	IS(7, st.st_uid);
	CHECK(fsync(fd) == 0 && close(fd) == 0);
}

static void open_unlinked_new_file_lives(void)
{
	int fd = open_ok("new", O_RDWR | O_CREAT);

	CHECK(write(fd, "data", 4) == 4 && unlink("new") == 0 && !exists("new"));
	use_unlinked(fd);
}

static void open_unlinked_lower_file_lives(void)
{
	char buf[16];
	int fd = open_ok("a", O_RDONLY), rw = open_ok("b", O_RDWR);
	struct stat st;

	CHECK(unlink("a") == 0 && unlink("b") == 0);
	CHECK(pread(fd, buf, 8, 0) == 8 && memcmp(buf, "lower a\n", 8) == 0);
	CHECK(fstat(fd, &st) == 0);
	if (!on_overlay()) {
		IS(0, st.st_nlink);
		CHECK(fchmod(fd, 0640) == 0 && fstat(fd, &st) == 0);
		IS(0640, st.st_mode & 07777);
		CHECK(fsetxattr(fd, "user.late", "v", 1, 0) == 0);
	}
	use_unlinked(rw);
	/* A new file of the name is another. */
	put("a", "new a\n");
	CHECK(pread(fd, buf, 8, 0) == 8 && memcmp(buf, "lower a\n", 8) == 0);
}

static void rename_over_lower_is_atomic(void)
{
	int old = open_ok("b", O_RDONLY);
	char buf[16];

	put("new", "new\n");
	CHECK(rename("new", "b") == 0 && holds("b", "new\n") && !exists("new"));
	CHECK(pread(old, buf, 8, 0) == 8 && memcmp(buf, "lower b\n", 8) == 0);
	CHECK(rename("a", "b") == 0 && holds("b", "lower a\n") && !exists("a"));
	CHECK(rename("h1", "h2") == 0 && exists("h1") && exists("h2"));
	CHECK(rename("b", "b") == 0 && exists("b"));
}

static void rename_over_lower_again(void)
{
	CHECK(holds("b", "lower a\n") && !exists("a") && !exists("new"));
}

static void folder_of_any_layer_renames(void)
{
	put("dir/upper", "upper\n");
	CHECK(rename("dir", "moved") == 0 && !exists("dir"));
	CHECK(holds("moved/x", "x\n") && holds("moved/sub/z", "z\n") &&
	      holds("moved/upper", "upper\n"));
	CHECK(rename("moved/sub", "sub2") == 0 && holds("sub2/z", "z\n"));
	IS(3, entries("moved"));
	CHECK(mkdir("fresh", 0755) == 0 && mkdir("fresh/deep", 0755) == 0);
	put("fresh/deep/f", "f\n");
	CHECK(rename("fresh", "sub2/fresh") == 0 && holds("sub2/fresh/deep/f", "f\n"));
	FAILS(EINVAL, rename("sub2", "sub2/fresh/x"));
	FAILS(ENOENT, rename("dir", "elsewhere"));
	FAILS(ENOTDIR, rename("moved", "a"));
	FAILS(EISDIR, rename("a", "moved"));
	CHECK(mkdir("dir", 0755) == 0 && entries("dir") == 0);
	/* What was moved out of a folder outlives it. */
	CHECK(mkdir("away", 0755) == 0 && rename("sub2/fresh", "away/fresh") == 0);
	CHECK(rename("away/fresh", "sub2/fresh") == 0 && remove_tree("moved") == 0);
}

static void folder_of_any_layer_again(void)
{
	CHECK(!exists("moved") && holds("sub2/z", "z\n") &&
	      holds("sub2/fresh/deep/f", "f\n"));
	IS(0, entries("dir"));
}

static void rename_over_folders(void)
{
	CHECK(mkdir("new", 0755) == 0);
	put("new/f", "f\n");
	FAILS(ENOTEMPTY, rename("new", "dir"));
	CHECK(rename("new", "empty") == 0);
	IS(1, entries("empty"));
	/* Empty is what has only deleted names. */
	CHECK(unlink("dir/sub/z") == 0 && rename("empty", "dir/sub") == 0);
	CHECK(holds("dir/sub/f", "f\n") && !exists("dir/sub/z"));
	IS(1, entries("dir/sub"));
}

static void rename_over_folders_again(void)
{
	IS(1, entries("dir/sub"));
	CHECK(holds("dir/sub/f", "f\n") && !exists("empty"));
}

static void rmdir_sees_what_is_merged(void)
{
	FAILS(ENOTEMPTY, rmdir("dir"));
	CHECK(unlink("dir/x") == 0 && unlink("dir/sub/z") == 0 &&
	      rmdir("dir/sub") == 0);
	FAILS(ENOTEMPTY, rmdir("dir"));
	CHECK(unlink("dir/y") == 0 && rmdir("dir") == 0 && !exists("dir"));
	FAILS(ENOTDIR, rmdir("a"));
	FAILS(EISDIR, unlink("empty"));
	FAILS(ENOENT, rmdir("dir"));
	FAILS(EINVAL, rmdir("empty/."));
	FAILS(ENOTEMPTY, rmdir("empty/.."));
}

static void a_folder_made_again_is_empty(void)
{
	CHECK(remove_tree("dir") == 0 && mkdir("dir", 0700) == 0);
	IS(0, entries("dir"));
	CHECK(mkdir("dir/sub", 0755) == 0);
	IS(0, entries("dir/sub"));
	FAILS(ENOENT, open("dir/x", O_RDONLY));
	put("dir/new", "new\n");
}

static void a_folder_made_again_again(void)
{
	IS(2, entries("dir"));
	IS(0, entries("dir/sub"));
	IS(0700, mode_of("dir"));
	CHECK(holds("dir/new", "new\n") && !exists("dir/x"));
}

static int renames(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_flags_work(void)
{
	CHECK(unlink("a") == 0);
	CHECK(renames("b", "a", RENAME_NOREPLACE) == 0 && holds("a", "lower b\n"));
	FAILS(EEXIST, renames("a", "big", RENAME_NOREPLACE));
	CHECK(renames("a", "h1", RENAME_EXCHANGE) == 0);
	CHECK(holds("h1", "lower b\n") && holds("a", "linked\n") &&
	      holds("h2", "linked\n"));
	CHECK(renames("dir", "h1", RENAME_EXCHANGE) == 0 || on_overlay());
	if (!on_overlay())
		CHECK(holds("h1/x", "x\n") && holds("dir", "lower b\n"));
	FAILS(ENOENT, renames("a", "none", RENAME_EXCHANGE));
	FAILS(EINVAL, renames("a", "none", RENAME_EXCHANGE | RENAME_NOREPLACE));
	CHECK(mkdir("n", 0755) == 0 && mkdir("n/m", 0755) == 0);
	FAILS(EINVAL, renames("n", "n/m", RENAME_EXCHANGE));
}

static void rename_flags_again(void)
{
	CHECK(holds("a", "linked\n") && holds("h2", "linked\n"));
	CHECK(on_overlay() || (holds("h1/x", "x\n") && holds("dir", "lower b\n")));
}

static void exclusive_creation(void)
{
	int fd;

	FAILS(EEXIST, open("a", O_CREAT | O_EXCL | O_RDWR, 0600));
	FAILS(EEXIST, open("link", O_CREAT | O_EXCL | O_RDWR, 0600));
	CHECK(unlink("a") == 0);
	fd = open_ok("a", O_CREAT | O_EXCL | O_RDWR);
	IS(0, stat_of("a").st_size);
	close(fd);
	/* O_CREAT of what is there leaves it as it is. */
	fd = open("b", O_CREAT | O_RDONLY, 0);
	CHECK(fd >= 0 && holds("b", "lower b\n"));
	IS(0644, mode_of("b"));
	/* A read-only file can be made and written by its maker. */
	fd = open("locked", O_CREAT | O_RDWR, 0);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	IS(0, mode_of("locked"));
	FAILS(EISDIR, open("dir", O_RDWR));
	FAILS(EISDIR, open("dir", O_CREAT | O_RDONLY, 0600));
	FAILS(ENOTDIR, open("b/x", O_CREAT | O_RDWR, 0600));
}

const struct test name_tests[] = {
	{"01-open-unlinked-new", open_unlinked_new_file_lives, NULL},
	{"02-open-unlinked-lower", open_unlinked_lower_file_lives, NULL},
	{"03-rename-over-lower", rename_over_lower_is_atomic, rename_over_lower_again},
	{"04-rename-folder", folder_of_any_layer_renames, folder_of_any_layer_again},
	{"05-rename-over-folder", rename_over_folders, rename_over_folders_again},
	{"06-rmdir", rmdir_sees_what_is_merged, NULL},
	{"07-folder-again", a_folder_made_again_is_empty, a_folder_made_again_again},
	{"08-rename-flags", rename_flags_work, rename_flags_again},
	{"12-exclusive", exclusive_creation, NULL},
	{0},
};
