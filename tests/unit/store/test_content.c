/* Bytes of layers through the cache of spans. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "store/codec/scan.h"
#include "store/content.h"

#define PLAIN_BYTES (5u << 20)
#define FRAME       (200u << 10) /* bytes of a zstd frame */

static struct cps_buf plain = CPS_BUF_INIT(0);
static struct cps_buf gzip_blob = CPS_BUF_INIT(0), gzip_table = CPS_BUF_INIT(0);
static struct cps_buf zstd_blob = CPS_BUF_INIT(0), zstd_table = CPS_BUF_INIT(0);
static atomic_uint log_lines;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void count_line(void *ctx, enum cps_log_level level, const char *text)
{
	(void)ctx, (void)text;
	atomic_fetch_add(&log_lines, level == CPS_LOG_ERROR);
}

/* ---- blobs ---- */

static int drop_sink(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	(void)ctx, (void)data, (void)len, (void)err;
	return 0;
}

static int make_table(const struct cps_buf *blob, enum cps_codec codec,
		      struct cps_buf *table)
{
	const struct cps_scan_opts opts = {.codec = codec, .sink = drop_sink};
	cps_auto(cps_scan_free) struct cps_scan *scan = NULL;
	struct cps_digest key = {{1}};
	int rc = cps_scan_new(&opts, &scan, NULL);

	if (rc == 0)
		rc = cps_scan_feed(scan, blob->data, blob->len, NULL);
	if (rc == 0)
		rc = cps_scan_finish(scan, NULL);
	return rc < 0 ? rc : cps_scan_format(scan, &key, blob->len, table, NULL);
}

static int make_gzip(void)
{
	z_stream z = {.next_in = plain.data, .avail_in = PLAIN_BYTES};
	uint8_t *at;
	int rc;

	if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
	    cps_buf_zeros(&gzip_blob, deflateBound(&z, PLAIN_BYTES), &at) < 0)
		return -1;
	z.next_out = at;
	z.avail_out = (uInt)gzip_blob.len;
	rc = deflate(&z, Z_FINISH);
	gzip_blob.len = z.total_out;
	deflateEnd(&z);
	return rc == Z_STREAM_END ? make_table(&gzip_blob, CPS_CODEC_GZIP, &gzip_table)
				  : -1;
}

static int make_zstd(void)
{
	for (size_t from = 0; from < PLAIN_BYTES; from += FRAME) {
		size_t left = PLAIN_BYTES - from, had = zstd_blob.len, n;
		uint8_t *at;

		if (cps_buf_zeros(&zstd_blob, ZSTD_compressBound(FRAME), &at) < 0)
			return -1;
		n = ZSTD_compress(at, ZSTD_compressBound(FRAME), plain.data + from,
				  left < FRAME ? left : FRAME, 1);
		if (ZSTD_isError(n))
			return -1;
		zstd_blob.len = had + n;
	}
	return make_table(&zstd_blob, CPS_CODEC_ZSTD, &zstd_table);
}

/* Four random bits a byte: deflate makes blocks of it that are not too large. */
static int make_blobs(void **state)
{
	uint32_t seed = 7;
	uint8_t *p;

	(void)state;
	cps_log_sink(count_line, NULL);
	if (cps_buf_zeros(&plain, PLAIN_BYTES, &p) < 0)
		return -1;
	for (size_t i = 0; i < PLAIN_BYTES; i++)
		p[i] = (uint8_t)("0123456789abcdef"[(next_random(&seed) >> 12) % 16] +
				 (i >> 19));
	return make_gzip() < 0 || make_zstd() < 0 ? -1 : 0;
}

static int drop_blobs(void **state)
{
	(void)state;
	cps_buf_release(&plain);
	cps_buf_release(&gzip_blob);
	cps_buf_release(&gzip_table);
	cps_buf_release(&zstd_blob);
	cps_buf_release(&zstd_table);
	return 0;
}

