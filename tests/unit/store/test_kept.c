/* What is decoded once is there for later mounts, and is never believed. */
#include "scratch.h"

#include <sys/mman.h>
#include <zlib.h>

#include "store/codec/scan.h"
#include "store/content.h"
#include "store/kept.h"

#define PLAIN_BYTES (3u << 20)
#define KEEP_BYTES  (64u << 20)
#define PART        4096u

static const struct cps_digest blob_id = {{0x1a}}, other_id = {{0x77}};
static uint8_t plain[PLAIN_BYTES];
static uint8_t packed[PLAIN_BYTES + (64u << 10)];
static size_t packed_len;

static int ignore(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	(void)ctx, (void)data, (void)len, (void)err;
	return 0;
}

static int make_blob(void **state)
{
	z_stream z = {.next_in = plain, .avail_in = PLAIN_BYTES};
	uint32_t seed = 5;
	int rc;

	(void)state;
	for (size_t i = 0; i < PLAIN_BYTES; i++) {
		seed = seed * 1664525 + 1013904223;
		plain[i] = (uint8_t)('a' + (seed >> 28));
	}
	if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	rc = deflate(&z, Z_FINISH);
	packed_len = z.total_out;
	deflateEnd(&z);
	return rc == Z_STREAM_END ? 0 : -1;
}

/* A store that knows the blob's restart points. */
static int scanned_setup(void **state)
{
	struct cps_scan_opts opts = {.codec = CPS_CODEC_GZIP, .sink = ignore};
	cps_auto(cps_scan_free) struct cps_scan *scan = NULL;
	struct scratch *s;

	if (scratch_store_setup(state) < 0)
		return -1;
	s = *state;
	opts.store = s->store;
	if (cps_scan_new(&opts, &scan, NULL) < 0 ||
	    cps_scan_feed(scan, packed, packed_len, NULL) < 0 ||
	    cps_scan_finish(scan, NULL) < 0)
		return -1;
	return cps_scan_publish(scan, &blob_id, packed_len, NULL) < 0
		       ? -1
		       : cps_scan_publish(scan, &other_id, packed_len, NULL);
}

/** A mount's view of the blob. */
struct opened {
	struct cps_cache *cache;
	struct cps_content *content;
};

static struct cps_content *open_content(struct scratch *s, struct cps_cache *cache,
					const struct cps_digest *id)
{
	struct cps_blob blob = {.fd = memfd_create("blob", MFD_CLOEXEC),
				.size = packed_len};
	struct cps_content *content = NULL;
	struct cps_seek *seek = NULL;

	assert_int_equal(cps_write_full(blob.fd, packed, packed_len), 0);
	assert_int_equal(cps_seek_open(s->store, id, &seek, NULL), 0);
	assert_int_equal(cps_content_open(cache, &blob, seek, &content, NULL), 0);
	return content;
}

static struct opened open_it(struct scratch *s, uint64_t keep_bytes)
{
	struct opened o = {0};

	assert_int_equal(cps_cache_new(8u << 20, 1, &o.cache, NULL), 0);
	cps_cache_keep(o.cache, keep_bytes);
	o.content = open_content(s, o.cache, &blob_id);
	return o;
}

static uint64_t close_it(struct opened *o)
{
	struct cps_cache_stats stats;

	cps_content_close(o->content);
	cps_cache_stats(o->cache, &stats);
	cps_cache_free(o->cache);
	return stats.decoded_bytes;
}

/* Here and there, backwards, so that nobody takes it for reading in order. */
static void read_parts(struct opened *o)
{
	uint8_t got[PART];

	for (uint64_t off = PLAIN_BYTES - PART; off > (300u << 10); off -= 300u << 10) {
		assert_int_equal(cps_content_pread(o->content, got, PART, off, 0),
				 PART);
		assert_memory_equal(got, plain + off, PART);
	}
}

/* Read the parts as a mount does; how much had to be decoded for that. */
static uint64_t mount_once(struct scratch *s, uint64_t keep_bytes)
{
	struct opened o = open_it(s, keep_bytes);

	read_parts(&o);
	return close_it(&o);
}

static int kept_file(struct scratch *s)
{
	char hex[CPS_DIGEST_HEX_LEN];
	int fd = openat(cps_store_derived_fd(s->store, CPS_KEPT),
			cps_digest_hex(&blob_id, hex), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t kept_bytes(struct scratch *s, const struct cps_digest *id)
{
	char hex[CPS_DIGEST_HEX_LEN];
	struct stat st;

	assert_int_equal(fstatat(cps_store_derived_fd(s->store, CPS_KEPT),
				 cps_digest_hex(id, hex), &st, 0),
			 0);
	return (uint64_t)st.st_blocks * 512;
}

static void what_was_read_is_decoded_once(void **state)
{
	assert_true(mount_once(*state, KEEP_BYTES) > 0);
	assert_int_equal(mount_once(*state, KEEP_BYTES), 0);
}

static void nothing_is_kept_unless_wanted(void **state)
{
	struct scratch *s = *state;

	assert_true(mount_once(s, 0) > 0);
	assert_true(mount_once(s, 0) > 0);
	assert_int_equal(entries_of(cps_store_derived_fd(s->store, CPS_KEPT)), 0);
}

static void what_was_not_read_is_not_kept(void **state)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	mount_once(*state, KEEP_BYTES);
	fd = kept_file(*state);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 < PLAIN_BYTES / 2);
}

