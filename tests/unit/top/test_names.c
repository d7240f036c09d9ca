#include "contents.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_REPLAYED_TOP(everything_can_be_made),
		IN_A_REPLAYED_TOP(names_are_checked),
		IN_A_REPLAYED_TOP(what_is_removed_is_gone),
		IN_A_REPLAYED_TOP(nothing_is_made_in_a_removed_folder),
		IN_A_REPLAYED_TOP(hard_links_stay_one_file),
		IN_A_REPLAYED_TOP(a_file_without_a_name_can_get_one),
		IN_A_REPLAYED_TOP(what_is_open_lives_without_a_name),
		IN_A_REPLAYED_TOP(a_listing_survives_changes),
		IN_A_REPLAYED_TOP(dots_follow_a_move),
	};

	return cmocka_run_group_tests(tests, fill_large, NULL);
}
