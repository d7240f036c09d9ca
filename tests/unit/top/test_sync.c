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

static void open_volatile(struct fixture *fx)
{
	const struct cps_top_opts opts = {.is_volatile = true};

	fx_close(fx);
	assert_int_equal(fx_open_as(fx, &opts, &fx->top), 0);
}

static void a_volatile_top_waits_for_no_disk(void **state)
{
	static uint8_t block[256u << 10];
	struct fixture *fx = *state;
	uint64_t a;

	open_volatile(fx);
	assert_true(cps_top_volatile(fx->top));
	fx_file(fx, "large");
	a = fx_find(fx, "large");
	assert_int_equal(fx_write(fx, a, block, sizeof(block), 0), 0);
	break_log(fx);
	assert_int_equal(cps_top_sync_inode(fx->top, a), 0);
	assert_int_equal(cps_top_sync(fx->top), 0);
}

/* The same boot: it is all in the page cache, and who opens it durably syncs it. */
static void a_volatile_top_can_become_durable(void **state)
{
	struct fixture *fx = *state;
	struct stat st;

	open_volatile(fx);
	fx_file(fx, "first");
	fx_close(fx);
	assert_int_equal(fstatat(fx->dirfd, "volatile", &st, AT_SYMLINK_NOFOLLOW), 0);
	fx_open(fx);
	assert_false(cps_top_volatile(fx->top));
	fx_find(fx, "first");
	assert_true(fstatat(fx->dirfd, "volatile", &st, AT_SYMLINK_NOFOLLOW) < 0);
}

static void a_volatile_top_ends_with_the_boot(void **state)
{
	const struct cps_top_opts all[] = {
		{.read_only = true}, {.is_volatile = true}, {.is_volatile = false}};
	struct fixture *fx = *state;
	struct cps_top *top;

	open_volatile(fx);
	fx_file(fx, "first");
	fx_close(fx);
	assert_int_equal(unlinkat(fx->dirfd, "volatile", 0), 0);
	assert_int_equal(symlinkat("01234567-89ab-cdef-0123-456789abcdef", fx->dirfd,
				   "volatile"),
			 0);
	for (size_t i = 0; i < CPS_ARRAY_LEN(all); i++)
		assert_int_equal(fx_open_as(fx, &all[i], &top), -EBADMSG);
	assert_int_equal(unlinkat(fx->dirfd, "volatile", 0), 0);
	fx_open(fx);
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
		cmocka_unit_test_setup_teardown(a_volatile_top_waits_for_no_disk,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(a_volatile_top_can_become_durable,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(a_volatile_top_ends_with_the_boot,
						fx_setup, fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
