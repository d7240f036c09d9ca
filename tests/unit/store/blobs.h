#ifndef TEST_STORE_BLOBS_H
#define TEST_STORE_BLOBS_H

/* One layer as three blobs, plain, gzip and zstd, opened through a cache. */

#include <errno.h>
#include <fcntl.h>
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

static inline uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static inline void count_line(void *ctx, enum cps_log_level level, const char *text)
{
	(void)ctx, (void)text;
	atomic_fetch_add(&log_lines, level == CPS_LOG_ERROR);
}

/* ---- blobs ---- */

static inline int drop_sink(void *ctx, const void *data, size_t len,
			    struct cps_err *err)
{
	(void)ctx, (void)data, (void)len, (void)err;
	return 0;
}

static inline int make_table(const struct cps_buf *blob, enum cps_codec codec,
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

static inline int make_gzip(void)
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

static inline int make_zstd(void)
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
static inline int make_blobs(void **state)
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

static inline int drop_blobs(void **state)
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
static inline struct cps_content *open_content(struct cps_cache *cache,
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

static inline struct cps_content *open_gzip(struct cps_cache *cache)
{
	return open_content(cache, &gzip_blob, &gzip_table, NULL);
}

static inline struct cps_cache *open_cache(size_t max_bytes, unsigned int workers)
{
	struct cps_cache *cache = NULL;

	assert_int_equal(cps_cache_new(max_bytes, workers, &cache, NULL), 0);
	return cache;
}

static inline struct cps_cache_stats stats_of(struct cps_cache *cache)
{
	struct cps_cache_stats stats;

	cps_cache_stats(cache, &stats);
	return stats;
}

/* Read `count` places; false at the first wrong byte. Asserts nothing: threads call. */
static inline bool reads_right(struct cps_content *content, uint32_t seed,
			       unsigned int count, size_t len_max)
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

#endif
