#include <linux/falloc.h>

#include "contents.h"

static void small_contents_are_written(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	assert_int_equal(fx_write(fx, ino, "hello", 5, 0), 0);
	assert_int_equal(fx_write(fx, ino, " world", 6, 5), 0);
	assert_int_equal(fx_write(fx, ino, "J", 1, 0), 0);
	assert_bytes(fx, ino, 0, "Jello world", 11);
	assert_int_equal(fx_write(fx, ino, "far", 3, 1000000), 0);
	assert_zeros(fx, ino, 11, 1000000 - 11);
	assert_int_equal(fx_stat(fx, ino).st_size, 1000003);
	cps_top_stats(fx->top, &stats);
	assert_int_equal(stats.data_files, 0);
	assert_int_equal(fx_write(fx, ino, "x", 1, INT64_MAX), -EFBIG);
	assert_int_equal(fx_write(fx, ino, "x", 1, UINT64_MAX), -EFBIG);
	assert_int_equal(fx_write(fx, 1, "x", 1, 0), -EISDIR);
	assert_int_equal(fx_write(fx, fx_find(fx, "link"), "x", 1, 0), -EINVAL);
}

static void large_contents_are_written(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	assert_int_equal(fx_write(fx, ino, "first, in the log", 17, 0), 0);
	assert_int_equal(fx_write(fx, ino, large, LARGE, 17), 0);
	assert_bytes(fx, ino, 0, "first, in the log", 17);
	assert_bytes(fx, ino, 17, large, LARGE);
	cps_top_stats(fx->top, &stats);
	assert_int_equal(stats.data_files, 1);
	assert_int_equal(fx_truncate(fx, ino, 100), 0);
	assert_int_equal(fx_truncate(fx, ino, 200), 0);
	assert_bytes(fx, ino, 17, large, 83);
	assert_zeros(fx, ino, 100, 100);
	fx_reopen(fx);
	/* Again beyond a gap: what was cut off does not come back. */
	assert_int_equal(fx_write(fx, ino, "end", 3, 5000), 0);
	assert_zeros(fx, ino, 100, 4900);
	assert_bytes(fx, ino, 17, large, 83);
}

static void lower_contents_are_written_over(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), hole = fx_find(fx, "hole");

	assert_int_equal(fx_write(fx, big, "in between", 10, 5000), 0);
	assert_lower(fx, big, 0, 5000, LOWER_BIG_AT);
	assert_bytes(fx, big, 5000, "in between", 10);
	assert_lower(fx, big, 5010, LOWER_BIG_BYTES - 5010, LOWER_BIG_AT);
	assert_int_equal(fx_write(fx, big, large, LARGE, 600000), 0);
	assert_lower(fx, big, 5010, 600000 - 5010, LOWER_BIG_AT);
	assert_bytes(fx, big, 600000, large, LARGE);
	assert_int_equal(fx_write(fx, big, "appended", 8, LOWER_BIG_BYTES), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES + 8);
	assert_int_equal(fx_truncate(fx, big, 1000), 0);
	assert_int_equal(fx_truncate(fx, big, 3000), 0);
	assert_lower(fx, big, 0, 1000, LOWER_BIG_AT);
	assert_zeros(fx, big, 1000, 2000);
	assert_int_equal(fx_write(fx, hole, "x", 1, 10), 0);
	assert_zeros(fx, hole, 11, LOWER_HOLE_AT - 11);
	assert_lower(fx, hole, LOWER_HOLE_AT, 100, LOWER_HOLE_DATA_AT - LOWER_HOLE_AT);
	assert_int_equal(fx_truncate(fx, fx_find(fx, "a/f1"), 0), 0);
	assert_int_equal(fx_stat(fx, fx_find(fx, "a/f2")).st_size, 0);
}

static void a_file_begins_anew_when_it_is_emptied(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = fx_file(fx, "f");
	struct cps_top_stats stats;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(fx_write(fx, ino, large, LARGE, 0), 0);
		assert_int_equal(fx_truncate(fx, ino, 0), 0);
		assert_int_equal(fx_write(fx, ino, "small", 5, 0), 0);
		assert_bytes(fx, ino, 0, "small", 5);
		assert_int_equal(cps_top_sync(fx->top), 0);
		cps_top_stats(fx->top, &stats);
		assert_int_equal(stats.data_files, 0);
	}
}

