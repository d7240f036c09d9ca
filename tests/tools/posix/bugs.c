#include <sys/xattr.h>

#include "posix.h"

/* What the best-known FUSE union file system got wrong. */

static void alive(void)
{
	CHECK(exists("a") && access(".", F_OK) == 0);
}

static void deleting_a_255_byte_lower_name(void)
{
	CHECK(unlink(LONG_NAME) == 0 && !exists(LONG_NAME));
	alive();
	put(LONG_NAME, "again");
	CHECK(unlink(LONG_NAME) == 0);
}

static void deleting_a_255_again(void)
{
	CHECK(!exists(LONG_NAME));
	alive();
}

static void one_write_both_names(void)
{
	int fd = open_ok("h1", O_WRONLY);

	CHECK(write(fd, "LINKED\n", 7) == 7 && close(fd) == 0);
	CHECK(holds("h1", "LINKED\n") && holds("h2", "LINKED\n"));
}

static void one_write_again(void)
{
	CHECK(holds("h1", "LINKED\n") && holds("h2", "LINKED\n"));
	IS(stat_of("h1").st_ino, stat_of("h2").st_ino);
}

static void group_is_inherited_by_folders(void)
{
	CHECK(chown("dir", 0, USER) == 0 && chmod("dir", 02755) == 0);
	CHECK(mkdir("dir/child", 0755) == 0 &&
	      mkdir("dir/child/grandchild", 0755) == 0);
	IS(02755, mode_of("dir/child/grandchild"));
	IS(USER, stat_of("dir/child/grandchild").st_gid);
}

static void open_truncate(void)
{
	close(open_ok("priv", O_RDWR | O_TRUNC));
}

static void truncation_drops_setuid(void)
{
	as_user(USER, USER, open_truncate);
	IS(0777, mode_of("priv"));
}

static void unlinked_has_no_links(void)
{
	int lower = open_ok("b", O_RDONLY), fresh = open_ok("new", O_CREAT | O_RDWR);
	struct stat st;

	CHECK(unlink("b") == 0 && unlink("new") == 0);
	CHECK(fstat(fresh, &st) == 0);
	IS(0, st.st_nlink);
	if (on_overlay())
		return;
	CHECK(fstat(lower, &st) == 0);
	IS(0, st.st_nlink);
	fresh = open_ok("h1", O_RDONLY);
	CHECK(unlink("h1") == 0 && fstat(fresh, &st) == 0);
	IS(1, st.st_nlink);
}

static void sparse_stays_sparse_over_chmod(void)
{
	if (on_overlay())
		skipped("overlayfs fills the holes");
	CHECK(chmod("sparse", 0600) == 0 && stat_of("sparse").st_blocks <= 64);
	CHECK(lseek(open_ok("sparse", O_RDONLY), 0, SEEK_HOLE) == 0);
}

static void sparse_again(void)
{
	CHECK(stat_of("sparse").st_blocks <= 64 || on_overlay());
	IS(SPARSE, stat_of("sparse").st_size);
}

static void whole_name_lengths(void)
{
	struct stat st;

	for (size_t len = 252; len <= 255; len++) {
		put(long_name(len), "n");
		CHECK(unlink(long_name(len)) == 0);
	}
	FAILS(ENAMETOOLONG, stat(long_name(256), &st));
}

static void nodes_obey_umask(void)
{
	umask(077);
	CHECK(mknod("n", S_IFIFO | 0666, 0) == 0);
	IS(0600, mode_of("n"));
	if (mknod("zero", S_IFCHR | 0666, 0) < 0)
		IS(EPERM, errno);
	else
		CHECK(exists("zero"));
}

static void xattrs_of_links_and_overlay(void)
{
	char buf[8];

	CHECK(lsetxattr("link", "trusted.x", "v", 1, 0) == 0);
	CHECK(lgetxattr("link", "trusted.x", buf, 8) == 1 && buf[0] == 'v');
	CHECK(setxattr("a", "user.overlay.test", "v", 1, 0) == 0);
	CHECK(setxattr("a", "user.fuseoverlayfs.opaque", "y", 1, 0) == 0);
	CHECK(getxattr("a", "user.overlay.test", buf, 8) == 1);
}