static void a_damaged_piece_is_decoded_again(void **state)
{
	cps_auto(cps_fd) int fd = -1;
	uint8_t junk[PART];
	off_t at;

	mount_once(*state, KEEP_BYTES);
	fd = kept_file(*state);
	memset(junk, 'z', sizeof(junk));
	at = lseek(fd, 0, SEEK_DATA);
	assert_int_equal(pwrite(fd, junk, PART, at), PART);
	assert_true(mount_once(*state, KEEP_BYTES) > 0);
	assert_int_equal(mount_once(*state, KEEP_BYTES), 0); /* and mended */
}

static void a_file_cut_short_is_no_harm(void **state)
{
	cps_auto(cps_fd) int fd = -1;

	mount_once(*state, KEEP_BYTES);
	fd = kept_file(*state);
	assert_int_equal(ftruncate(fd, CPS_CHECK_BYTES + 7), 0);
	assert_true(mount_once(*state, KEEP_BYTES) > 0);
	assert_int_equal(mount_once(*state, KEEP_BYTES), 0);
}

/* Also while somebody reads it. */
static void a_file_that_vanishes_is_no_harm(void **state)
{
	struct scratch *s = *state;
	struct opened o = open_it(s, KEEP_BYTES);

	read_parts(&o);
	cps_derived_drop(s->store, CPS_KEPT, &blob_id);
	read_parts(&o);
	close_it(&o);
	assert_true(mount_once(s, KEEP_BYTES) > 0);
}

static void no_more_is_kept_than_allowed(void **state)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	mount_once(*state, 3 * CPS_CHECK_BYTES);
	fd = kept_file(*state);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range((uint64_t)st.st_blocks * 512, 1, 3 * CPS_CHECK_BYTES);
}

static void what_was_not_used_for_longest_goes(void **state)
{
	struct scratch *s = *state;
	int dirfd = cps_store_derived_fd(s->store, CPS_KEPT);
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	cps_auto(cps_fd) int fd = -1;
	char hex[CPS_DIGEST_HEX_LEN];
	struct stat st;

	write_at(dirfd, cps_digest_hex(&other_id, hex), "of another blob");
	assert_int_equal(utimensat(dirfd, hex, old, 0), 0);
	mount_once(s, KEEP_BYTES);
	assert_int_equal(faccessat(dirfd, hex, F_OK, 0), 0);
	fd = kept_file(s);
	assert_int_equal(fstat(fd, &st), 0);
	/* Just not enough for both with the part that stays free. */
	assert_int_equal(mount_once(s, (uint64_t)st.st_blocks * 512 * 8 / 7), 0);
	assert_int_equal(faccessat(dirfd, hex, F_OK, 0), -1);
}

/* Decodes what holds the blob's parts, and has as many of them wait to be kept. */
static void have_kept(struct cps_content *content, uint64_t parts)
{
	uint8_t got;

	for (uint64_t off = PLAIN_BYTES - 1; off > (1u << 20); off -= 1u << 20)
		assert_int_equal(cps_content_pread(content, &got, 1, off, 0), 1);
	assert_int_equal(cps_content_pread(content, &got, 1, (1u << 20) - 1, 0), 1);
	for (uint64_t i = parts; i > 0; i--)
		assert_int_equal(
			cps_content_pread(content, &got, 1, i * CPS_CHECK_BYTES, 0), 1);
}

/* The worker takes what waits of one while the other is closed. */
static void one_layer_of_many_closes(void **state)
{
	struct scratch *s = *state;

	for (int i = 0; i < 100; i++) {
		struct opened o = open_it(s, KEEP_BYTES);
		struct cps_content *other = open_content(s, o.cache, &blob_id);

		have_kept(o.content, 30);
		have_kept(other, 30);
		cps_content_close(other);
		cps_derived_drop(s->store, CPS_KEPT, &blob_id);
		close_it(&o);
	}
}

/* Layers that are open at the same time share what may be kept. */
static void no_more_is_kept_of_all_layers(void **state)
{
	const uint64_t most = 16 * CPS_CHECK_BYTES;
	struct scratch *s = *state;
	struct opened o = open_it(s, most);
	struct cps_content *other = open_content(s, o.cache, &other_id);

	have_kept(o.content, 14);
	have_kept(other, 14);
	cps_content_close(other);
	close_it(&o);
	assert_in_range(kept_bytes(s, &blob_id) + kept_bytes(s, &other_id), most / 2,
			most + 2 * CPS_CHECK_BYTES);
}

/* What has no name fills the disk, and nobody can use it. */
static void a_file_that_vanished_grows_no_more(void **state)
{
	struct scratch *s = *state;
	cps_auto(cps_fd) int fd = -1;
	struct opened o = open_it(s, 16 * CPS_CHECK_BYTES);
	struct stat st;

	fd = kept_file(s);
	cps_derived_drop(s->store, CPS_KEPT, &blob_id);
	read_parts(&o);
	close_it(&o);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
}

#define KEPT(test)                                                                     \
	cmocka_unit_test_setup_teardown(test, scanned_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEPT(what_was_read_is_decoded_once),
		KEPT(nothing_is_kept_unless_wanted),
		KEPT(what_was_not_read_is_not_kept),
		KEPT(a_damaged_piece_is_decoded_again),
		KEPT(a_file_cut_short_is_no_harm),
		KEPT(a_file_that_vanishes_is_no_harm),
		KEPT(no_more_is_kept_than_allowed),
		KEPT(what_was_not_used_for_longest_goes),
		KEPT(one_layer_of_many_closes),
		KEPT(no_more_is_kept_of_all_layers),
		KEPT(a_file_that_vanished_grows_no_more),
	};

	return cmocka_run_group_tests(tests, make_blob, NULL);
}
