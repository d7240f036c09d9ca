#include "fixture.h"

#define JUNK (48u << 10)

static uint8_t junk[JUNK];

/* Enough garbage to make writing anew worth it. */
static void make_garbage(struct fixture *fx)
{
	for (int i = 0; i < 50; i++) {
		fx_file(fx, "garbage");
		assert_int_equal(fx_write(fx, fx_find(fx, "garbage"), junk, JUNK, 0),
				 0);
		assert_int_equal(fx_unlink(fx, "garbage"), 0);
	}
}

static uint64_t log_size(struct fixture *fx)
{
	struct stat st;

	assert_int_equal(fstatat(fx->dirfd, "log", &st, 0), 0);
	return (uint64_t)st.st_size;
}

static void garbage_goes_and_the_rest_stays(void **state)
{
	struct fixture *fx = *state;
	char *was, *is;

	fx_file(fx, "kept");
	assert_int_equal(fx_write(fx, fx_find(fx, "kept"), junk, JUNK, 100), 0);
	assert_int_equal(fx_rename(fx, "a", "none/a", 0), 0);
	make_garbage(fx);
	was = dump_top(fx->top, DUMP_ALL);
	fx_close(fx);
	assert_true(log_size(fx) < 2 * JUNK);
	fx_open(fx);
	is = dump_top(fx->top, DUMP_ALL);
	fx_assert_same(was, is, "compacted");
	free(was);
	free(is);
	/* And goes on as before, more than once. */
	assert_int_equal(fx_rename(fx, "none/a", "a", 0), 0);
	fx_reopen(fx);
	make_garbage(fx);
	fx_reopen(fx);
	assert_true(log_size(fx) < 2 * JUNK);
}

static void a_small_log_is_left_alone(void **state)
{
	struct fixture *fx = *state;
	uint64_t size;

	for (int i = 0; i < 100; i++) {
		fx_file(fx, "f");
		assert_int_equal(fx_unlink(fx, "f"), 0);
	}
	size = fx_log_bytes(fx);
	fx_close(fx);
	assert_int_equal(log_size(fx), size);
	fx_open(fx);
}

static void a_named_mark_keeps_the_log(void **state)
{
	struct fixture *fx = *state;
	uint64_t upto, size;

	assert_int_equal(cps_top_mark(fx->top, &fx_who, "m", &upto, NULL), 0);
	make_garbage(fx);
	size = fx_log_bytes(fx);
	fx_close(fx);
	assert_int_equal(log_size(fx), size);
	fx_open(fx);
}

/* New inodes never get the number of one that is gone. */
static void numbers_are_not_used_again(void **state)
{
	struct fixture *fx = *state;
	uint64_t last;

	make_garbage(fx);
	last = fx_file(fx, "last");
	assert_int_equal(fx_unlink(fx, "last"), 0);
	fx_reopen(fx);
	assert_true(fx_file(fx, "next") > last);
}

/* A log that cannot be written anew is good as it is. */
static void what_fails_changes_nothing(void **state)
{
	struct fixture *fx = *state;
	char *was, *is;

	make_garbage(fx);
	fx_file(fx, "kept");
	was = dump_top(fx->top, DUMP_ALL);
	assert_int_equal(mkdirat(fx->dirfd, "log.new", 0700), 0);
	fx_close(fx);
	assert_true(log_size(fx) > 1u << 20);
	assert_int_equal(unlinkat(fx->dirfd, "log.new", AT_REMOVEDIR), 0);
	fx_open(fx);
	is = dump_top(fx->top, DUMP_ALL);
	fx_assert_same(was, is, "not compacted");
	free(was);
	free(is);
}

/* What a process that died while it wrote left behind is not in the way. */
static void a_half_written_one_is_replaced(void **state)
{
	struct fixture *fx = *state;
	int fd = openat(fx->dirfd, "log.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(cps_write_full(fd, junk, JUNK), 0);
	close(fd);
	make_garbage(fx);
	fx_reopen(fx);
	assert_true(log_size(fx) < 2 * JUNK);
	assert_int_equal(faccessat(fx->dirfd, "log.new", F_OK, 0), -1);
}

/* Look it up as a file handle does. */
static int by_handle(struct fixture *fx, uint64_t ino)
{
	uint64_t found;

	return cps_top_lookup(fx->top, ino, ".", &found);
}

static void the_deleted_stay_deleted_for_handles(void **state)
{
	struct fixture *fx = *state;
	uint64_t n07 = fx_find(fx, "many/n07"), n08 = fx_find(fx, "many/n08"),
		 n09 = fx_find(fx, "many/n09"), big = fx_find(fx, "big");

	assert_int_equal(fx_unlink(fx, "many/n07"), 0);
	assert_int_equal(fx_unlink(fx, "many/n08"), 0);
	/* Open until the end. */
	cps_top_ref(fx->top, big);
	assert_int_equal(fx_unlink(fx, "big"), 0);
	for (int i = 0; i < 3; i++) {
		make_garbage(fx);
		fx_reopen(fx);
		assert_true(log_size(fx) < 2 * JUNK);
		assert_int_equal(by_handle(fx, n07), -ENOENT);
		assert_int_equal(by_handle(fx, n08), -ENOENT);
		assert_int_equal(by_handle(fx, big), -ENOENT);
		assert_int_equal(by_handle(fx, n09), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_TOP(garbage_goes_and_the_rest_stays),
		IN_A_TOP(a_small_log_is_left_alone),
		IN_A_TOP(a_named_mark_keeps_the_log),
		IN_A_TOP(numbers_are_not_used_again),
		IN_A_TOP(what_fails_changes_nothing),
		IN_A_TOP(a_half_written_one_is_replaced),
		IN_A_TOP(the_deleted_stay_deleted_for_handles),
	};

	memset(junk, 'j', sizeof(junk));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
