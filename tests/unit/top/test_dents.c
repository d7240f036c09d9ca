#include "fixture.h"

#include <time.h>

#include "fs/top/dents.h"

/* The plain model: a table of names, each with what it means. */
#define NAMES 120u

struct meaning {
	bool there, covers;
	uint64_t ino, cookie;
};

static size_t name_of(uint32_t n, char *out)
{
	/* Some long, some that are the start of others. */
	return (size_t)snprintf(out, 256, "%0*u", n % 7 == 0 ? 200 : 1, n);
}

static void model_set(struct meaning *m, uint64_t ino, bool covers, uint64_t *cookie)
{
	bool keep = ino || covers;

	if (keep && !m->there)
		m->cookie = (*cookie)++;
	m->there = keep;
	m->ino = ino;
	m->covers = covers;
}

static void assert_found(const struct cps_dents *dents, const struct meaning *m)
{
	size_t covering = 0, live = 0;

	for (uint32_t i = 0; i < NAMES; i++) {
		char name[256];
		size_t len = name_of(i, name);
		const struct cps_dent *d = cps_dents_find(dents, name, len);

		assert_int_equal(d != NULL, m[i].there);
		if (!d)
			continue;
		assert_int_equal(d->ino, m[i].ino);
		assert_int_equal(d->covers, m[i].covers);
		assert_int_equal(d->cookie, m[i].cookie);
		assert_int_equal(d->name_len, len);
		assert_string_equal(d->name, name);
		covering += d->covers;
		live += d->ino != 0;
	}
	assert_int_equal(dents->covering, covering);
	assert_int_equal(dents->live, live);
}

/* The one with the least cookie of those that may be listed. */
static const struct meaning *model_next(const struct meaning *m, uint64_t cookie)
{
	const struct meaning *best = NULL;

	for (uint32_t i = 0; i < NAMES; i++)
		if (m[i].there && !m[i].covers && m[i].cookie >= cookie &&
		    (!best || m[i].cookie < best->cookie))
			best = &m[i];
	return best;
}

static void assert_listed(const struct cps_dents *dents, const struct meaning *m,
			  uint64_t cookie)
{
	const struct cps_dent *d = cps_dents_next(dents, cookie);
	const struct meaning *want = model_next(m, cookie);

	assert_int_equal(d != NULL, want != NULL);
	if (d)
		assert_int_equal(d->cookie, want->cookie);
}

static void run(uint64_t seed, int steps)
{
	struct cps_dents dents = {0};
	struct meaning m[NAMES] = {0};
	uint64_t cookie = 0;

	for (int i = 0; i < steps; i++) {
		/* Long times of growing, long times of shrinking. */
		bool growing = i / 300 % 2 == 0;
		uint32_t n = fx_below(&seed, NAMES);
		uint64_t ino = fx_below(&seed, 4) == growing ? 0 : 1 + n;
		bool covers = n % 3 == 0;
		char name[256];
		size_t len = name_of(n, name);

		assert_int_equal(cps_dents_set(&dents, name, len, ino, DT_REG, covers),
				 0);
		model_set(&m[n], ino, covers, &cookie);
		assert_found(&dents, m);
		for (int k = 0; k < 4; k++)
			assert_listed(&dents, m, fx_below(&seed, (uint32_t)cookie + 2));
	}
	cps_dents_release(&dents);
}

static void random_sequences_agree_with_a_table(void **state)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		run(seed * 0x9e3779b97f4a7c15ull, 1500);
}

static void a_listing_passes_each_name_once(void **state)
{
	struct cps_dents dents = {0};
	const struct cps_dent *d;
	uint32_t seen = 0;
	char name[16];

	for (int i = 0; i < 1000; i++) {
		int len = snprintf(name, sizeof(name), "%d", i);

		assert_int_equal(
			cps_dents_set(&dents, name, (size_t)len, 1, DT_REG, false), 0);
	}
	/* Each is removed once it was seen, as rm -r does. */
	for (uint64_t cookie = 0; (d = cps_dents_next(&dents, cookie)); seen++) {
		cookie = d->cookie + 1;
		snprintf(name, sizeof(name), "%s", d->name);
		assert_int_equal(atoi(name), seen);
		assert_int_equal(cps_dents_set(&dents, name, strlen(name), 0, 0, false),
				 0);
	}
	assert_int_equal(seen, 1000);
	assert_int_equal(dents.live, 0);
	cps_dents_release(&dents);
}

static void fill_folder(struct cps_dents *dents, int count)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		int len = snprintf(name, sizeof(name), "%d", i);

		assert_int_equal(
			cps_dents_set(dents, name, (size_t)len, 1, DT_REG, false), 0);
	}
}

/* Remove `count` names as they are listed, from the first on again each time or from
 * the one after. Processor seconds. */
static double time_removal(int count, bool again)
{
	struct cps_dents dents = {0};
	const struct cps_dent *d;
	uint64_t cookie = 0;
	clock_t start;
	char name[16];

	fill_folder(&dents, count);
	start = clock();
	while ((d = cps_dents_next(&dents, again ? 0 : cookie))) {
		cookie = d->cookie + 1;
		snprintf(name, sizeof(name), "%s", d->name);
		cps_dents_set(&dents, name, strlen(name), 0, 0, false);
	}
	start = clock() - start;
	assert_int_equal(dents.live, 0);
	cps_dents_release(&dents);
	return (double)start / CLOCKS_PER_SEC;
}

/* A quadratic one took 16 times as long for four times as many, and seconds. */
static void removing_a_large_folder_takes_linear_time(void **state)
{
	for (int again = 0; again < 2; again++) {
		double few = time_removal(25000, again), many;

		many = time_removal(100000, again);
		if (many > 10 * few && many > 1)
			fail_msg("25,000 names: %.3f s, 100,000: %.3f s", few, many);
	}
}

/* It is small again: so is its table. */
static void a_folder_that_was_large_sheds_its_slots(void **state)
{
	struct cps_dents dents = {0};
	char name[16];

	fill_folder(&dents, 10000);
	for (int i = 0; i < 9990; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(cps_dents_set(&dents, name, strlen(name), 0, 0, false),
				 0);
	}
	assert_true(dents.slot_count <= 128 && dents.count <= 32);
	for (int i = 9990; i < 10000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(cps_dents_find(&dents, name, strlen(name)));
	}
	cps_dents_release(&dents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sequences_agree_with_a_table),
		cmocka_unit_test(a_listing_passes_each_name_once),
		cmocka_unit_test(removing_a_large_folder_takes_linear_time),
		cmocka_unit_test(a_folder_that_was_large_sheds_its_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
