#include <linux/falloc.h>

#include "fixture.h"

#include "fs/top/acl.h"

#define LARGE (300u << 10) /* bytes; more than the log takes of one file */

static uint8_t large[LARGE];

static int teardown(void **state)
{
	struct fixture *fx = *state;

	/* Whatever the test did: replay must make the same of it, compacted or not. */
	if (fx->top) {
		fx_reopen(fx);
		fx_reopen_compacted(fx);
		fx_reopen(fx);
	}
	return fx_teardown(state);
}

static void assert_bytes(struct fixture *fx, uint64_t ino, uint64_t off,
			 const void *want, size_t len)
{
	cps_auto(cps_free) uint8_t *got = malloc(len + 1);

	assert_int_equal(cps_top_pread(fx->top, ino, got, len, off, 0), len);
	assert_memory_equal(got, want, len);
}

static void assert_zeros(struct fixture *fx, uint64_t ino, uint64_t off, size_t len)
{
	cps_auto(cps_free) uint8_t *zeros = calloc(1, len + 1);

	assert_bytes(fx, ino, off, zeros, len);
}

static void assert_lower(struct fixture *fx, uint64_t ino, uint64_t off, size_t len,
			 uint64_t stream_at)
{
	cps_auto(cps_free) uint8_t *want = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		want[i] = lower_byte(stream_at + off + i);
	assert_bytes(fx, ino, off, want, len);
}

/* ---- making ---- */

static void everything_can_be_made(void **state)
{
	static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR,
				       S_IFBLK, S_IFIFO, S_IFSOCK};
	struct fixture *fx = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++) {
		char path[16];
		struct stat st;

		snprintf(path, sizeof(path), "a/t%zu", i);
		assert_int_equal(fx_make(fx, path, types[i] | 0777), 0);
		assert_int_equal(fx_make(fx, path, types[i] | 0777), -EEXIST);
		st = fx_stat(fx, fx_find(fx, path));
		assert_int_equal(st.st_mode,
				 types[i] | (S_ISLNK(types[i]) ? 0777 : 0755));
		assert_int_equal(st.st_nlink, S_ISDIR(types[i]) ? 2 : 1);
		assert_int_equal(st.st_uid, 1000);
		assert_int_equal(st.st_gid, 1001);
		if (S_ISCHR(types[i]) || S_ISBLK(types[i]))
			assert_int_equal(st.st_rdev, makedev(8, 3));
		if (S_ISLNK(types[i]))
			assert_int_equal(st.st_size, strlen("to/where"));
	}
	/* a, a/b and the new one. */
	assert_int_equal(fx_stat(fx, fx_find(fx, "a")).st_nlink, 4);
}

static void names_are_checked(void **state)
{
	struct fixture *fx = *state;
	char longest[CPS_NAME_MAX + 2];
	uint64_t ino;

	memset(longest, 'x', sizeof(longest));
	longest[CPS_NAME_MAX + 1] = '\0';
	assert_int_equal(fx_make(fx, longest, S_IFREG | 0644), -ENAMETOOLONG);
	longest[CPS_NAME_MAX] = '\0';
	assert_int_equal(fx_make(fx, longest, S_IFREG | 0644), 0);
	assert_int_equal(fx_make(fx, ".wh.strange", S_IFREG | 0644), 0);
	assert_int_equal(fx_make(fx, "a/f1", S_IFREG | 0644), -EEXIST);
	assert_int_equal(fx_make(fx, "a/f1/x", S_IFREG | 0644), -ENOTDIR);
	assert_int_equal(cps_top_make(fx->top, &fx_who, CPS_TOP_FRESH + 99, "x",
				      S_IFREG, 0, NULL, &ino),
			 -ENOENT);
	assert_int_equal(cps_top_make(fx->top, &fx_who, 1, "l", S_IFLNK, 0, "", &ino),
			 -ENOENT);
	assert_int_equal(cps_top_lookup(fx->top, 1, "none/x", &ino), -ENOENT);
}

static void a_setgid_folder_gives_its_group(void **state)
{
	struct fixture *fx = *state;
	struct stat st = {.st_mode = 02777, .st_gid = 77};
	uint64_t dir = fx_folder(fx, "g");

	assert_int_equal(
		cps_top_setattr(fx->top, &fx_who, dir, CPS_TOP_MODE | CPS_TOP_GID, &st),
		0);
	st = fx_stat(fx, fx_file(fx, "g/f"));
	assert_int_equal(st.st_gid, 77);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	st = fx_stat(fx, fx_folder(fx, "g/d"));
	assert_int_equal(st.st_gid, 77);
	assert_int_equal(st.st_mode, S_IFDIR | 02755);
}

static void a_default_acl_is_inherited(void **state)
{
	struct fixture *fx = *state;
	uint8_t acl[128];
	uint64_t ino;
	struct stat st;

	/* The umask does not count where there is a default ACL. */
	assert_int_equal(fx_make(fx, "acl/f", S_IFREG | 0666), 0);
	ino = fx_find(fx, "acl/f");
	st = fx_stat(fx, ino);
	assert_int_equal(st.st_mode, S_IFREG | 0664);
	assert_int_equal(st.st_gid, 6);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_ACCESS, acl, 128), 44);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_DEFAULT, acl, 128),
			 -ENODATA);
	/* chmod changes the mask. */
	st.st_mode = 0600;
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_MODE, &st), 0);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_ACCESS, acl, 128), 44);
	assert_int_equal(cps_le16(acl + 4 + 3 * 8 + 2), 0);
	assert_int_equal(fx_make(fx, "acl/d", S_IFDIR | 0777), 0);
	ino = fx_find(fx, "acl/d");
	assert_int_equal(fx_stat(fx, ino).st_mode, S_IFDIR | 02774);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_DEFAULT, acl, 128),
			 44);
	assert_int_equal(fx_make(fx, "acl/l", S_IFLNK | 0777), 0);
	assert_int_equal(cps_top_xattr_list(fx->top, fx_find(fx, "acl/l"), NULL, 0), 0);
}

