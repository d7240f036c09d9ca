/* Bytes of layers through the cache of spans. */
#include "blobs.h"

static void any_part_of_any_blob_can_be_read(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *contents[] = {
		open_content(cache, &plain, NULL, NULL), open_gzip(cache),
		open_content(cache, &zstd_blob, &zstd_table, NULL)};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(contents); i++) {
		assert_true(reads_right(contents[i], 1, 200, 100));
		assert_true(reads_right(contents[i], 2, 30, 3u << 20));
		cps_content_close(contents[i]);
	}
}

static void a_read_ends_with_the_blob(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *contents[] = {open_content(cache, &plain, NULL, NULL),
					  open_gzip(cache)};
	char buf[100];

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(contents); i++) {
		struct cps_content *c = contents[i];

		assert_int_equal(cps_content_pread(c, buf, 100, PLAIN_BYTES - 7, 0), 7);
		assert_memory_equal(buf, plain.data + PLAIN_BYTES - 7, 7);
		assert_int_equal(cps_content_pread(c, buf, 100, PLAIN_BYTES, 0), 0);
		assert_int_equal(cps_content_pread(c, buf, 100, UINT64_MAX, 0), 0);
		assert_int_equal(cps_content_pread(c, buf, 0, 5, 0), 0);
		cps_content_close(c);
	}
}

static void only_an_uncompressed_blob_is_its_content(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(1, 0);
	struct cps_content *a = open_content(cache, &plain, NULL, NULL);
	struct cps_content *b = open_gzip(cache);

	(void)state;
	assert_int_equal(cps_content_plain(a)->size, PLAIN_BYTES);
	assert_null(cps_content_plain(b));
	cps_content_close(a);
	cps_content_close(b);
}

/* ---- the cache ---- */

static void read_in_order(struct cps_content *content, size_t piece)
{
	cps_auto(cps_free) uint8_t *buf = malloc(piece);

	assert_non_null(buf);
	for (size_t at = 0; at < PLAIN_BYTES; at += piece) {
		size_t want = PLAIN_BYTES - at < piece ? PLAIN_BYTES - at : piece;

		assert_int_equal(cps_content_pread(content, buf, piece, at, 0), want);
		assert_memory_equal(buf, plain.data + at, want);
	}
}

static void a_sequential_read_decodes_each_byte_once(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(2u << 20, 0);
	struct cps_content *content = open_gzip(cache);

	(void)state;
	read_in_order(content, 10007);
	assert_int_equal(stats_of(cache).decoded_bytes, PLAIN_BYTES);
	cps_content_close(content);
}

static void a_small_read_decodes_no_more_than_it_needs(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *content = open_gzip(cache);
	char buf[100];

	(void)state;
	assert_int_equal(cps_content_pread(content, buf, 100, 0, 0), 100);
	/* No byte is given out before its checksum was compared. */
	assert_int_equal(stats_of(cache).decoded_bytes, CPS_CHECK_BYTES);
	cps_content_close(content);
}

static void assert_bounded(size_t max_bytes, size_t most)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(max_bytes, 0);
	struct cps_content *content = open_gzip(cache);

	for (uint32_t seed = 0; seed < 20; seed++) {
		assert_true(reads_right(content, seed, 3, 1000));
		assert_in_range(stats_of(cache).used_bytes, 1, most);
	}
	cps_content_close(content);
}

static void the_cache_keeps_to_its_size(void **state)
{
	(void)state;
	assert_bounded(3u << 20, 3u << 20);
	/* One span there must be. */
	assert_bounded(1, CPS_SPAN_BYTES + CPS_SPAN_BYTES / 4);
}