static int fallocate_at(struct fixture *fx, uint64_t ino, int mode, uint64_t off,
			uint64_t len)
{
	return cps_top_fallocate(fx->top, &fx_who, ino, mode, off, len);
}

static void holes_are_punched_and_zeroed(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), f = fx_file(fx, "f");

	assert_int_equal(fallocate_at(fx, big, punch, 1000, 500), 0);
	assert_lower(fx, big, 0, 1000, LOWER_BIG_AT);
	assert_zeros(fx, big, 1000, 500);
	assert_lower(fx, big, 1500, 500, LOWER_BIG_AT);
	assert_int_equal(fallocate_at(fx, big, punch, LOWER_BIG_BYTES - 10, 500), 0);
	assert_int_equal(fallocate_at(fx, big, punch, LOWER_BIG_BYTES + 10, 500), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES);
	assert_int_equal(
		fallocate_at(fx, big, FALLOC_FL_ZERO_RANGE, LOWER_BIG_BYTES, 500), 0);
	assert_int_equal(fx_stat(fx, big).st_size, LOWER_BIG_BYTES + 500);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	assert_int_equal(fallocate_at(fx, f, punch, 4096, 8192), 0);
	assert_bytes(fx, f, 0, large, 4096);
	assert_zeros(fx, f, 4096, 8192);
	assert_bytes(fx, f, 12288, large + 12288, LARGE - 12288);
	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
			 -EOPNOTSUPP);
	assert_int_equal(fallocate_at(fx, f, 0, 0, 0), -EINVAL);
	assert_int_equal(fallocate_at(fx, f, 0, INT64_MAX, 1), -EFBIG);
	assert_int_equal(fallocate_at(fx, 1, 0, 0, 1), -EISDIR);
}

