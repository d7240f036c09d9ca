/* Bytes of layers that are damaged, or on a disk that fails; many readers at once. */
#include <pthread.h>

#include "blobs.h"

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

/* Nobody is told of an error that no line of the log explains. */
static void an_error_is_told_once_somebody_waits_for_it(void **state)
{
	cps_auto(cps_cache_free) struct cps_cache *cache = open_cache(1, 0);
	cps_auto(cps_fd) int unreadable = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct cps_content *content;
	unsigned int before;
	char buf[100];
	int fd;

	(void)state;
	content = open_content(cache, &plain, NULL, &fd);
	assert_int_equal(dup2(unreadable, fd), fd);
	before = atomic_load(&log_lines);
	assert_int_equal(cps_content_pread(content, buf, 100, 0, CPS_READ_NOWAIT),
			 -EAGAIN);
	assert_int_equal(atomic_load(&log_lines), before);
	assert_int_equal(cps_content_pread(content, buf, 100, 0, 0), -EIO);
	assert_int_equal(atomic_load(&log_lines), before + 1);
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
		cmocka_unit_test(a_damaged_span_is_an_error_and_others_are_not),
		cmocka_unit_test(a_damaged_span_stays_an_error),
		cmocka_unit_test(a_disk_that_fails_for_a_while_is_read_again),
		cmocka_unit_test(an_error_is_told_once_somebody_waits_for_it),
		cmocka_unit_test(many_readers_share_one_small_cache),
	};

	return cmocka_run_group_tests(tests, make_blobs, drop_blobs);
}