static void the_access_acl_sets_the_mode(void **state)
{
	static const uint8_t minimal[] = {2, 0,    0,    0,    1,    0,    6,
					  0, 0xff, 0xff, 0xff, 0xff, 4,    0,
					  4, 0,    0xff, 0xff, 0xff, 0xff, 0x20,
					  0, 0,    0,    0xff, 0xff, 0xff, 0xff};
	struct fixture *fx = *state;
	uint64_t ino = fx_find(fx, "big");

	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, ino, CPS_ACL_ACCESS,
					   minimal, sizeof(minimal), 0, false),
			 0);
	assert_int_equal(fx_stat(fx, ino).st_mode, S_IFREG | 0640);
	/* The mode says it all. */
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_ACCESS, NULL, 0),
			 -ENODATA);
	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, ino, CPS_ACL_ACCESS,
					   minimal, 5, 0, false),
			 -EINVAL);
}

/* ---- names ---- */

static void what_is_removed_is_gone(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(fx_unlink(fx, "a"), -EISDIR);
	assert_int_equal(fx_rmdir(fx, "a"), -ENOTEMPTY);
	assert_int_equal(fx_rmdir(fx, "big"), -ENOTDIR);
	assert_int_equal(fx_unlink(fx, "nothing"), -ENOENT);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	assert_int_equal(fx_unlink(fx, "big"), -ENOENT);
	assert_false(fx_there(fx, "big"));
	assert_int_equal(fx_rmdir(fx, "a/b/c"), -ENOTEMPTY);
	assert_int_equal(fx_unlink(fx, "a/b/c/deep"), 0);
	assert_int_equal(fx_rmdir(fx, "a/b/c"), 0);
	assert_int_equal(fx_stat(fx, fx_find(fx, "a/b")).st_nlink, 2);
	/* A name that was removed can be given again, to something else. */
	fx_folder(fx, "big");
	fx_file(fx, "a/b/c");
	assert_int_equal(fx_rmdir(fx, "none"), 0);
	fx_folder(fx, "none");
	fx_file(fx, "none/x");
	assert_int_equal(fx_rmdir(fx, "none"), -ENOTEMPTY);
}

static void nothing_is_made_in_a_removed_folder(void **state)
{
	struct fixture *fx = *state;
	uint64_t lower = fx_find(fx, "none"), fresh = fx_folder(fx, "f"), ino;

	cps_top_ref(fx->top, lower);
	cps_top_ref(fx->top, fresh);
	assert_int_equal(fx_rmdir(fx, "none"), 0);
	assert_int_equal(fx_rmdir(fx, "f"), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t dir = i ? lower : fresh;

		assert_int_equal(cps_top_make(fx->top, &fx_who, dir, "x",
					      S_IFREG | 0600, 0, NULL, &ino),
				 -ENOENT);
		assert_int_equal(
			cps_top_link(fx->top, &fx_who, fx_find(fx, "big"), dir, "x"),
			-ENOENT);
		assert_int_equal(
			cps_top_rename(fx->top, &fx_who, 1, "big", dir, "x", 0),
			-ENOENT);
		assert_int_equal(fx_stat(fx, dir).st_nlink, 0);
		cps_top_forget(fx->top, dir, 1);
	}
	assert_int_equal(cps_top_stat(fx->top, fresh, &(struct stat){0}), -ENOENT);
}

static void hard_links_stay_one_file(void **state)
{
	struct fixture *fx = *state;
	uint64_t f1 = fx_find(fx, "a/f1");

	assert_int_equal(f1, fx_find(fx, "a/f2"));
	assert_int_equal(fx_link(fx, "a/f1", "f3"), 0);
	assert_int_equal(fx_link(fx, "a/f1", "f3"), -EEXIST);
	assert_int_equal(fx_link(fx, "a", "dirlink"), -EPERM);
	assert_int_equal(fx_stat(fx, f1).st_nlink, 3);
	assert_int_equal(fx_write(fx, f1, "changed", 7, 100), 0);
	assert_int_equal(fx_unlink(fx, "a/f1"), 0);
	assert_int_equal(fx_unlink(fx, "a/f2"), 0);
	fx_reopen(fx);
	assert_int_equal(fx_find(fx, "f3"), f1);
	assert_bytes(fx, f1, 100, "changed", 7);
	assert_lower(fx, f1, 0, 100, LOWER_F1_AT);
	assert_int_equal(fx_stat(fx, f1).st_nlink, 1);
	/* Two names of one inode: nothing happens. */
	assert_int_equal(fx_link(fx, "f3", "f4"), 0);
	assert_int_equal(fx_rename(fx, "f3", "f4", 0), 0);
	assert_true(fx_there(fx, "f3") && fx_there(fx, "f4"));
	assert_int_equal(fx_rename(fx, "f3", "f4", RENAME_EXCHANGE), 0);
}

