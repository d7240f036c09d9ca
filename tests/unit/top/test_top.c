#include "contents.h"

#include "fs/top/internal.h"

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

/* A count that wrapped would say that it is gone, or let it go while it is in use. */
static void what_is_looked_up_without_end_is_held(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big");

	fx->top->lower_refs[cps_lower_pos(big)] = CPS_LOWER_REFS_MAX - 1;
	for (int i = 0; i < 3; i++)
		cps_top_ref(fx->top, big);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	cps_top_forget(fx->top, big, CPS_LOWER_REFS_MAX);
	assert_int_equal(fx_stat(fx, big).st_nlink, 0);
	assert_lower(fx, big, 0, 100, LOWER_BIG_AT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_REPLAYED_TOP(only_one_writes_and_nobody_writes_a_bare_one),
		IN_A_REPLAYED_TOP(modified_means_more_than_a_name),
		IN_A_TOP(what_is_looked_up_without_end_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
