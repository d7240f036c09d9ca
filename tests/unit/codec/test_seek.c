#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "store/codec/scan.h"

#define PLAIN_BYTES (6u << 20)

static struct cps_buf plain = CPS_BUF_INIT(0); /* what every blob unpacks to */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Text-like runs and copies from before; every fourth MiB cannot be compressed. */
static int make_plain(void **state)
{
	uint32_t seed = 7;
	uint8_t *p;

	(void)state;
	if (cps_buf_zeros(&plain, PLAIN_BYTES, &p) < 0)
		return -1;
	for (size_t at = 0; at < PLAIN_BYTES;) {
		size_t len = 4 + next_random(&seed) % 60;
		size_t back = 1 + next_random(&seed) % 32000;

		if (len > PLAIN_BYTES - at)
			len = PLAIN_BYTES - at;
		for (size_t i = 0; i < len; i++, at++) {
			bool noise = (at >> 20) % 4 == 3 || at < back || len < 20;

			p[at] = noise ? (uint8_t)next_random(&seed) : p[at - back];
		}
	}
	return 0;
}

static int drop_plain(void **state)
{
	(void)state;
	cps_buf_release(&plain);
	return 0;
}

static void gzip_add(struct cps_buf *out, size_t from, size_t len, int level,
		     int strategy)
{
	z_stream z = {0};
	uint8_t *at;
	size_t had = out->len;

	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 31, 8, strategy), Z_OK);
	assert_int_equal(cps_buf_zeros(out, deflateBound(&z, len) + 64, &at), 0);
	z.next_in = plain.data + from;
	z.avail_in = (uInt)len;
	z.next_out = at;
	z.avail_out = (uInt)(out->len - had);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len = had + z.total_out;
	deflateEnd(&z);
}

static void zstd_add(struct cps_buf *out, size_t from, size_t len)
{
	size_t had = out->len, n;
	uint8_t *at;

	assert_int_equal(cps_buf_zeros(out, ZSTD_compressBound(len), &at), 0);
	n = ZSTD_compress(at, ZSTD_compressBound(len), plain.data + from, len, 1);
	assert_false(ZSTD_isError(n));
	out->len = had + n;
}

static int compare_sink(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	uint64_t *at = ctx;

	(void)err;
	if (len > plain.len - *at || memcmp(plain.data + *at, data, len) != 0)
		return -EIO;
	*at += len;
	return 0;
}

static int drop_sink(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	(void)ctx, (void)data, (void)len, (void)err;
	return 0;
}

/* Scan in pieces of `piece` bytes. The finished scan, or NULL with *rc. */
static struct cps_scan *scan_blob(const struct cps_buf *blob, struct cps_scan_opts opts,
				  size_t piece, int *rc)
{
	struct cps_scan *scan = NULL;

	opts.codec = cps_codec_detect(blob->data, blob->len);
	if (!opts.sink)
		opts.sink = drop_sink;
	*rc = cps_scan_new(&opts, &scan, NULL);
	for (size_t at = 0; *rc == 0 && at < blob->len; at += piece) {
		size_t left = blob->len - at;

		*rc = cps_scan_feed(scan, blob->data + at, left < piece ? left : piece,
				    NULL);
	}
	if (*rc == 0)
		*rc = cps_scan_finish(scan, NULL);
	if (*rc == 0)
		return scan;
	cps_scan_free(scan);
	return NULL;
}

static int scan_result(const struct cps_buf *blob, struct cps_scan_opts opts)
{
	int rc;

	cps_scan_free(scan_blob(blob, opts, 4096, &rc));
	return rc;
}

static void blob_of(const struct cps_buf *bytes, struct cps_blob *out)
{
	out->fd = memfd_create("blob", MFD_CLOEXEC);
	assert_true(out->fd >= 0);
	assert_int_equal(cps_write_full(out->fd, bytes->data, bytes->len), 0);
	out->base = 0;
	out->size = bytes->len;
}

/* Decode one span in odd pieces; 0 or the cursor's error. */
static int read_span(const struct cps_seek *seek, const struct cps_blob *blob,
		     uint32_t span, uint8_t *buf, uint32_t len)
{
	cps_auto(cps_cursor_close) struct cps_cursor *cursor = NULL;
	int rc = cps_cursor_open(seek, blob, span, &cursor);

	for (uint32_t at = 0, n; rc == 0 && at < len; at += n) {
		n = len - at < 70001 ? len - at : 70001;
		rc = cps_cursor_read(cursor, buf + at, n);
	}
	return rc;
}