static void a_file_without_a_name_can_get_one(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino, other;

	assert_int_equal(cps_top_make_nameless(fx->top, &fx_who, fx_find(fx, "a"),
					       S_IFREG | 0666, &ino),
			 0);
	assert_int_equal(
		cps_top_make_nameless(fx->top, &fx_who, 1, S_IFREG | 0666, &other), 0);
	cps_top_ref(fx->top, ino);
	cps_top_ref(fx->top, other);
	assert_int_equal(fx_stat(fx, ino).st_nlink, 0);
	assert_int_equal(fx_write(fx, ino, large, LARGE, 0), 0);
	assert_int_equal(fx_write(fx, other, large, LARGE, 0), 0);
	assert_int_equal(cps_top_link(fx->top, &fx_who, ino, fx_find(fx, "a"), "tmp"),
			 0);
	cps_top_forget(fx->top, other, 1);
	assert_int_equal(cps_top_stat(fx->top, other, &(struct stat){0}), -ENOENT);
	cps_top_forget(fx->top, ino, 1);
	fx_reopen(fx);
	assert_int_equal(fx_find(fx, "a/tmp"), ino);
	assert_bytes(fx, ino, 0, large, LARGE);
	assert_int_equal(cps_top_stat(fx->top, other, &(struct stat){0}), -ENOENT);
}

static void what_is_open_lives_without_a_name(void **state)
{
	struct fixture *fx = *state;
	uint64_t fresh = fx_file(fx, "f"), lower = fx_find(fx, "big");

	cps_top_ref(fx->top, fresh);
	cps_top_ref(fx->top, fresh);
	cps_top_ref(fx->top, lower);
	assert_int_equal(fx_unlink(fx, "f"), 0);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	assert_int_equal(fx_write(fx, fresh, large, LARGE, 0), 0);
	assert_int_equal(fx_write(fx, lower, "x", 1, 5), 0);
	cps_top_forget(fx->top, fresh, 1);
	assert_bytes(fx, fresh, 0, large, LARGE);
	assert_lower(fx, lower, 6, 1000, LOWER_BIG_AT);
	assert_int_equal(fx_stat(fx, lower).st_nlink, 0);
	cps_top_forget(fx->top, fresh, 1);
	cps_top_forget(fx->top, lower, 1);
	assert_int_equal(cps_top_stat(fx->top, fresh, &(struct stat){0}), -ENOENT);
}

/* ---- renames ---- */

static void folders_of_all_kinds_are_renamed(void **state)
{
	struct fixture *fx = *state;
	uint64_t a = fx_find(fx, "a"), fresh, deep = fx_find(fx, "a/b/c/deep");

	/* lower */
	assert_int_equal(fx_rename(fx, "a/b", "b2", 0), 0);
	assert_int_equal(fx_stat(fx, a).st_nlink, 2);
	assert_int_equal(fx_find(fx, "b2/c/deep"), deep);
	assert_false(fx_there(fx, "a/b"));
	/* merged, over an empty lower one */
	fx_file(fx, "a/new");
	assert_int_equal(fx_rename(fx, "a", "none", 0), 0);
	assert_int_equal(fx_find(fx, "none"), a);
	assert_true(fx_there(fx, "none/f1") && fx_there(fx, "none/new"));
	assert_false(fx_there(fx, "a"));
	/* new, with lower ones inside */
	fresh = fx_folder(fx, "fresh");
	assert_int_equal(fx_rename(fx, "none", "fresh/in", 0), 0);
	assert_int_equal(fx_rename(fx, "fresh", "a", 0), 0);
	assert_int_equal(fx_find(fx, "a"), fresh);
	assert_true(fx_there(fx, "a/in/f1"));
	fx_reopen(fx);
	assert_true(fx_there(fx, "a/in/f1") && fx_there(fx, "b2/c/deep"));
	assert_int_equal(fx_find(fx, "a/in/.."), fresh);
	/* and back */
	assert_int_equal(fx_rename(fx, "b2", "a/in/b", 0), 0);
	assert_int_equal(fx_rename(fx, "a/in", "x", 0), 0);
	assert_int_equal(fx_rmdir(fx, "a"), 0);
	assert_int_equal(fx_rename(fx, "x", "a", 0), 0);
	assert_int_equal(fx_find(fx, "a/b/c/deep"), deep);
	assert_int_equal(fx_stat(fx, a).st_nlink, 3);
}

