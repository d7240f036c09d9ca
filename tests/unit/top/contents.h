#ifndef TEST_TOP_CONTENTS_H
#define TEST_TOP_CONTENTS_H

/* What files hold, compared; and tops that are replayed when their test is done. */

#include "fixture.h"

#define LARGE (300u << 10) /* bytes; more than the log takes of one file */

static uint8_t large[LARGE];

/** Of a group: its tests write `large`. */
static inline int fill_large(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(1 + i % 255 + i / 65536);
	return 0;
}

static inline void assert_bytes(struct fixture *fx, uint64_t ino, uint64_t off,
				const void *want, size_t len)
{
	cps_auto(cps_free) uint8_t *got = malloc(len + 1);

	assert_int_equal(cps_top_pread(fx->top, ino, got, len, off, 0), len);
	assert_memory_equal(got, want, len);
}

static inline void assert_zeros(struct fixture *fx, uint64_t ino, uint64_t off,
				size_t len)
{
	cps_auto(cps_free) uint8_t *zeros = calloc(1, len + 1);

	assert_bytes(fx, ino, off, zeros, len);
}

static inline void assert_lower(struct fixture *fx, uint64_t ino, uint64_t off,
				size_t len, uint64_t stream_at)
{
	cps_auto(cps_free) uint8_t *want = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		want[i] = lower_byte(stream_at + off + i);
	assert_bytes(fx, ino, off, want, len);
}

static inline int replay_and_teardown(void **state)
{
	struct fixture *fx = *state;

	/* Whatever the test did: replay must make the same of it, compacted or not. */
	if (fx->top) {
		fx_reopen(fx);
		fx_reopen_compacted(fx);
		fx_reopen(fx);
	}
	return fx_teardown(state);
}

#define IN_A_REPLAYED_TOP(f)                                                           \
	cmocka_unit_test_setup_teardown(f, fx_setup, replay_and_teardown)

#endif
