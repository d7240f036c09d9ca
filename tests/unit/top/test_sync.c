/* A sync does what is left to do, and no more: dpkg syncs file after file. */
#include "fixture.h"

#include "fs/top/internal.h"

/* From here on every sync of the log fails; what is written to it is lost. */
static void break_log(struct fixture *fx)
{
	cps_auto(cps_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(null >= 0);
	assert_true(dup3(null, cps_toplog_fd(fx->top->log), O_CLOEXEC) >= 0);
	assert_true(fdatasync(cps_toplog_fd(fx->top->log)) < 0);
}

static void the_first_sync_is_one_for_all_before_it(void **state)
{
	struct fixture *fx = *state;
	uint64_t a, b;

	fx_file(fx, "first");
	fx_file(fx, "second");
	a = fx_find(fx, "first");
	b = fx_find(fx, "second");
	assert_int_equal(fx_write(fx, a, "a", 1, 0), 0);
	assert_int_equal(fx_write(fx, b, "b", 1, 0), 0);
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	/* As dpkg does, between two syncs. */
	assert_int_equal(fx_rename(fx, "first", "renamed", 0), 0);
	break_log(fx);
	assert_int_equal(cps_top_sync_inode(fx->top, b), 0);
	assert_true(cps_top_sync_inode(fx->top, a) < 0);
	/* What was lost stays lost. */
	assert_true(cps_top_sync_inode(fx->top, b) < 0);
}

/* Each change of an inode since the last sync makes the next one do something. */
static void a_change_asks_for_a_sync(void **state)
{
	struct fixture *fx = *state;
	const struct stat mode = {.st_mode = S_IFREG | 0600};
	uint64_t a, dir;

	fx_file(fx, "first");
	a = fx_find(fx, "first");
	dir = CPS_TOP_ROOT;
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	assert_true(cps_node_find(fx->top, a)->touched <= fx->top->synced);
	assert_int_equal(fx_write(fx, a, "a", 1, 0), 0);
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	assert_int_equal(cps_top_setattr(fx->top, &fx_who, a, CPS_TOP_MODE, &mode), 0);
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, a, "user.x", "y", 1, 0, 0),
			 0);
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	assert_int_equal(fx_link(fx, "first", "again"), 0);
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
	assert_true(cps_node_find(fx->top, dir)->touched > fx->top->synced);
	assert_int_equal(cps_top_sync_inode(fx->top, dir), 0);
	assert_int_equal(fx_unlink(fx, "again"), 0);
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
	assert_true(cps_node_find(fx->top, dir)->touched > fx->top->synced);
}

/* Its content is in a file of its own, which the log's sync does not reach. */
static void a_large_file_is_synced_too(void **state)
{
	static uint8_t block[256u << 10];
	struct fixture *fx = *state;
	uint64_t a, b;

	fx_file(fx, "large");
	fx_file(fx, "small");
	a = fx_find(fx, "large");
	b = fx_find(fx, "small");
	assert_int_equal(fx_write(fx, a, block, sizeof(block), 0), 0);
	assert_int_equal(fx_write(fx, b, "b", 1, 0), 0);
	assert_int_equal(cps_top_sync_inode(fx->top, b), 0);
	break_log(fx);
	assert_true(cps_top_sync_inode(fx->top, a) < 0);
}

/* A killed driver leaves a log that nobody synced. */
static void what_was_replayed_is_not_synced(void **state)
{
	struct fixture *fx = *state;
	uint64_t a;

	fx_file(fx, "first");
	fx_reopen(fx);
	a = fx_find(fx, "first");
	assert_true(cps_node_find(fx->top, a)->touched > fx->top->synced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_sync_is_one_for_all_before_it,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(a_change_asks_for_a_sync, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(a_large_file_is_synced_too, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(what_was_replayed_is_not_synced,
						fx_setup, fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