/* *fd (may be NULL) gets the descriptor that is read. */
static struct cps_content *open_content(struct cps_cache *cache,
					const struct cps_buf *bytes,
					const struct cps_buf *table, int *fd)
{
	struct cps_blob blob = {.fd = memfd_create("blob", MFD_CLOEXEC),
				.size = bytes->len};
	struct cps_content *content = NULL;
	struct cps_err err = CPS_ERR_INIT;
	struct cps_seek *seek = NULL;

	assert_true(blob.fd >= 0);
	assert_int_equal(cps_write_full(blob.fd, bytes->data, bytes->len), 0);
	if (fd)
		*fd = blob.fd;
	if (table && cps_seek_open_mem(table->data, table->len, &seek, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(cps_content_open(cache, &blob, seek, &content, NULL), 0);
	assert_int_equal(blob.fd, -1);
	return content;
}

static struct cps_content *open_gzip(struct cps_cache *cache)
{
	return open_content(cache, &gzip_blob, &gzip_table, NULL);
}

static struct cps_cache *open_cache(size_t max_bytes, unsigned int workers)
{
	struct cps_cache *cache = NULL;

	assert_int_equal(cps_cache_new(max_bytes, workers, &cache, NULL), 0);
	return cache;
}

static struct cps_cache_stats stats_of(struct cps_cache *cache)
{
	struct cps_cache_stats stats;

	cps_cache_stats(cache, &stats);
	return stats;
}

/* ---- reading ---- */

/* Read `count` places; false at the first wrong byte. Asserts nothing: threads call. */
static bool reads_right(struct cps_content *content, uint32_t seed, unsigned int count,
			size_t len_max)
{
	uint8_t *buf = malloc(len_max);
	bool right = buf != NULL;

	for (unsigned int i = 0; i < count && right; i++) {
		uint64_t off = next_random(&seed) % PLAIN_BYTES;
		size_t len = 1 + next_random(&seed) % len_max, want = len;
		ssize_t n = cps_content_pread(content, buf, len, off, 0);

		if (want > PLAIN_BYTES - off)
			want = PLAIN_BYTES - off;
		right = n == (ssize_t)want && memcmp(buf, plain.data + off, want) == 0;
	}
	free(buf);
	return right;
}

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
	assert_int_equal(stats_of(cache).decoded_bytes, 100);
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
	assert_int_equal(cps_content_pread(content, buf, 100, 51, nowait), -EAGAIN);
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

/* ---- damage ---- */

static struct cps_content *open_damaged(struct cps_cache *cache)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);

	assert_int_equal(cps_buf_append(&blob, gzip_blob.data, gzip_blob.len), 0);
	blob.data[blob.len / 2] ^= 1;
	return open_content(cache, &blob, &gzip_table, NULL);
}

static void a_damaged_span_is_an_error_and_others_are_not(void **state)
{
	const uint64_t tail = PLAIN_BYTES - 100000;
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *content = open_damaged(cache);
	cps_auto(cps_free) uint8_t *buf = malloc(PLAIN_BYTES);
	unsigned int before = atomic_load(&log_lines);

	(void)state;
	assert_int_equal(cps_content_pread(content, buf, PLAIN_BYTES, 0, 0), -EIO);
	assert_true(atomic_load(&log_lines) > before);
	assert_int_equal(cps_content_pread(content, buf, 100000, 0, 0), 100000);
	assert_memory_equal(buf, plain.data, 100000);
	assert_int_equal(cps_content_pread(content, buf, 100000, tail, 0), 100000);
	assert_memory_equal(buf, plain.data + tail, 100000);
	cps_content_close(content);
}

/* No byte of it is given out once it is known to be bad. */
static void a_damaged_span_stays_an_error(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	struct cps_content *content = open_damaged(cache);
	cps_auto(cps_free) uint8_t *buf = malloc(PLAIN_BYTES);
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	unsigned int bad = 0;

	(void)state;
	assert_int_equal(
		cps_seek_open_mem(gzip_table.data, gzip_table.len, &seek, NULL), 0);
	for (uint32_t i = 0; i < cps_seek_span_count(seek); i++) {
		uint64_t off;
		uint32_t len;

		cps_seek_span(seek, i, &off, &len);
		if (cps_content_pread(content, buf, len, off, 0) == len)
			continue;
		bad++;
		assert_int_equal(cps_content_pread(content, buf, 1, off, 0), -EIO);
		assert_int_equal(
			cps_content_pread(content, buf, 1, off, CPS_READ_NOWAIT),
			-EAGAIN);
		assert_int_equal(cps_content_pread(content, buf, len, off, 0), -EIO);
	}
	assert_int_equal(bad, 1);
	cps_content_close(content);
}

