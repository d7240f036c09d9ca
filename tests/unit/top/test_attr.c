#include <signal.h>
#include <sys/resource.h>

#include "fixture.h"

#include "fs/top/acl.h"
#include "store/base/le.h"

/* rw-r--r--, and u:1000:rw- with the mask rw- */
static size_t fill_acl(uint8_t *acl)
{
	static const uint16_t entries[][2] = {
		{0x01, 6}, {0x02, 6}, {0x04, 4}, {0x10, 6}, {0x20, 4}};

	cps_put_le32(acl, 2);
	for (size_t i = 0; i < CPS_ARRAY_LEN(entries); i++) {
		uint8_t *p = acl + 4 + 8 * i;

		cps_put_le16(p, entries[i][0]);
		cps_put_le16(p + 2, entries[i][1]);
		cps_put_le32(p + 4, entries[i][0] == 2 ? 1000 : UINT32_MAX);
	}
	return 4 + 8 * CPS_ARRAY_LEN(entries);
}

static void limit_files(uint64_t bytes)
{
	const struct rlimit limit = {bytes, RLIM_INFINITY};

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The log may grow by no more than `room` bytes meanwhile. */
static int chmod_with_room(struct fixture *fx, uint64_t ino, mode_t mode, uint64_t room)
{
	const struct stat st = {.st_mode = mode};
	int rc;

	limit_files(fx_log_bytes(fx) + room);
	rc = cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_MODE, &st);
	limit_files(RLIM_INFINITY);
	return rc;
}

/* Mode and ACL say the same, and both change or neither does. */
static void a_chmod_is_whole_or_not_at_all(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f"), room = 0;
	uint8_t acl[64];
	size_t len = fill_acl(acl);
	char *was;
	int rc;

	assert_int_equal(cps_top_xattr_set(fx->top, &fx_who, ino, CPS_ACL_ACCESS, acl,
					   len, 0, false),
			 0);
	was = dump_top(fx->top, DUMP_ALL);
	while ((rc = chmod_with_room(fx, ino, 0750, room)) < 0) {
		char *is = dump_top(fx->top, DUMP_ALL);

		fx_assert_same(was, is, "after a chmod that failed");
		free(is);
		room += 8;
		assert_true(room < 4096);
	}
	assert_true(room > 0);
	free(was);
	assert_int_equal(fx_stat(fx, ino).st_mode & 07777, 0750);
	assert_int_equal(cps_top_xattr_get(fx->top, ino, CPS_ACL_ACCESS, acl, 64),
			 (int)len);
	assert_int_equal(cps_le16(acl + 4 + 2), 7);
	assert_int_equal(cps_le16(acl + 4 + 3 * 8 + 2), 5);
	assert_int_equal(cps_le16(acl + 4 + 4 * 8 + 2), 0);
	fx_reopen(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_chmod_is_whole_or_not_at_all,
						fx_setup, fx_teardown),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