static void what_was_used_last_stays(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(3u << 20, 0);
	struct cps_content *content = open_gzip(cache);
	uint64_t misses;
	char buf[8];

	(void)state;
	for (uint64_t mib = 1; mib < 5; mib++) {
		assert_int_equal(cps_content_pread(content, buf, 8, 0, 0), 8);
		assert_int_equal(cps_content_pread(content, buf, 8, mib << 20, 0), 8);
	}
	misses = stats_of(cache).misses;
	assert_int_equal(cps_content_pread(content, buf, 8, 0, 0), 8);
	assert_int_equal(stats_of(cache).misses, misses);
	cps_content_close(content);
}

static void a_closed_layer_leaves_the_cache(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *a = open_gzip(cache), *b = open_gzip(cache);
	size_t used;

	(void)state;
	assert_true(reads_right(a, 1, 50, 1000));
	used = stats_of(cache).used_bytes;
	assert_true(reads_right(b, 1, 50, 1000));
	cps_content_close(b);
	assert_int_equal(stats_of(cache).used_bytes, used);
	cps_content_close(a);
	assert_int_equal(stats_of(cache).used_bytes, 0);
}

static void nowait_answers_from_memory_only(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *content = open_gzip(cache);
	const unsigned int nowait = CPS_READ_NOWAIT;
	char buf[100];

	(void)state;
	assert_int_equal(cps_content_pread(content, buf, 100, 50, nowait), -EAGAIN);
	assert_int_equal(stats_of(cache).decoded_bytes, 0);
	assert_int_equal(cps_content_pread(content, buf, 100, 50, 0), 100);
	assert_int_equal(cps_content_pread(content, buf, 100, 50, nowait), 100);
	assert_memory_equal(buf, plain.data + 50, 100);
	assert_int_equal(
		cps_content_pread(content, buf, 100, CPS_CHECK_BYTES - 99, nowait),
		-EAGAIN);
	cps_content_close(content);
	content = open_content(cache, &plain, NULL, NULL);
	assert_int_equal(cps_content_pread(content, buf, 100, 50, nowait), 100);
	cps_content_close(content);
}

/* ---- decoding ahead ---- */

static bool prefetched(struct cps_cache *cache, uint64_t spans)
{
	const struct timespec a_moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 10000; i++) {
		if (stats_of(cache).prefetched_spans >= spans)
			return true;
		nanosleep(&a_moment, NULL);
	}
	return false;
}

static void reads_in_order_are_decoded_ahead(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 1);
	struct cps_content *content = open_gzip(cache);
	char buf[100];

	(void)state;
	assert_int_equal(cps_content_pread(content, buf, 100, 0, 0), 100);
	assert_int_equal(cps_content_pread(content, buf, 100, 100, 0), 100);
	assert_true(prefetched(cache, 1));
	assert_int_equal(cps_content_pread(content, buf, 100, 900000, CPS_READ_NOWAIT),
			 100);
	assert_memory_equal(buf, plain.data + 900000, 100);
	cps_content_close(content);
}

static void a_layer_may_be_closed_while_workers_decode(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(2u << 20, 2);

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct cps_content *content = open_gzip(cache);
		char buf[100];

		for (uint64_t at = 0; at < 3u << 20; at += 500000)
			assert_int_equal(cps_content_pread(content, buf, 100, at, 0),
					 100);
		cps_content_close(content);
		assert_int_equal(stats_of(cache).used_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_part_of_any_blob_can_be_read),
		cmocka_unit_test(a_read_ends_with_the_blob),
		cmocka_unit_test(only_an_uncompressed_blob_is_its_content),
		cmocka_unit_test(a_sequential_read_decodes_each_byte_once),
		cmocka_unit_test(a_small_read_decodes_no_more_than_it_needs),
		cmocka_unit_test(the_cache_keeps_to_its_size),
		cmocka_unit_test(what_was_used_last_stays),
		cmocka_unit_test(a_closed_layer_leaves_the_cache),
		cmocka_unit_test(nowait_answers_from_memory_only),
		cmocka_unit_test(reads_in_order_are_decoded_ahead),
		cmocka_unit_test(a_layer_may_be_closed_while_workers_decode),
	};

	return cmocka_run_group_tests(tests, make_blobs, drop_blobs);
}