static void a_rename_that_makes_no_sense_is_refused(void **state)
{
	struct fixture *fx = *state;

	fx_folder(fx, "full");
	fx_file(fx, "full/x");
	assert_int_equal(fx_rename(fx, "a", "a/b/c/a", 0), -EINVAL);
	assert_int_equal(fx_rename(fx, "a", "a/self", 0), -EINVAL);
	assert_int_equal(fx_rename(fx, "a/b/c", "a", 0), -ENOTEMPTY);
	assert_int_equal(fx_rename(fx, "a/b/c", "a", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(fx_rename(fx, "a", "a/b/c", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(fx_rename(fx, "a", "full", 0), -ENOTEMPTY);
	assert_int_equal(fx_rename(fx, "full", "a", 0), -ENOTEMPTY);
	assert_int_equal(fx_rename(fx, "a", "big", 0), -ENOTDIR);
	assert_int_equal(fx_rename(fx, "big", "none", 0), -EISDIR);
	assert_int_equal(fx_rename(fx, "nothing", "x", 0), -ENOENT);
	assert_int_equal(fx_rename(fx, "big", "nothing", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(fx_rename(fx, "big", "empty", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fx_rename(fx, "big", "full/x", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fx_rename(fx, "big", "x", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(fx_rename(fx, "big", "x", RENAME_NOREPLACE | RENAME_EXCHANGE),
			 -EINVAL);
	assert_int_equal(fx_rename(fx, "big", "new", RENAME_NOREPLACE), 0);
	assert_int_equal(fx_rename(fx, "a", "a", 0), 0);
}

static void a_rename_replaces(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), f = fx_file(fx, "f");

	/* lower over lower, new over it, lower over a name of two */
	assert_int_equal(fx_rename(fx, "big", "empty", 0), 0);
	assert_int_equal(fx_find(fx, "empty"), big);
	assert_int_equal(fx_rename(fx, "f", "empty", 0), 0);
	assert_int_equal(fx_find(fx, "empty"), f);
	assert_int_equal(fx_rename(fx, "hole", "a/f2", 0), 0);
	assert_int_equal(fx_stat(fx, fx_find(fx, "a/f1")).st_nlink, 1);
	fx_reopen(fx);
	assert_int_equal(fx_rename(fx, "empty", "a/f1", 0), 0);
	assert_int_equal(fx_find(fx, "a/f1"), f);
}

static void exchange_takes_anything(void **state)
{
	struct fixture *fx = *state;
	uint64_t a = fx_find(fx, "a"), big = fx_find(fx, "big"),
		 many = fx_find(fx, "many");

	assert_int_equal(fx_rename(fx, "a/b", "big", RENAME_EXCHANGE), 0);
	assert_int_equal(fx_find(fx, "a/b"), big);
	assert_true(fx_there(fx, "big/c/deep"));
	assert_int_equal(fx_stat(fx, a).st_nlink, 2);
	assert_int_equal(fx_stat(fx, 1).st_nlink, 7);
	assert_int_equal(fx_rename(fx, "many", "a", RENAME_EXCHANGE), 0);
	assert_int_equal(fx_find(fx, "a"), many);
	assert_int_equal(fx_find(fx, "many"), a);
	assert_int_equal(fx_rename(fx, "many/f1", "a/n00", RENAME_EXCHANGE), 0);
	assert_true(fx_there(fx, "a/n00") && fx_there(fx, "many/f1"));
}

/* ---- attributes ---- */

static void attributes_are_set(void **state)
{
	struct fixture *fx = *state;
	struct stat st = {
		.st_mode = 01234,
		.st_uid = 9,
		.st_gid = 8,
		.st_atim = {5, 999999999},
		.st_mtim = {-6, 7},
		.st_ctim = {1, 2},
	};
	uint64_t ino = fx_find(fx, "many");

	assert_int_equal(cps_top_setattr(fx->top, &fx_who, ino,
					 CPS_TOP_MODE | CPS_TOP_UID | CPS_TOP_GID |
						 CPS_TOP_ATIME | CPS_TOP_MTIME |
						 CPS_TOP_CTIME,
					 &st),
			 0);
	fx_reopen(fx);
	st = fx_stat(fx, ino);
	assert_int_equal(st.st_mode, S_IFDIR | 01234);
	assert_int_equal(st.st_uid, 9);
	assert_int_equal(st.st_gid, 8);
	assert_true(st.st_atim.tv_sec == 5 && st.st_atim.tv_nsec == 999999999);
	assert_true(st.st_mtim.tv_sec == -6 && st.st_mtim.tv_nsec == 7);
	assert_true(st.st_ctim.tv_sec == 1 && st.st_ctim.tv_nsec == 2);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_SIZE, &st),
			 -EISDIR);
	assert_int_equal(
		cps_top_setattr(fx->top, &fx_who, CPS_TOP_FRESH + 7, CPS_TOP_MODE, &st),
		-ENOENT);
}

static void times_far_away_are_kept(void **state)
{
	static const time_t far[] = {INT64_MAX, INT64_MIN, INT64_MAX / 1000000000 + 1};
	struct fixture *fx = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(far); i++) {
		char path[8];
		const struct stat st = {.st_mtim = {far[i], 1}, .st_ctim = {far[i], 1}};

		snprintf(path, sizeof(path), "f%zu", i);
		assert_int_equal(cps_top_setattr(fx->top, &fx_who, fx_file(fx, path),
						 CPS_TOP_MTIME | CPS_TOP_CTIME, &st),
				 0);
	}
}

static bool has_caps(struct fixture *fx, uint64_t ino)
{
	return cps_top_xattr_get(fx->top, ino, "security.capability", NULL, 0) >= 0;
}

static void privileges_go_with_owner_and_content(void **state)
{
	struct fixture *fx = *state;
	const struct cps_top_who me = {.pid = getpid()}, nobody = {.pid = 0};
	uint64_t ino = fx_find(fx, "a/f1"), other, third;
	struct stat st = {.st_uid = 1};

	assert_true(has_caps(fx, ino));
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_UID, &st), 0);
	assert_false(has_caps(fx, ino));
	assert_int_equal(fx_stat(fx, ino).st_mode, S_IFREG | 0755);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, "user.color", NULL, 0), 4);
	/* Without execute for the group setgid is another thing, and stays for those
	 * who are of the group. */
	other = fx_file(fx, "f");
	st = (struct stat){.st_mode = 06644, .st_gid = getegid()};
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, other, CPS_TOP_GID, &st), 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, other, CPS_TOP_MODE, &st),
			 0);
	assert_int_equal(fx_write(fx, other, "x", 1, 0), 0);
	assert_int_equal(fx_stat(fx, other).st_mode, S_IFREG | 06644);
	assert_int_equal(
		cps_top_write(fx->top, &me, other, "x", 1, 0, CPS_TOP_WRITE_KILL_PRIV),
		0);
	assert_int_equal(fx_stat(fx, other).st_mode, S_IFREG | 02644);
	assert_int_equal(cps_top_write(fx->top, &nobody, other, "x", 1, 0,
				       CPS_TOP_WRITE_KILL_PRIV),
			 0);
	assert_int_equal(fx_stat(fx, other).st_mode, S_IFREG | 0644);
	/* truncate */
	third = fx_file(fx, "g");
	st = (struct stat){.st_mode = 06755, .st_size = 5};
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, third, CPS_TOP_MODE, &st),
			 0);
	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, third,
					   "security.capability", "c", 1, 0, false),
			 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, third,
					 CPS_TOP_SIZE | CPS_TOP_KILL_PRIV, &st),
			 0);
	assert_int_equal(fx_stat(fx, third).st_mode, S_IFREG | 0755);
	assert_false(has_caps(fx, third));
}