static void assert_spans(const struct cps_seek *seek, const struct cps_buf *bytes)
{
	uint8_t *buf = malloc(CPS_SPAN_MAX);
	struct cps_blob blob;
	uint64_t end = 0;

	assert_non_null(buf);
	blob_of(bytes, &blob);
	for (uint32_t i = 0; i < cps_seek_span_count(seek); i++) {
		uint64_t off;
		uint32_t len;

		cps_seek_span(seek, i, &off, &len);
		assert_int_equal(off, end);
		assert_int_equal(cps_seek_find(seek, off), i);
		assert_int_equal(cps_seek_find(seek, off + len - 1), i);
		assert_int_equal(read_span(seek, &blob, i, buf, len), 0);
		assert_memory_equal(buf, plain.data + off, len);
		end = off + len;
	}
	assert_int_equal(end, cps_seek_size(seek));
	close(blob.fd);
	free(buf);
}

/* The whole promise for one blob: the scan unpacks it, each span can be had alone. */
static uint32_t assert_seekable(const struct cps_buf *blob, bool force_zlib,
				size_t piece)
{
	cps_auto(cps_buf) struct cps_buf table = CPS_BUF_INIT(0);
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	struct cps_digest key = {{1}};
	uint64_t at = 0;
	struct cps_scan_opts opts = {
		.sink = compare_sink, .sink_ctx = &at, .force_zlib = force_zlib};
	struct cps_scan *scan;
	int rc;

	scan = scan_blob(blob, opts, piece, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(at, cps_scan_output_size(scan));
	assert_int_equal(cps_scan_format(scan, &key, blob->len, &table, NULL), 0);
	cps_scan_free(scan);
	assert_int_equal(cps_seek_open_mem(table.data, table.len, &seek, NULL), 0);
	assert_int_equal(cps_seek_verify(seek, NULL), 0);
	assert_int_equal(cps_seek_size(seek), at);
	assert_spans(seek, blob);
	return cps_seek_span_count(seek);
}

static void gzip_spans_decode_alone(void **state)
{
	static const struct {
		int level, strategy;
	} kinds[] = {{1, Z_DEFAULT_STRATEGY}, {6, Z_DEFAULT_STRATEGY},
		     {9, Z_DEFAULT_STRATEGY}, {0, Z_DEFAULT_STRATEGY},
		     {6, Z_HUFFMAN_ONLY},     {6, Z_RLE}};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(kinds); i++) {
		cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);

		gzip_add(&blob, 0, PLAIN_BYTES, kinds[i].level, kinds[i].strategy);
		assert_true(assert_seekable(&blob, false, 65536) >= 3);
		assert_true(assert_seekable(&blob, true, 65536) >= 3);
	}
}

static void pieces_of_input_may_be_of_any_size(void **state)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);

	(void)state;
	gzip_add(&blob, 0, 3u << 20, 6, Z_DEFAULT_STRATEGY);
	assert_seekable(&blob, false, 1);
	assert_seekable(&blob, false, 7);
	assert_seekable(&blob, true, 333);
	assert_seekable(&blob, false, blob.len);
}

static void members_follow_each_other(void **state)
{
	static const size_t sizes[] = {100000, 0, 1, 700000, 65536, 900, 3000000};
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);
	size_t from = 0;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(sizes); from += sizes[i++])
		gzip_add(&blob, from, sizes[i], 6, Z_DEFAULT_STRATEGY);
	cps_buf_zeros(&blob, 1000, NULL);
	assert_seekable(&blob, false, 65536);
	assert_seekable(&blob, false, 5);
	assert_seekable(&blob, true, 65536);
}

static void all_header_fields_are_passed(void **state)
{
	static const uint8_t head[] = {0x1f, 0x8b, 8,   28,  0,   0,   0, 0,   0,   255,
				       3,    0,    'x', 'y', 'z', 'n', 0, 'c', 'm', 0};
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf bare = CPS_BUF_INIT(0);

	(void)state;
	gzip_add(&bare, 0, 50000, 6, Z_DEFAULT_STRATEGY);
	cps_buf_append(&blob, head, sizeof(head));
	cps_buf_append(&blob, bare.data + 10, bare.len - 10);
	assert_seekable(&blob, false, 3);
	blob.data[3] |= 0x20;
	assert_int_equal(scan_result(&blob, (struct cps_scan_opts){0}), -EBADMSG);
}

static void garbage_behind_gzip_is_refused(void **state)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);

	(void)state;
	gzip_add(&blob, 0, 50000, 6, Z_DEFAULT_STRATEGY);
	cps_buf_str(&blob, "x");
	assert_int_equal(scan_result(&blob, (struct cps_scan_opts){0}), -EBADMSG);
}

