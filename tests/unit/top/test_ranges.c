#include "fixture.h"

#include "fs/top/ranges.h"

/* The plain model: for each byte of a short file where it lies. */
#define BYTES 512u

struct model {
	uint32_t in[BYTES]; /* NOT_OWNED, or as in a range */
	uint64_t pos[BYTES];
};

#define NOT_OWNED UINT32_MAX

static void model_set(struct model *m, const struct cps_range *r)
{
	for (uint64_t i = 0; i < r->len && r->off + i < BYTES; i++) {
		m->in[r->off + i] = r->in;
		m->pos[r->off + i] = r->in == CPS_IN_LOG ? r->pos + i : 0;
	}
}

static void assert_sound(const struct cps_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct cps_range *r = &ranges->items[i];

		assert_true(r->len > 0);
		if (i)
			assert_true(r[-1].off + r[-1].len <= r->off);
	}
}

static void assert_as_model(const struct cps_ranges *ranges, const struct model *m)
{
	for (uint64_t at = 0; at < BYTES; at++) {
		size_t i = cps_ranges_find(ranges, at);
		const struct cps_range *r =
			i < ranges->count ? &ranges->items[i] : NULL;

		if (!r || r->off > at) {
			assert_int_equal(m->in[at], NOT_OWNED);
			continue;
		}
		assert_int_equal(m->in[at], r->in);
		if (r->in == CPS_IN_LOG)
			assert_int_equal(m->pos[at], r->pos + (at - r->off));
	}
}

static struct cps_range random_range(uint64_t *seed, uint64_t *log_end)
{
	struct cps_range r = {
		.off = fx_below(seed, BYTES),
		.in = fx_below(seed, 4),
	};

	r.len = fx_below(seed, 8) ? 1 + fx_below(seed, 40) : CPS_RANGE_END - r.off;
	if (r.in == CPS_IN_LOG) {
		/* Half of them where the last one ended, so that some are joined. */
		r.pos = fx_below(seed, 2) ? *log_end : fx_random(seed);
		*log_end = r.pos + r.len;
	}
	return r;
}

static void run(uint64_t seed, int steps)
{
	struct cps_ranges ranges = {0};
	struct model m;
	uint64_t log_end = 0;

	memset(m.in, 0xff, sizeof(m.in));
	for (int i = 0; i < steps; i++) {
		if (fx_below(&seed, 10) == 0) {
			uint64_t size = fx_below(&seed, BYTES);

			cps_ranges_cut(&ranges, size);
			for (uint64_t at = size; at < BYTES; at++)
				m.in[at] = NOT_OWNED;
		} else {
			struct cps_range r = random_range(&seed, &log_end);

			assert_int_equal(cps_ranges_reserve(&ranges), 0);
			cps_ranges_set(&ranges, &r);
			model_set(&m, &r);
		}
		assert_sound(&ranges);
		assert_as_model(&ranges, &m);
	}
	cps_ranges_release(&ranges);
}

static void random_sequences_agree_with_a_byte_map(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		run(seed * 0x9e3779b97f4a7c15ull, 500);
}

static void set(struct cps_ranges *r, uint64_t off, uint64_t len, uint64_t pos,
		uint32_t in)
{
	const struct cps_range range = {off, len, pos, in};

	assert_int_equal(cps_ranges_reserve(r), 0);
	cps_ranges_set(r, &range);
}

static void what_continues_is_joined(void **state)
{
	struct cps_ranges r = {0};

	set(&r, 0, 10, 100, CPS_IN_LOG);
	set(&r, 20, 10, 120, CPS_IN_LOG);
	set(&r, 10, 10, 110, CPS_IN_LOG);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.items[0].len, 30);
	/* The same place in the file, but not in the log. */
	set(&r, 30, 10, 131, CPS_IN_LOG);
	assert_int_equal(r.count, 2);
	set(&r, 40, 10, 0, CPS_IN_FILES);
	set(&r, 50, 10, 0, CPS_IN_FILES + 1);
	assert_int_equal(r.count, 4);
	cps_ranges_release(&r);
}

static void a_whole_file_can_be_cut_in_two(void **state)
{
	struct cps_ranges r = {0};

	set(&r, 0, CPS_RANGE_END, 0, CPS_IN_FILES);
	set(&r, 100, 1, 7, CPS_IN_LOG);
	assert_int_equal(r.count, 3);
	assert_true(r.items[2].off + r.items[2].len == CPS_RANGE_END);
	set(&r, INT64_MAX - 1, 1, 8, CPS_IN_LOG);
	assert_int_equal(r.count, 5);
	cps_ranges_cut(&r, 0);
	assert_int_equal(r.count, 0);
	cps_ranges_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sequences_agree_with_a_byte_map),
		cmocka_unit_test(what_continues_is_joined),
		cmocka_unit_test(a_whole_file_can_be_cut_in_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