static void xattrs_are_set_and_removed(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_find(fx, "a/f1"), link = fx_find(fx, "link");
	char buf[64];

#define SET(i, name, value, flags)                                                     \
	cps_top_xattr_set(fx->top, &fx_who, i, name, value, strlen(value), flags, false)
	assert_int_equal(SET(ino, "user.color", "x", XATTR_CREATE), -EEXIST);
	assert_int_equal(SET(ino, "user.other", "x", XATTR_REPLACE), -ENODATA);
	assert_int_equal(SET(ino, "user.color", "red!!", XATTR_REPLACE), 0);
	assert_int_equal(SET(ino, "user.other", "", XATTR_CREATE), 0);
	assert_int_equal(SET(link, "trusted.t", "of a link", 0), 0);
	assert_int_equal(SET(ino, "user.capas.layer", "", 0), -EPERM);
	fx_reopen(fx);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, "user.color", buf, 64), 5);
	assert_memory_equal(buf, "red!!", 5);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, "user.color", buf, 4),
			 -ERANGE);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, "user.other", buf, 64), 0);
	assert_true(has_caps(fx, ino));
	assert_int_equal(
		cps_top_xattr_remove(fx->top, &fx_who, ino, "security.capability"), 0);
	assert_int_equal(
		cps_top_xattr_remove(fx->top, &fx_who, ino, "security.capability"),
		-ENODATA);
	assert_int_equal(cps_top_xattr_list(fx->top, ino, NULL, 0),
			 sizeof("user.color") + sizeof("user.other"));
	assert_int_equal(cps_top_xattr_list(fx->top, ino, buf, 5), -ERANGE);
}

/* A limit is met by the one who goes beyond it, not by all who come after. */
static void too_many_xattrs_are_refused_and_nothing_is_lost(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f"), fat = fx_find(fx, "fat");
	struct stat st = {.st_mode = 0600};
	int rc = 0;

	for (int i = 0; i < 40 && rc == 0; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user.%d", i);
		rc = cps_top_xattr_set(fx->top, &fx_who, ino, name, large, 60000, 0,
				       false);
		assert_int_equal(rc, i < 34 ? 0 : -ENOSPC);
	}
	assert_int_equal(
		cps_top_xattr_set(fx->top, &fx_who, fat, "user.4", "", 0, 0, false), 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_MODE, &st), 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, fat, CPS_TOP_MODE, &st), 0);
	assert_int_equal(fx_write(fx, fat, "x", 1, 0), 0);
	assert_int_equal(fx_rename(fx, "fat", "fat2", 0), 0);
}

/* ---- content ---- */

static void small_contents_are_written(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	assert_int_equal(fx_write(fx, ino, "hello", 5, 0), 0);
	assert_int_equal(fx_write(fx, ino, " world", 6, 5), 0);
	assert_int_equal(fx_write(fx, ino, "J", 1, 0), 0);
	assert_bytes(fx, ino, 0, "Jello world", 11);
	assert_int_equal(fx_write(fx, ino, "far", 3, 1000000), 0);
	assert_zeros(fx, ino, 11, 1000000 - 11);
	assert_int_equal(fx_stat(fx, ino).st_size, 1000003);
	cps_top_stats(fx->top, &stats);
	assert_int_equal(stats.data_files, 0);
	assert_int_equal(fx_write(fx, ino, "x", 1, INT64_MAX), -EFBIG);
	assert_int_equal(fx_write(fx, ino, "x", 1, UINT64_MAX), -EFBIG);
	assert_int_equal(fx_write(fx, 1, "x", 1, 0), -EISDIR);
	assert_int_equal(fx_write(fx, fx_find(fx, "link"), "x", 1, 0), -EINVAL);
}

static void large_contents_are_written(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	assert_int_equal(fx_write(fx, ino, "first, in the log", 17, 0), 0);
	assert_int_equal(fx_write(fx, ino, large, LARGE, 17), 0);
	assert_bytes(fx, ino, 0, "first, in the log", 17);
	assert_bytes(fx, ino, 17, large, LARGE);
	cps_top_stats(fx->top, &stats);
	assert_int_equal(stats.data_files, 1);
	assert_int_equal(fx_truncate(fx, ino, 100), 0);
	assert_int_equal(fx_truncate(fx, ino, 200), 0);
	assert_bytes(fx, ino, 17, large, 83);
	assert_zeros(fx, ino, 100, 100);
	fx_reopen(fx);
	/* Again beyond a gap: what was cut off does not come back. */
	assert_int_equal(fx_write(fx, ino, "end", 3, 5000), 0);
	assert_zeros(fx, ino, 100, 4900);
	assert_bytes(fx, ino, 17, large, 83);
}

