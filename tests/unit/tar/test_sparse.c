#include "sample.h"

static void add_sparse_01(struct sample *s, const char *map, const char *blocks,
			  const char *size, unsigned long long stored)
{
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "GNU.sparse.size", size, strlen(size));
	add_record(&rec, "GNU.sparse.numblocks", blocks, strlen(blocks));
	add_record(&rec, "GNU.sparse.name", "real", 4);
	add_record(&rec, "GNU.sparse.map", map, strlen(map));
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "GNUSparseFile.0/real", '0', stored);
	cps_buf_zeros(&s->bytes, (stored + BLOCK - 1) / BLOCK * BLOCK, NULL);
}

static void sparse_map_gives_extents(void **state)
{
	struct sample *s = *state;

	add_sparse_01(s, "10,5,100,7,1000,0", "3", "1000", 12);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "real");
	assert_true(s->entry.sparse);
	assert_int_equal(s->entry.size, 1000);
	assert_int_equal(s->entry.stored_size, 12);
	assert_int_equal(s->entry.extent_count, 2);
	assert_int_equal(s->entry.extents[1].logical, 100);
	assert_int_equal(s->entry.extents[1].len, 7);
	assert_int_equal(s->entry.extents[1].stored, s->entry.data_off + 5);
	assert_int_equal(next(s), 0);
}

static void sparse_file_may_be_all_hole(void **state)
{
	struct sample *s = *state;

	add_sparse_01(s, "", "0", "60000000000", 0);
	assert_int_equal(next(s), 1);
	assert_true(s->entry.sparse);
	assert_int_equal(s->entry.size, 60000000000);
	assert_int_equal(s->entry.extent_count, 0);
}

static void wrong_sparse_maps_are_refused(void **state)
{
	static const struct {
		const char *map, *blocks, *size;
		unsigned long long stored;
	} cases[] = {
		{"100,5,10,5", "2", "1000", 10},
		{"10,5,12,5", "2", "1000", 10},
		{"10,5", "1", "12", 5},
		{"10,5", "1", "1000", 6},
		{"10,5", "2", "1000", 5},
		{"10,5,", "1", "1000", 5},
		{"10", "1", "1000", 5},
		{"-1,5", "1", "1000", 5},
		{"10,-5", "1", "1000", 5},
		{"a,5", "1", "1000", 5},
		{"10,5", "-1", "1000", 5},
		{"10,5", "1", "-1", 5},
		{"9223372036854775807,9223372036854775807", "1", "1000", 5},
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_sparse_01(s, cases[i].map, cases[i].blocks, cases[i].size,
			      cases[i].stored);
		expect_bad(s, "sparse");
	}
}

static void sparse_map_has_a_limit(void **state)
{
	struct sample *s = *state;
	unsigned long long lines = (CPS_TAR_SPARSE_MAX + 1ull) * 2;
	cps_auto(cps_buf) struct cps_buf map = CPS_BUF_INIT(0);

	cps_buf_printf(&map, "%u\n", CPS_TAR_SPARSE_MAX + 1);
	for (unsigned long long i = 0; i < lines; i++)
		cps_buf_str(&map, "0\n");
	cps_buf_align(&map, BLOCK);
	add_pax(s, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", 44);
	add_header(s, "a", '0', map.len);
	add_data(s, map.data, map.len);
	expect_bad(s, "sparse map of more than");
}

static void old_gnu_sparse_map_goes_on_in_extension_blocks(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", 'S', 25);

	memcpy(block + 257, "ustar  \0", 8);
	for (unsigned int i = 0; i < 4; i++)
		snprintf((char *)block + 386 + (size_t)i * 24, 24, "%011o%c%011o",
			 i * 10, 0, 1);
	block[482] = 1;
	memcpy(block + 483, "00000001750", 12);
	seal(block);
	cps_buf_zeros(&s->bytes, BLOCK, &block);
	for (unsigned int i = 0; i < 21; i++)
		snprintf((char *)block + (size_t)i * 24, 24, "%011o%c%011o",
			 40 + i * 10, 0, 1);
	cps_buf_zeros(&s->bytes, BLOCK, NULL);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.size, 1000);
	assert_int_equal(s->entry.extent_count, 25);
	assert_int_equal(s->entry.data_off, 2 * BLOCK);
	assert_int_equal(s->entry.extents[24].logical, 240);
	assert_int_equal(next(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sparse_map_gives_extents),
		CASE(sparse_file_may_be_all_hole),
		CASE(wrong_sparse_maps_are_refused),
		CASE(sparse_map_has_a_limit),
		CASE(old_gnu_sparse_map_goes_on_in_extension_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
