#include "fixture.h"

#include "fs/top/change.h"

static uint64_t number(uint64_t *seed, uint64_t most)
{
	switch (fx_below(seed, 4)) {
	case 0:
		return 0;
	case 1:
		return most;
	case 2:
		return fx_below(seed, 3) & most;
	default:
		return ((uint64_t)fx_random(seed) << 32 | fx_random(seed)) & most;
	}
}

static struct timespec moment(uint64_t *seed)
{
	return (struct timespec){
		.tv_sec = (time_t)number(seed, UINT64_MAX),
		.tv_nsec = fx_below(seed, 1000000000),
	};
}

static struct cps_bytes run_of(uint64_t *seed, uint8_t *room, size_t most)
{
	size_t len = fx_below(seed, 3) ? fx_below(seed, 300) : 0;

	if (fx_below(seed, 200) == 0)
		len = most;
	fx_fill(seed, room, len);
	return (struct cps_bytes){room, len};
}

static struct cps_change random_change(uint64_t *seed, uint8_t *room)
{
	return (struct cps_change){
		.ino = number(seed, UINT64_MAX),
		.dir = number(seed, UINT64_MAX),
		.dir2 = number(seed, UINT64_MAX),
		.mask = (uint32_t)number(seed, UINT32_MAX),
		.mode = (uint32_t)number(seed, UINT32_MAX),
		.uid = (uint32_t)number(seed, UINT32_MAX),
		.gid = (uint32_t)number(seed, UINT32_MAX),
		.nlink = (uint32_t)number(seed, UINT32_MAX),
		.flags = (uint32_t)number(seed, UINT32_MAX),
		.rdev = number(seed, UINT64_MAX),
		.size = number(seed, UINT64_MAX),
		.off = number(seed, UINT64_MAX),
		.len = number(seed, UINT64_MAX),
		.base_len = number(seed, UINT64_MAX),
		.gen = (uint32_t)number(seed, UINT32_MAX),
		.atime = moment(seed),
		.mtime = moment(seed),
		.ctime = moment(seed),
		.name = run_of(seed, room, CPS_CHANGE_BYTES_MAX),
		.name2 = run_of(seed, room + CPS_CHANGE_BYTES_MAX, 300),
		.value = run_of(seed, room + 2 * CPS_CHANGE_BYTES_MAX,
				CPS_CHANGE_BYTES_MAX),
	};
}

static void assert_bytes(const struct cps_bytes *a, const struct cps_bytes *b)
{
	assert_int_equal(a->len, b->len);
	if (a->len)
		assert_memory_equal(a->data, b->data, a->len);
}

static void assert_time(const struct timespec *a, const struct timespec *b)
{
	assert_true(a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec);
}

static void assert_change(const struct cps_change *a, const struct cps_change *b)
{
	assert_true(a->ino == b->ino && a->dir == b->dir && a->dir2 == b->dir2);
	assert_true(a->mask == b->mask && a->mode == b->mode && a->uid == b->uid &&
		    a->gid == b->gid && a->nlink == b->nlink && a->flags == b->flags);
	assert_true(a->rdev == b->rdev && a->size == b->size && a->off == b->off &&
		    a->len == b->len && a->base_len == b->base_len && a->gen == b->gen);
	assert_time(&a->atime, &b->atime);
	assert_time(&a->mtime, &b->mtime);
	assert_time(&a->ctime, &b->ctime);
	assert_bytes(&a->name, &b->name);
	assert_bytes(&a->name2, &b->name2);
	assert_bytes(&a->value, &b->value);
}

static void what_is_encoded_is_decoded(void **state)
{
	cps_auto(cps_free) uint8_t *room = malloc(3 * CPS_CHANGE_BYTES_MAX);
	uint64_t seed = 11;

	for (int i = 0; i < 20000; i++) {
		cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
		struct cps_change c = random_change(&seed, room), got = {0};

		assert_int_equal(cps_buf_str(&out, "before"), 0);
		assert_int_equal(cps_change_encode(&c, &out), 0);
		assert_int_equal(cps_change_decode(out.data + 6, out.len - 6, &got), 0);
		assert_change(&c, &got);
	}
}

static void every_truncation_is_refused(void **state)
{
	cps_auto(cps_free) uint8_t *room = malloc(3 * CPS_CHANGE_BYTES_MAX);
	uint64_t seed = 12;

	for (int i = 0; i < 200; i++) {
		cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
		struct cps_change c = random_change(&seed, room);

		c.name.len &= 31;
		c.value.len &= 31;
		assert_int_equal(cps_change_encode(&c, &out), 0);
		for (size_t len = 0; len < out.len; len++) {
			cps_auto(cps_free) uint8_t *copy = malloc(len + 1);
			struct cps_change got = {0};

			memcpy(copy, out.data, len);
			assert_int_equal(cps_change_decode(copy, len, &got), -EBADMSG);
		}
	}
}

static void what_could_not_be_read_is_not_written(void **state)
{
	cps_auto(cps_free) uint8_t *much = calloc(1, CPS_CHANGE_BYTES_MAX + 1);
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_change c = {.ino = 5, .value = {much, CPS_CHANGE_BYTES_MAX + 1}};

	assert_int_equal(cps_buf_str(&out, "before"), 0);
	assert_int_equal(cps_change_encode(&c, &out), -EFBIG);
	c.value.len = 0;
	c.mtime.tv_nsec = 1000000000;
	assert_int_equal(cps_change_encode(&c, &out), -EINVAL);
	c.mtime.tv_nsec = -1;
	assert_int_equal(cps_change_encode(&c, &out), -EINVAL);
	assert_int_equal(out.len, 6);
}

static void unknown_fields_and_bad_times_are_refused(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_change c = {.mtime = {1, 999999999}}, got = {0};

	assert_int_equal(cps_change_encode(&c, &out), 0);
	assert_int_equal(cps_change_decode(out.data, out.len, &got), 0);
	cps_put_le32(out.data + 12, 1000000000);
	assert_int_equal(cps_change_decode(out.data, out.len, &got), -EBADMSG);
	out.data[3] = 0x80;
	assert_int_equal(cps_change_decode(out.data, out.len, &got), -EBADMSG);
}

static void random_bytes_are_decoded_without_harm(void **state)
{
	uint64_t seed = 13;

	for (int i = 0; i < 200000; i++) {
		size_t len = fx_below(&seed, 64);
		cps_auto(cps_free) uint8_t *raw = malloc(len + 1);
		struct cps_change got = {0};

		fx_fill(&seed, raw, len);
		if (len > 3)
			raw[3] &= 0x1f;
		cps_change_decode(raw, len, &got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_could_not_be_read_is_not_written),
		cmocka_unit_test(unknown_fields_and_bad_times_are_refused),
		cmocka_unit_test(random_bytes_are_decoded_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