static void lower_contents_are_written_over(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), hole = fx_find(fx, "hole");

	assert_int_equal(fx_write(fx, big, "in between", 10, 5000), 0);
	assert_lower(fx, big, 0, 5000, LOWER_BIG_AT);
	assert_bytes(fx, big, 5000, "in between", 10);
	assert_lower(fx, big, 5010, LOWER_BIG_BYTES - 5010, LOWER_BIG_AT);
	assert_int_equal(fx_write(fx, big, large, LARGE, 600000), 0);
	assert_lower(fx, big, 5010, 600000 - 5010, LOWER_BIG_AT);
	assert_bytes(fx, big, 600000, large, LARGE);
	assert_int_equal(fx_write(fx, big, "appended", 8, LOWER_BIG_BYTES), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES + 8);
	assert_int_equal(fx_truncate(fx, big, 1000), 0);
	assert_int_equal(fx_truncate(fx, big, 3000), 0);
	assert_lower(fx, big, 0, 1000, LOWER_BIG_AT);
	assert_zeros(fx, big, 1000, 2000);
	assert_int_equal(fx_write(fx, hole, "x", 1, 10), 0);
	assert_zeros(fx, hole, 11, LOWER_HOLE_AT - 11);
	assert_lower(fx, hole, LOWER_HOLE_AT, 100, LOWER_HOLE_DATA_AT - LOWER_HOLE_AT);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "a/f1"), 0), 0);
	assert_int_equal(fx_stat(fx, fx_find(fx, "a/f2")).st_size, 0);
}

static void a_file_begins_anew_when_it_is_emptied(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(fx_write(fx, ino, large, LARGE, 0), 0);
		assert_int_equal(fx_truncate(fx, ino, 0), 0);
		assert_int_equal(fx_write(fx, ino, "small", 5, 0), 0);
		assert_bytes(fx, ino, 0, "small", 5);
		assert_int_equal(cps_top_sync(fx->top), 0);
		cps_top_stats(fx->top, &stats);
		assert_int_equal(stats.data_files, 0);
	}
}

static int fallocate_at(struct fixture *fx, uint64_t ino, int mode, uint64_t off,
			uint64_t len)
{
	return cps_top_fallocate(fx->top, &fx_who, ino, mode, off, len);
}

static void holes_are_punched_and_zeroed(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), f = fx_file(fx, "f");

	assert_int_equal(fallocate_at(fx, big, punch, 1000, 500), 0);
	assert_lower(fx, big, 0, 1000, LOWER_BIG_AT);
	assert_zeros(fx, big, 1000, 500);
	assert_lower(fx, big, 1500, 500, LOWER_BIG_AT);
	assert_int_equal(fallocate_at(fx, big, punch, LOWER_BIG_BYTES - 10, 500), 0);
	assert_int_equal(fallocate_at(fx, big, punch, LOWER_BIG_BYTES + 10, 500), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES);
	assert_int_equal(
		fallocate_at(fx, big, FALLOC_FL_ZERO_RANGE, LOWER_BIG_BYTES, 500), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES + 500);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	assert_int_equal(fallocate_at(fx, f, punch, 4096, 8192), 0);
	assert_bytes(fx, f, 0, large, 4096);
	assert_zeros(fx, f, 4096, 8192);
	assert_bytes(fx, f, 12288, large + 12288, LARGE - 12288);
	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
			 -EOPNOTSUPP);
	assert_int_equal(fallocate_at(fx, f, 0, 0, 0), -EINVAL);
	assert_int_equal(fallocate_at(fx, f, 0, INT64_MAX, 1), -EFBIG);
	assert_int_equal(fallocate_at(fx, 1, 0, 0, 1), -EISDIR);
}

static void space_is_set_aside(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), f = fx_file(fx, "f");

	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
	assert_int_equal(fx_stat(fx, f).st_size, 0);
	assert_int_equal(fallocate_at(fx, f, 0, 0, 100000), 0);
	assert_int_equal(fx_stat(fx, f).st_size, 100000);
	assert_zeros(fx, f, 0, 100000);
	assert_int_equal(fallocate_at(fx, big, 0, 0, LOWER_BIG_BYTES + 1000), 0);
	assert_lower(fx, big, 0, LOWER_BIG_BYTES, LOWER_BIG_AT);
	assert_zeros(fx, big, LOWER_BIG_BYTES, 1000);
	/* An empty file that is emptied loses the space, and grows without it. */
	f = fx_file(fx, "g");
	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
	assert_int_equal(fx_truncate(fx, f, 0), 0);
	assert_int_equal(cps_top_sync(fx->top), 0);
	assert_int_equal(fx_write(fx, f, "x", 1, 1000), 0);
	assert_zeros(fx, f, 0, 1000);
}

