#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/pipe.h"

#define STREAM_BYTES (24u << 20) /* many times what the pipe holds */
#define PIECE_MAX    600000u     /* more than one slot */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 13));
}

struct writer {
	struct cps_pipe *pipe;
	size_t total;
	int end; /* what the stream ends with */
	int rc;
};

static void *write_stream(void *ctx)
{
	struct writer *w = ctx;
	uint8_t *piece = malloc(PIECE_MAX);
	uint32_t seed = 1;

	for (size_t at = 0, n; piece && w->rc == 0 && at < w->total; at += n) {
		n = next_random(&seed) % PIECE_MAX;
		if (n > w->total - at)
			n = w->total - at;
		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(at + i);
		w->rc = cps_pipe_write(w->pipe, piece, n, NULL);
	}
	cps_pipe_end(w->pipe, w->end);
	free(piece);
	return NULL;
}

/* Bytes that came, each as it was sent; *last gets how the stream ended. */
static size_t read_stream(struct cps_pipe *pipe, ssize_t *last)
{
	uint8_t *buf = malloc(PIECE_MAX);
	uint32_t seed = 2;
	size_t at = 0;

	assert_non_null(buf);
	while ((*last = cps_pipe_read(pipe, buf, 1 + next_random(&seed) % PIECE_MAX,
				      NULL)) > 0) {
		for (ssize_t i = 0; i < *last; i++)
			assert_int_equal(buf[i], byte_at(at + (size_t)i));
		at += (size_t)*last;
	}
	free(buf);
	return at;
}

static void run(size_t total, int end)
{
	cps_auto(cps_pipe_free) struct cps_pipe *pipe = cps_pipe_new();
	struct writer w = {.pipe = pipe, .total = total, .end = end};
	pthread_t thread;
	ssize_t last;

	assert_non_null(pipe);
	assert_int_equal(pthread_create(&thread, NULL, write_stream, &w), 0);
	assert_int_equal(read_stream(pipe, &last), total);
	assert_int_equal(last, end);
	/* The end stays the end. */
	assert_int_equal(cps_pipe_read(pipe, &last, 1, NULL), end);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(w.rc, 0);
}

static void every_byte_comes_through_in_order(void **state)
{
	(void)state;
	run(STREAM_BYTES, 0);
	run(1, 0);
	run(0, 0);
}

static void a_stream_that_broke_off_is_no_end(void **state)
{
	(void)state;
	run(STREAM_BYTES, -EIO);
	run(0, -EBADMSG);
}

static void *stop_later(void *ctx)
{
	const struct timespec while_it_waits = {.tv_nsec = 50000000};
	uint8_t buf[100];

	assert_int_equal(cps_pipe_read(ctx, buf, sizeof(buf), NULL), sizeof(buf));
	nanosleep(&while_it_waits, NULL);
	cps_pipe_stop(ctx);
	return NULL;
}

static void a_reader_that_stops_frees_a_waiting_writer(void **state)
{
	cps_auto(cps_pipe_free) struct cps_pipe *pipe = cps_pipe_new();
	struct writer w = {.pipe = pipe, .total = STREAM_BYTES};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_later, pipe), 0);
	write_stream(&w);
	assert_int_equal(w.rc, -EPIPE);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_comes_through_in_order),
		cmocka_unit_test(a_stream_that_broke_off_is_no_end),
		cmocka_unit_test(a_reader_that_stops_frees_a_waiting_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