static void removing_leaves_nothing(void)
{
	char name[64];

	for (int d = 0; d < 20; d++) {
		snprintf(name, sizeof(name), "dir/d%d", d);
		CHECK(mkdir(name, 0755) == 0);
		for (int i = 0; i < 150; i++) {
			snprintf(name, sizeof(name), "dir/d%d/f%d", d, i);
			CHECK(mknod(name, S_IFREG | 0644, 0) == 0);
		}
	}
	CHECK(remove_tree("dir") == 0 && !exists("dir"));
}

static void direct_and_buffered_agree(void)
{
	char *page = aligned_alloc(4096, 4096), got[4096];
	int fd = open_ok("big", O_RDWR), direct = open("big", O_RDWR | O_DIRECT);

	CHECK(direct >= 0 && pread(fd, got, 4096, 4096) == 4096);
	memset(page, 'd', 4096);
	CHECK(pwrite(direct, page, 4096, 4096) == 4096);
	CHECK(pread(fd, got, 4096, 4096) == 4096 && memcmp(got, page, 4096) == 0);
	memset(got, 'b', 4096);
	CHECK(pwrite(fd, got, 4096, 4096) == 4096 &&
	      pread(direct, page, 4096, 4096) == 4096);
	CHECK(memcmp(got, page, 4096) == 0);
	free(page);
}

static void no_whiteout_is_left_by_rename(void)
{
	if (on_ext4())
		skipped("ext4 can do it");
	FAILS(EINVAL,
	      renameat2(AT_FDCWD, "a", AT_FDCWD, "c", 1 << 2 /* RENAME_WHITEOUT */));
	CHECK(exists("a") && !exists("c"));
}

static nlink_t links(const char *path)
{
	return stat_of(path).st_nlink;
}

static void folders_count_their_folders(void)
{
	bool counts = links("dir") > 1;

	if (on_overlay())
		skipped("overlayfs counts in one layer only");
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir/n%d", i);
		CHECK(mkdir(name, 0755) == 0);
		IS(counts ? 4 + i : 1, links("dir"));
	}
	CHECK(rename("dir/n0", "empty/n0") == 0 && rename("dir/sub", "empty/sub") == 0);
	IS(counts ? 4 : 1, links("dir"));
	IS(counts ? 4 : 1, links("empty"));
	CHECK(rename("empty/n0", "dir/n1") == 0 && rmdir("dir/n2") == 0);
	IS(counts ? 3 : 1, links("dir"));
	CHECK(renameat2(AT_FDCWD, "empty/sub", AT_FDCWD, "dir/x", RENAME_EXCHANGE) ==
	      0);
	IS(counts ? 2 : 1, links("empty"));
	IS(counts ? 4 : 1, links("dir"));
}

static void folders_count_again(void)
{
	bool counts = links("dir") > 1;

	if (on_overlay())
		return;
	IS(counts ? 2 : 1, links("empty"));
	IS(counts ? 4 : 1, links("dir"));
}

const struct test bug_tests[] = {
	{"bug-01-delete-255", deleting_a_255_byte_lower_name, deleting_a_255_again},
	{"bug-02-hard-links", one_write_both_names, one_write_again},
	{"bug-03-setgid", group_is_inherited_by_folders, NULL},
	{"bug-04-setuid", truncation_drops_setuid, NULL},
	{"bug-05-nlink-0", unlinked_has_no_links, NULL},
	{"bug-06-sparse", sparse_stays_sparse_over_chmod, sparse_again},
	{"bug-07-name-max", whole_name_lengths, NULL},
	{"bug-08-mknod", nodes_obey_umask, NULL},
	{"bug-09-xattr", xattrs_of_links_and_overlay, NULL},
	{"bug-11-remove-all", removing_leaves_nothing, NULL},
	{"bug-12-direct", direct_and_buffered_agree, NULL},
	{"bug-13-whiteout", no_whiteout_is_left_by_rename, NULL},
	{"bug-14-folder-links", folders_count_their_folders, folders_count_again},
	{0},
};