/* About as many as there is data: never more than the size and a bit. */
static void blocks_are_counted_with_sense(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), big = fx_find(fx, "big");

	assert_int_equal(fx_stat(fx, f).st_blocks, 0);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	assert_true(fx_stat(fx, f).st_blocks >= LARGE / 512);
	assert_int_equal(fallocate_at(fx, f, punch, 8192, 4096), 0);
	assert_in_range(fx_stat(fx, f).st_blocks, 1, LARGE / 512);
	assert_int_equal(fx_write(fx, big, "x", 1, 0), 0);
	assert_in_range(fx_stat(fx, big).st_blocks, LOWER_BIG_BYTES / 512,
			LOWER_BIG_BYTES / 512 + 1);
	assert_int_equal(fallocate_at(fx, big, punch, 0, LOWER_BIG_BYTES), 0);
	assert_int_equal(fx_stat(fx, big).st_blocks, 0);
}

static void assert_seek(struct fixture *fx, uint64_t ino, uint64_t off, int whence,
			int64_t want)
{
	uint64_t got = 0;
	int rc = cps_top_seek(fx->top, ino, off, whence, &got);

	assert_int_equal(rc < 0 ? rc : (int64_t)got, want);
}

static void data_and_holes_are_found(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), hole = fx_find(fx, "hole");

	assert_seek(fx, f, 0, SEEK_DATA, -ENXIO);
	assert_int_equal(fx_write(fx, f, "x", 1, 1u << 20), 0);
	assert_seek(fx, f, 0, SEEK_DATA, 1u << 20);
	assert_seek(fx, f, 0, SEEK_HOLE, 0);
	assert_seek(fx, f, 1u << 20, SEEK_HOLE, (1u << 20) + 1);
	assert_seek(fx, f, (1u << 20) + 1, SEEK_HOLE, -ENXIO);
	assert_int_equal(fx_write(fx, f, large, LARGE, 4u << 20), 0);
	assert_seek(fx, f, 2u << 20, SEEK_DATA, 4u << 20);
	assert_seek(fx, f, 4u << 20, SEEK_HOLE, (4u << 20) + LARGE);
	assert_seek(fx, hole, 0, SEEK_DATA, LOWER_HOLE_AT);
	assert_int_equal(fx_write(fx, hole, "x", 1, 0), 0);
	assert_seek(fx, hole, 0, SEEK_DATA, 0);
	assert_seek(fx, hole, 0, SEEK_HOLE, 1);
	assert_seek(fx, hole, 1, SEEK_DATA, LOWER_HOLE_AT);
	assert_seek(fx, hole, LOWER_HOLE_AT, SEEK_HOLE,
		    LOWER_HOLE_AT + LOWER_HOLE_BYTES);
	assert_seek(fx, hole, LOWER_HOLE_AT + LOWER_HOLE_BYTES, SEEK_DATA, -ENXIO);
	assert_seek(fx, hole, 0, SEEK_CUR, -EINVAL);
	assert_seek(fx, 1, 0, SEEK_DATA, -EINVAL);
}

/* Many pieces: the file takes whole chunks over, and says the same as before. */
static void a_file_in_many_pieces_stays_right(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_find(fx, "big");
	uint8_t *want = malloc(8u << 20);

	memset(want, 0, 8u << 20);
	for (size_t i = 0; i < LOWER_BIG_BYTES; i++)
		want[i] = lower_byte(LOWER_BIG_AT + i);
	assert_int_equal(fx_truncate(fx, f, 7u << 20), 0);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	memcpy(want, large, LARGE);
	for (uint32_t i = 0; i < 6000; i++) {
		uint64_t off = (uint64_t)i * 1100 + (i % 3);

		assert_int_equal(fx_write(fx, f, large + i, 7, off), 0);
		memcpy(want + off, large + i, 7);
	}
	assert_bytes(fx, f, 0, want, 7u << 20);
	fx_reopen(fx);
	assert_bytes(fx, f, 0, want, 7u << 20);
	free(want);
}

/* A chunk that is taken over by a write beyond the end. */
static void what_was_cut_off_does_not_come_back(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const uint64_t chunk = 5u << 20;
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f");

	for (uint64_t off = 0; off < 6u << 20; off += LARGE)
		assert_int_equal(fx_write(fx, f, large, LARGE, off), 0);
	for (uint64_t i = 0; i < 4200; i++)
		assert_int_equal(fallocate_at(fx, f, punch, i * 1000, 10), 0);
	assert_int_equal(fx_truncate(fx, f, chunk + 100), 0);
	assert_int_equal(fx_write(fx, f, "z", 1, chunk + 50000), 0);
	assert_zeros(fx, f, chunk + 100, 49900);
	assert_bytes(fx, f, chunk + 50000, "z", 1);
	assert_bytes(fx, f, chunk, large + chunk % LARGE, 100);
}

/* ---- listings ---- */

