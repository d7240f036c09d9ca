#include "contents.h"

#include "fs/top/acl.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_REPLAYED_TOP(a_setgid_folder_gives_its_group),
		IN_A_REPLAYED_TOP(a_default_acl_is_inherited),
		IN_A_REPLAYED_TOP(the_access_acl_sets_the_mode),
		IN_A_REPLAYED_TOP(attributes_are_set),
		IN_A_REPLAYED_TOP(times_far_away_are_kept),
		IN_A_REPLAYED_TOP(privileges_go_with_owner_and_content),
		IN_A_REPLAYED_TOP(xattrs_are_set_and_removed),
		IN_A_REPLAYED_TOP(too_many_xattrs_are_refused_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, fill_large, NULL);
}
