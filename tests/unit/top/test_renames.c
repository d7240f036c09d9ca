#include "contents.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_REPLAYED_TOP(folders_of_all_kinds_are_renamed),
		IN_A_REPLAYED_TOP(a_rename_that_makes_no_sense_is_refused),
		IN_A_REPLAYED_TOP(a_rename_replaces),
		IN_A_REPLAYED_TOP(exchange_takes_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