static void space_is_set_aside(void **state)
{
	struct fixture *fx = *state;
	uint64_t big = fx_find(fx, "big"), f = fx_file(fx, "f");

	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
	assert_int_equal(fx_stat(fx, f).st_size, 0);
	assert_int_equal(fallocate_at(fx, f, 0, 0, 100000), 0);
	assert_int_equal(fx_stat(fx, f).st_size, 100000);
	assert_zeros(fx, f, 0, 100000);
	assert_int_equal(fallocate_at(fx, big, 0, 0, LOWER_BIG_BYTES + 1000), 0);
	assert_lower(fx, big, 0, LOWER_BIG_BYTES, LOWER_BIG_AT);
	assert_zeros(fx, big, LOWER_BIG_BYTES, 1000);
	/* An empty file that is emptied loses the space, and grows without it. */
	f = fx_file(fx, "g");
	assert_int_equal(fallocate_at(fx, f, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
	assert_int_equal(fx_truncate(fx, f, 0), 0);
	assert_int_equal(cps_top_sync(fx->top), 0);
	assert_int_equal(fx_write(fx, f, "x", 1, 1000), 0);
	assert_zeros(fx, f, 0, 1000);
}

/* About as many as there is data: never more than the size and a bit. */
static void blocks_are_counted_with_sense(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), big = fx_find(fx, "big");

	assert_int_equal(fx_stat(fx, f).st_blocks, 0);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	assert_true(fx_stat(fx, f).st_blocks >= LARGE / 512);
	assert_int_equal(fallocate_at(fx, f, punch, 8192, 4096), 0);
	assert_in_range(fx_stat(fx, f).st_blocks, 1, LARGE / 512);
	assert_int_equal(fx_write(fx, big, "x", 1, 0), 0);
	assert_in_range(fx_stat(fx, big).st_blocks, LOWER_BIG_BYTES / 512,
			LOWER_BIG_BYTES / 512 + 1);
	assert_int_equal(fallocate_at(fx, big, punch, 0, LOWER_BIG_BYTES), 0);
	assert_int_equal(fx_stat(fx, big).st_blocks, 0);
}

static void assert_seek(struct fixture *fx, uint64_t ino, uint64_t off, int whence,
			int64_t want)
{
	uint64_t got = 0;
	int rc = cps_top_seek(fx->top, ino, off, whence, &got);

	assert_int_equal(rc < 0 ? rc : (int64_t)got, want);
}

static void data_and_holes_are_found(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f"), hole = fx_find(fx, "hole");

	assert_seek(fx, f, 0, SEEK_DATA, -ENXIO);
	assert_int_equal(fx_write(fx, f, "x", 1, 1u << 20), 0);
	assert_seek(fx, f, 0, SEEK_DATA, 1u << 20);
	assert_seek(fx, f, 0, SEEK_HOLE, 0);
	assert_seek(fx, f, 1u << 20, SEEK_HOLE, (1u << 20) + 1);
	assert_seek(fx, f, (1u << 20) + 1, SEEK_HOLE, -ENXIO);
	assert_int_equal(fx_write(fx, f, large, LARGE, 4u << 20), 0);
	assert_seek(fx, f, 2u << 20, SEEK_DATA, 4u << 20);
	assert_seek(fx, f, 4u << 20, SEEK_HOLE, (4u << 20) + LARGE);
	assert_seek(fx, hole, 0, SEEK_DATA, LOWER_HOLE_AT);
	assert_int_equal(fx_write(fx, hole, "x", 1, 0), 0);
	assert_seek(fx, hole, 0, SEEK_DATA, 0);
	assert_seek(fx, hole, 0, SEEK_HOLE, 1);
	assert_seek(fx, hole, 1, SEEK_DATA, LOWER_HOLE_AT);
	assert_seek(fx, hole, LOWER_HOLE_AT, SEEK_HOLE,
		    LOWER_HOLE_AT + LOWER_HOLE_BYTES);
	assert_seek(fx, hole, LOWER_HOLE_AT + LOWER_HOLE_BYTES, SEEK_DATA, -ENXIO);
	assert_seek(fx, hole, 0, SEEK_CUR, -EINVAL);
	assert_seek(fx, 1, 0, SEEK_DATA, -EINVAL);
}

/* Many pieces: the file takes whole chunks over, and says the same as before. */
static void a_file_in_many_pieces_stays_right(void **state)
{
	struct fixture *fx = *state;
	uint64_t f = fx_find(fx, "big");
	uint8_t *want = malloc(8u << 20);

	memset(want, 0, 8u << 20);
	for (size_t i = 0; i < LOWER_BIG_BYTES; i++)
		want[i] = lower_byte(LOWER_BIG_AT + i);
	assert_int_equal(fx_truncate(fx, f, 7u << 20), 0);
	assert_int_equal(fx_write(fx, f, large, LARGE, 0), 0);
	memcpy(want, large, LARGE);
	for (uint32_t i = 0; i < 6000; i++) {
		uint64_t off = (uint64_t)i * 1100 + (i % 3);

		assert_int_equal(fx_write(fx, f, large + i, 7, off), 0);
		memcpy(want + off, large + i, 7);
	}
	assert_bytes(fx, f, 0, want, 7u << 20);
	fx_reopen(fx);
	assert_bytes(fx, f, 0, want, 7u << 20);
	free(want);
}

/* A chunk that is taken over by a write beyond the end. */
static void what_was_cut_off_does_not_come_back(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const uint64_t chunk = 5u << 20;
	struct fixture *fx = *state;
	uint64_t f = fx_file(fx, "f");

	for (uint64_t off = 0; off < 6u << 20; off += LARGE)
		assert_int_equal(fx_write(fx, f, large, LARGE, off), 0);
	for (uint64_t i = 0; i < 4200; i++)
		assert_int_equal(fallocate_at(fx, f, punch, i * 1000, 10), 0);
	assert_int_equal(fx_truncate(fx, f, chunk + 100), 0);
	assert_int_equal(fx_write(fx, f, "z", 1, chunk + 50000), 0);
	assert_zeros(fx, f, chunk + 100, 49900);
	assert_bytes(fx, f, chunk + 50000, "z", 1);
	assert_bytes(fx, f, chunk, large + chunk % LARGE, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_REPLAYED_TOP(small_contents_are_written),
		IN_A_REPLAYED_TOP(large_contents_are_written),
		IN_A_REPLAYED_TOP(lower_contents_are_written_over),
		IN_A_REPLAYED_TOP(a_file_begins_anew_when_it_is_emptied),
		IN_A_REPLAYED_TOP(holes_are_punched_and_zeroed),
		IN_A_REPLAYED_TOP(space_is_set_aside),
		IN_A_REPLAYED_TOP(blocks_are_counted_with_sense),
		IN_A_REPLAYED_TOP(data_and_holes_are_found),
		IN_A_REPLAYED_TOP(a_file_in_many_pieces_stays_right),
		IN_A_REPLAYED_TOP(what_was_cut_off_does_not_come_back),
	};

	return cmocka_run_group_tests(tests, fill_large, NULL);
}