static void a_listing_survives_changes(void **state)
{
	struct fixture *fx = *state;
	uint64_t dir = fx_find(fx, "many"), cookie = 0;
	unsigned int seen[LOWER_MANY] = {0}, fresh = 0;
	struct cps_top_entry e;

	for (unsigned int i = 0; i < 30; i++) {
		char path[16];

		snprintf(path, sizeof(path), "many/x%02u", i);
		fx_file(fx, path);
	}
	/* Some go, some come, some are replaced; those that stay are seen once. */
	for (unsigned int i = 0; cps_top_readdir(fx->top, dir, cookie, &e) == 1; i++) {
		char path[32];

		cookie = e.next;
		if (e.name[0] == 'n')
			seen[atoi(e.name + 1)]++;
		fresh += e.name[0] == 'x';
		snprintf(path, sizeof(path), "many/n%02u", i % 10);
		if (fx_there(fx, path))
			assert_int_equal(fx_unlink(fx, path), 0);
		snprintf(path, sizeof(path), "many/new%u", i);
		if (i < 50)
			fx_file(fx, path);
		if (i == 20)
			assert_int_equal(fx_rename(fx, "big", "many/n30", 0), 0);
		if (i == 25)
			fx_file(fx, "many/n00");
	}
	for (unsigned int i = 10; i < LOWER_MANY; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(fresh, 30);
	assert_int_equal(cps_top_readdir(fx->top, fx_find(fx, "empty"), 0, &e),
			 -ENOTDIR);
	assert_int_equal(cps_top_readdir(fx->top, CPS_TOP_FRESH + 9999, 5, &e),
			 -ENOENT);
}

static void dots_follow_a_move(void **state)
{
	struct fixture *fx = *state;
	uint64_t b = fx_find(fx, "a/b"), many = fx_find(fx, "many"), ino;
	struct cps_top_entry e;

	assert_int_equal(fx_rename(fx, "a/b", "many/b", 0), 0);
	assert_int_equal(cps_top_lookup(fx->top, b, "..", &ino), 0);
	assert_int_equal(ino, many);
	assert_int_equal(cps_top_readdir(fx->top, b, 1, &e), 1);
	assert_true(e.dot && e.ino == many);
	assert_string_equal(e.name, "..");
}

/* ---- as a whole ---- */

static void only_one_writes_and_nobody_writes_a_bare_one(void **state)
{
	struct fixture *fx = *state;
	const struct cps_digest other = {.bytes = {9}};
	struct cps_top *second = NULL;
	uint64_t ino;

	assert_int_equal(fx_open_as(fx, &(struct cps_top_opts){0}, &second), -EBUSY);
	assert_int_equal(cps_top_open(fx->root, fx->dirfd, &other,
				      &(struct cps_top_opts){.read_only = true},
				      &second, NULL),
			 -ESTALE);
	assert_int_equal(
		fx_open_as(fx, &(struct cps_top_opts){.read_only = true}, &second), 0);
	assert_false(cps_top_writable(second));
	assert_int_equal(cps_top_make(second, &fx_who, 1, "x", S_IFREG, 0, NULL, &ino),
			 -EROFS);
	assert_int_equal(
		cps_top_write(second, &fx_who, fx_find(fx, "big"), "x", 1, 0, 0),
		-EROFS);
	cps_top_close(second, NULL);
	assert_int_equal(cps_top_bare(fx->root, &second, NULL), 0);
	assert_int_equal(cps_top_unlink(second, &fx_who, 1, "big", false), -EROFS);
	cps_top_close(second, NULL);
}

static void modified_means_more_than_a_name(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), a = fx_find(fx, "a");

	assert_int_equal(fx_rename(fx, "big", "big2", 0), 0);
	assert_false(cps_top_modified(fx->top, big));
	assert_false(cps_top_modified(fx->top, a));
	assert_int_equal(fx_write(fx, big, "x", 1, 0), 0);
	fx_file(fx, "a/x");
	fx_reopen_compacted(fx);
	assert_true(cps_top_modified(fx->top, big));
	assert_true(cps_top_modified(fx->top, a));
	assert_true(cps_top_modified(fx->top, fx_find(fx, "a/x")));
	assert_false(cps_top_modified(fx->top, fx_find(fx, "hole")));
}

int main(void)
{
#define IN_A_TOP(f) cmocka_unit_test_setup_teardown(f, fx_setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_TOP(everything_can_be_made),
		IN_A_TOP(names_are_checked),
		IN_A_TOP(a_setgid_folder_gives_its_group),
		IN_A_TOP(a_default_acl_is_inherited),
		IN_A_TOP(the_access_acl_sets_the_mode),
		IN_A_TOP(what_is_removed_is_gone),
		IN_A_TOP(nothing_is_made_in_a_removed_folder),
		IN_A_TOP(hard_links_stay_one_file),
		IN_A_TOP(a_file_without_a_name_can_get_one),
		IN_A_TOP(what_is_open_lives_without_a_name),
		IN_A_TOP(folders_of_all_kinds_are_renamed),
		IN_A_TOP(a_rename_that_makes_no_sense_is_refused),
		IN_A_TOP(a_rename_replaces),
		IN_A_TOP(exchange_takes_anything),
		IN_A_TOP(attributes_are_set),
		IN_A_TOP(times_far_away_are_kept),
		IN_A_TOP(privileges_go_with_owner_and_content),
		IN_A_TOP(xattrs_are_set_and_removed),
		IN_A_TOP(too_many_xattrs_are_refused_and_nothing_is_lost),
		IN_A_TOP(small_contents_are_written),
		IN_A_TOP(large_contents_are_written),
		IN_A_TOP(lower_contents_are_written_over),
		IN_A_TOP(a_file_begins_anew_when_it_is_emptied),
		IN_A_TOP(holes_are_punched_and_zeroed),
		IN_A_TOP(space_is_set_aside),
		IN_A_TOP(blocks_are_counted_with_sense),
		IN_A_TOP(data_and_holes_are_found),
		IN_A_TOP(a_file_in_many_pieces_stays_right),
		IN_A_TOP(what_was_cut_off_does_not_come_back),
		IN_A_TOP(a_listing_survives_changes),
		IN_A_TOP(dots_follow_a_move),
		IN_A_TOP(only_one_writes_and_nobody_writes_a_bare_one),
		IN_A_TOP(modified_means_more_than_a_name),
	};

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(1 + i % 255 + i / 65536);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
