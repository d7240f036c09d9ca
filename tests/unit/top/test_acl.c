#include "fixture.h"

#include "fs/top/acl.h"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

/** An ACL as it is put together. */
struct acl {
	uint8_t raw[4 + 8 * 8];
	size_t len;
};

static struct acl begin(void)
{
	return (struct acl){.raw = {2}, .len = 4};
}

static void add(struct acl *a, uint16_t tag, uint16_t perm)
{
	cps_put_le16(a->raw + a->len, tag);
	cps_put_le16(a->raw + a->len + 2, perm);
	cps_put_le32(a->raw + a->len + 4, tag == USER || tag == GROUP ? 7 : UINT32_MAX);
	a->len += 8;
}

static struct acl minimal(uint16_t user, uint16_t group, uint16_t other)
{
	struct acl a = begin();

	add(&a, USER_OBJ, user);
	add(&a, GROUP_OBJ, group);
	add(&a, OTHER, other);
	return a;
}

static struct acl extended(void)
{
	struct acl a = begin();

	add(&a, USER_OBJ, 7);
	add(&a, USER, 6);
	add(&a, GROUP_OBJ, 5);
	add(&a, GROUP, 1);
	add(&a, MASK, 6);
	add(&a, OTHER, 4);
	return a;
}

static uint16_t perm_of(const struct acl *a, uint16_t tag)
{
	for (size_t at = 4; at < a->len; at += 8)
		if (cps_le16(a->raw + at) == tag)
			return cps_le16(a->raw + at + 2);
	fail();
	return 0;
}

static void a_minimal_acl_is_its_mode(void **state)
{
	struct acl a = minimal(6, 4, 0);
	uint32_t mode = S_IFREG | 04777;

	assert_int_equal(cps_acl_mode(a.raw, a.len, &mode), 1);
	assert_int_equal(mode, S_IFREG | 04640);
}

static void the_group_bits_are_the_mask(void **state)
{
	struct acl a = extended();
	uint32_t mode = S_IFDIR | 01000;

	assert_int_equal(cps_acl_mode(a.raw, a.len, &mode), 0);
	assert_int_equal(mode, S_IFDIR | 01764);
	assert_int_equal(cps_acl_chmod(a.raw, a.len, 0531), 0);
	assert_int_equal(perm_of(&a, USER_OBJ), 5);
	assert_int_equal(perm_of(&a, MASK), 3);
	assert_int_equal(perm_of(&a, GROUP_OBJ), 5);
	assert_int_equal(perm_of(&a, USER), 6);
	assert_int_equal(perm_of(&a, OTHER), 1);
}

static void without_a_mask_chmod_changes_the_group(void **state)
{
	struct acl a = minimal(7, 7, 7);

	assert_int_equal(cps_acl_chmod(a.raw, a.len, 0640), 0);
	assert_int_equal(perm_of(&a, GROUP_OBJ), 4);
}

static void what_is_made_gets_no_more_than_both_allow(void **state)
{
	struct acl a = extended(), m = minimal(7, 5, 5);
	uint32_t mode = S_IFREG | 0640;

	assert_int_equal(cps_acl_create(a.raw, a.len, &mode), 0);
	assert_int_equal(mode, S_IFREG | 0640);
	assert_int_equal(perm_of(&a, USER_OBJ), 6);
	assert_int_equal(perm_of(&a, MASK), 4);
	assert_int_equal(perm_of(&a, OTHER), 0);
	assert_int_equal(perm_of(&a, USER), 6);
	mode = S_IFREG | 0666;
	assert_int_equal(cps_acl_create(m.raw, m.len, &mode), 1);
	assert_int_equal(mode, S_IFREG | 0644);
}

static void what_is_no_acl_is_refused(void **state)
{
	struct acl a = extended(), strange = minimal(7, 5, 5), without = begin();
	uint32_t mode = 0644;

	/* Every cut either ends between two entries or is malformed. */
	for (size_t len = 0; len < a.len; len++) {
		cps_auto(cps_free) uint8_t *copy = malloc(len + 1);

		memcpy(copy, a.raw, len);
		assert_int_equal(cps_acl_mode(copy, len, &mode), -EINVAL);
		assert_int_equal(cps_acl_chmod(copy, len, 0), -EINVAL);
		assert_int_equal(cps_acl_create(copy, len, &mode), -EINVAL);
	}
	assert_int_equal(mode, 0644);
	add(&strange, 64, 7);
	assert_int_equal(cps_acl_mode(strange.raw, strange.len, &mode), -EINVAL);
	a.raw[0] = 3;
	assert_int_equal(cps_acl_mode(a.raw, a.len, &mode), -EINVAL);
	add(&without, USER_OBJ, 7);
	add(&without, OTHER, 7);
	assert_int_equal(cps_acl_mode(without.raw, without.len, &mode), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minimal_acl_is_its_mode),
		cmocka_unit_test(the_group_bits_are_the_mask),
		cmocka_unit_test(without_a_mask_chmod_changes_the_group),
		cmocka_unit_test(what_is_made_gets_no_more_than_both_allow),
		cmocka_unit_test(what_is_no_acl_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