static void zstd_frames_are_spans(void **state)
{
	static const uint8_t skip[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);

	(void)state;
	cps_buf_append(&blob, skip, sizeof(skip));
	for (size_t from = 0; from < PLAIN_BYTES; from += 200u << 10) {
		size_t left = PLAIN_BYTES - from;

		zstd_add(&blob, from, left < 200u << 10 ? left : 200u << 10);
		cps_buf_append(&blob, skip, sizeof(skip));
	}
	assert_true(assert_seekable(&blob, false, 65536) > 5);
	assert_seekable(&blob, false, 3);
}

static void truncated_blob_is_refused(void **state)
{
	cps_auto(cps_buf) struct cps_buf gz = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf zst = CPS_BUF_INIT(0);

	(void)state;
	gzip_add(&gz, 0, 100000, 6, Z_DEFAULT_STRATEGY);
	zstd_add(&zst, 0, 100000);
	for (size_t cut = 1; cut < 40; cut++) {
		struct cps_scan_opts opts = {.force_zlib = cut % 2};

		gz.len--;
		zst.len--;
		assert_int_equal(scan_result(&gz, opts), -EBADMSG);
		assert_int_equal(scan_result(&zst, opts), -EBADMSG);
	}
}

static void flipped_bit_never_passes(void **state)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);
	uint32_t seed = 3;

	(void)state;
	gzip_add(&blob, 0, 100000, 6, Z_DEFAULT_STRATEGY);
	for (int i = 0; i < 300; i++) {
		size_t at = 10 + next_random(&seed) % (blob.len - 10);
		uint8_t mask = (uint8_t)(1u << next_random(&seed) % 8);

		blob.data[at] ^= mask;
		assert_int_equal(
			scan_result(&blob, (struct cps_scan_opts){.force_zlib = i % 2}),
			-EBADMSG);
		blob.data[at] ^= mask;
	}
}

static void bomb_hits_the_limit(void **state)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);
	struct cps_scan_opts opts = {.max_output = 99999};

	(void)state;
	gzip_add(&blob, 0, 100000, 6, Z_DEFAULT_STRATEGY);
	assert_int_equal(scan_result(&blob, opts), -EFBIG);
	opts.max_output = 100000;
	assert_int_equal(scan_result(&blob, opts), 0);
}

static void damaged_table_or_blob_is_noticed(void **state)
{
	cps_auto(cps_buf) struct cps_buf blob = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf table = CPS_BUF_INIT(0);
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	struct cps_digest key = {{0}};
	struct cps_blob file;
	uint8_t *buf = malloc(CPS_SPAN_MAX);
	struct cps_scan *scan;
	uint64_t off;
	uint32_t len;
	int rc;

	(void)state;
	gzip_add(&blob, 0, PLAIN_BYTES, 6, Z_DEFAULT_STRATEGY);
	scan = scan_blob(&blob, (struct cps_scan_opts){0}, 65536, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(cps_scan_format(scan, &key, blob.len, &table, NULL), 0);
	cps_scan_free(scan);
	for (size_t at = 0; at < 300; at++) {
		struct cps_seek *bad = NULL;

		table.data[at] ^= 4;
		rc = cps_seek_open_mem(table.data, table.len, &bad, NULL);
		table.data[at] ^= 4;
		cps_seek_close(bad);
		/* The minor version (in bytes 10, 11) is sealed by no checksum. */
		assert_int_equal(rc, at == 10 || at == 11 ? 0 : -EBADMSG);
	}
	assert_int_equal(cps_seek_open_mem(table.data, table.len, &seek, NULL), 0);
	blob.data[blob.len / 2] ^= 1;
	blob.len -= 100;
	blob_of(&blob, &file);
	rc = 0;
	for (uint32_t i = 0; i < cps_seek_span_count(seek); i++) {
		cps_seek_span(seek, i, &off, &len);
		rc += read_span(seek, &file, i, buf, len) == -EBADMSG;
	}
	assert_int_equal(rc, 2);
	close(file.fd);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_spans_decode_alone),
		cmocka_unit_test(pieces_of_input_may_be_of_any_size),
		cmocka_unit_test(members_follow_each_other),
		cmocka_unit_test(all_header_fields_are_passed),
		cmocka_unit_test(garbage_behind_gzip_is_refused),
		cmocka_unit_test(zstd_frames_are_spans),
		cmocka_unit_test(truncated_blob_is_refused),
		cmocka_unit_test(flipped_bit_never_passes),
		cmocka_unit_test(bomb_hits_the_limit),
		cmocka_unit_test(damaged_table_or_blob_is_noticed),
	};

	return cmocka_run_group_tests(tests, make_plain, drop_plain);
}
