#include "fixture.h"

#include "fs/top/xset.h"

static struct cps_bytes bytes(const char *text)
{
	return (struct cps_bytes){text, strlen(text)};
}

static int put(struct cps_xset *set, const char *name, const char *value)
{
	const struct cps_bytes n = bytes(name);
	struct cps_bytes v = bytes(value ? value : "");

	return cps_xset_put(set, &n, value ? &v : NULL);
}

static void assert_value(const struct cps_xset *set, const char *name,
			 const char *value)
{
	const struct cps_bytes n = bytes(name);
	struct cps_bytes got;

	assert_int_equal(cps_xset_find(set, &n, &got), value != NULL);
	if (!value)
		return;
	assert_int_equal(got.len, strlen(value));
	assert_memory_equal(got.data, value, got.len);
}

static void what_is_put_is_found_until_it_is_removed(void **state)
{
	struct cps_xset set = {0};

	assert_int_equal(put(&set, "user.a", "1"), 0);
	assert_int_equal(put(&set, "user.ab", ""), 0);
	assert_int_equal(put(&set, "user.c", "333"), 0);
	assert_int_equal(put(&set, "user.a", "another, longer"), 0);
	assert_value(&set, "user.a", "another, longer");
	assert_value(&set, "user.ab", "");
	assert_value(&set, "user.", NULL);
	assert_int_equal(put(&set, "user.ab", NULL), 0);
	assert_value(&set, "user.ab", NULL);
	assert_value(&set, "user.c", "333");
	assert_int_equal(put(&set, "user.none", NULL), 0);
	assert_true(cps_xset_valid(set.data, set.len));
	assert_int_equal(put(&set, "user.a", NULL), 0);
	assert_int_equal(put(&set, "user.c", NULL), 0);
	assert_int_equal(set.len, 0);
	cps_xset_release(&set);
}

static void it_holds_no_more_than_its_limit(void **state)
{
	struct cps_xset set = {0};
	char *much = calloc(1, CPS_XSET_MAX);
	const size_t most = CPS_XSET_MAX - 6 - strlen("user.a");

	memset(much, 'x', most);
	assert_int_equal(put(&set, "user.a", much), 0);
	assert_int_equal(set.len, CPS_XSET_MAX);
	assert_true(cps_xset_valid(set.data, set.len));
	assert_int_equal(put(&set, "b", ""), -ENOSPC);
	assert_value(&set, "user.a", much);
	much[most] = 'x';
	assert_int_equal(put(&set, "user.a", much), -ENOSPC);
	much[most - 7] = '\0';
	assert_int_equal(put(&set, "user.a", much), 0);
	assert_int_equal(put(&set, "b", ""), 0);
	cps_xset_release(&set);
	free(much);
}

static void only_a_whole_set_is_valid(void **state)
{
	struct cps_xset set = {0};
	uint8_t nul[] = {3, 0, 0, 0, 0, 0, 'a', 0, 'b'};

	assert_int_equal(put(&set, "user.a", "12"), 0);
	assert_int_equal(put(&set, "user.b", ""), 0);
	for (uint32_t len = 0; len <= set.len; len++) {
		cps_auto(cps_free) uint8_t *copy = malloc(len + 1);

		memcpy(copy, set.data, len);
		assert_int_equal(cps_xset_valid(copy, len),
				 len == 0 || len == 14 || len == set.len);
	}
	assert_false(cps_xset_valid(nul, sizeof(nul)));
	nul[0] = 0;
	assert_false(cps_xset_valid(nul, 6));
	cps_xset_release(&set);
}

static void random_bytes_are_walked_without_harm(void **state)
{
	uint64_t seed = 7;

	for (int i = 0; i < 200000; i++) {
		size_t len = fx_below(&seed, 40);
		cps_auto(cps_free) uint8_t *raw = malloc(len + 1);

		for (size_t k = 0; k < len; k++)
			raw[k] = fx_below(&seed, 3) ? (uint8_t)fx_below(&seed, 8)
						    : (uint8_t)fx_random(&seed);
		cps_xset_valid(raw, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_found_until_it_is_removed),
		cmocka_unit_test(it_holds_no_more_than_its_limit),
		cmocka_unit_test(only_a_whole_set_is_valid),
		cmocka_unit_test(random_bytes_are_walked_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