static void a_disk_that_fails_for_a_while_is_read_again(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(64u << 20, 0);
	cps_auto(cps_free) uint8_t *buf = malloc(PLAIN_BYTES);
	cps_auto(cps_fd) int unreadable = -1;
	cps_auto(cps_fd) int good = -1;
	struct cps_content *content;
	int fd;

	(void)state;
	content = open_content(cache, &gzip_blob, &gzip_table, &fd);
	unreadable = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = dup(fd);
	assert_true(good >= 0 && unreadable >= 0);
	assert_int_equal(cps_content_pread(content, buf, 500, 0, 0), 500);
	assert_int_equal(dup2(unreadable, fd), fd);
	assert_int_equal(cps_content_pread(content, buf, PLAIN_BYTES, 0, 0), -EIO);
	/* What was decoded before is still good. */
	assert_int_equal(cps_content_pread(content, buf, 500, 0, CPS_READ_NOWAIT), 500);
	assert_memory_equal(buf, plain.data, 500);
	assert_int_equal(dup2(good, fd), fd);
	assert_int_equal(cps_content_pread(content, buf, PLAIN_BYTES, 0, 0),
			 PLAIN_BYTES);
	assert_memory_equal(buf, plain.data, PLAIN_BYTES);
	cps_content_close(content);
}

/* ---- many readers ---- */

struct reader {
	struct cps_content *content;
	uint32_t seed;
	bool right;
};

static void *read_randomly(void *ctx)
{
	struct reader *r = ctx;

	r->right = reads_right(r->content, r->seed, 60, 1000) &&
		   reads_right(r->content, r->seed, 10, 1500000);
	return NULL;
}

/* Reads that end behind the damage: none of them may succeed. */
static void *read_damaged(void *ctx)
{
	struct reader *r = ctx;
	uint8_t *buf = malloc(PLAIN_BYTES);
	uint32_t seed = r->seed;

	r->right = buf != NULL;
	for (int i = 0; i < 30 && r->right; i++) {
		uint64_t off = next_random(&seed) % (PLAIN_BYTES / 4);
		ssize_t n =
			cps_content_pread(r->content, buf, PLAIN_BYTES - off, off, 0);

		r->right = n == -EIO;
	}
	free(buf);
	return NULL;
}

static void many_readers_share_one_small_cache(void **state)
{
	enum { READERS = 8 };
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(2u << 20, 2);
	struct cps_content *contents[] = {
		open_gzip(cache), open_content(cache, &zstd_blob, &zstd_table, NULL),
		open_damaged(cache)};
	struct reader readers[READERS];
	pthread_t threads[READERS];

	(void)state;
	for (uint32_t i = 0; i < READERS; i++) {
		bool damaged = i % 4 == 3;

		readers[i] = (struct reader){contents[damaged ? 2 : i % 2], i, false};
		assert_int_equal(pthread_create(&threads[i], NULL,
						damaged ? read_damaged : read_randomly,
						&readers[i]),
				 0);
	}
	for (size_t i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(readers[i].right);
	}
	for (size_t i = 0; i < CPS_ARRAY_LEN(contents); i++)
		cps_content_close(contents[i]);
	assert_int_equal(stats_of(cache).used_bytes, 0);
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
		cmocka_unit_test(a_damaged_span_is_an_error_and_others_are_not),
		cmocka_unit_test(a_damaged_span_stays_an_error),
		cmocka_unit_test(a_disk_that_fails_for_a_while_is_read_again),
		cmocka_unit_test(many_readers_share_one_small_cache),
	};

	return cmocka_run_group_tests(tests, make_blobs, drop_blobs);
}
