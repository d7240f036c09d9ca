#include "store/pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Small enough to stay in the cache that both cores share, large enough that neither
 * side waits for the other's every step. */
#define SLOT_BYTES (256u << 10)
#define SLOTS      8u

struct slot {
	size_t len;
	uint8_t data[SLOT_BYTES];
};

struct cps_pipe {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int head, tail; /* under lock: slots written and read, ever growing */
	bool ended, stopped;     /* under lock */
	int rc;                  /* under lock: how the writer ended */
	size_t fill;             /* writer only: bytes in the slot at head */
	size_t at;               /* reader only: bytes taken of the slot at tail */
	struct slot slots[SLOTS];
};

struct cps_pipe *cps_pipe_new(void)
{
	struct cps_pipe *pipe = malloc(sizeof(*pipe));

	if (!pipe)
		return NULL;
	memset(pipe, 0, offsetof(struct cps_pipe, slots));
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_cond_init(&pipe->changed, NULL);
	return pipe;
}

void cps_pipe_free(struct cps_pipe *pipe)
{
	if (!pipe)
		return;
	pthread_mutex_destroy(&pipe->lock);
	pthread_cond_destroy(&pipe->changed);
	free(pipe);
}

/* Hand the slot being filled to the reader. */
static void push_slot(struct cps_pipe *pipe)
{
	pipe->slots[pipe->head % SLOTS].len = pipe->fill;
	pipe->fill = 0;
	pthread_mutex_lock(&pipe->lock);
	pipe->head++;
	pthread_cond_broadcast(&pipe->changed);
	pthread_mutex_unlock(&pipe->lock);
}

static bool wait_for_room(struct cps_pipe *pipe)
{
	bool stopped;

	pthread_mutex_lock(&pipe->lock);
	while (!pipe->stopped && pipe->head - pipe->tail == SLOTS)
		pthread_cond_wait(&pipe->changed, &pipe->lock);
	stopped = pipe->stopped;
	pthread_mutex_unlock(&pipe->lock);
	return !stopped;
}

int cps_pipe_write(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	struct cps_pipe *pipe = ctx;
	const uint8_t *from = data;

	while (len) {
		size_t n = SLOT_BYTES - pipe->fill;

		if (pipe->fill == 0 && !wait_for_room(pipe))
			return cps_err_set(err, -EPIPE, "the reader stopped");
		if (n > len)
			n = len;
		memcpy(pipe->slots[pipe->head % SLOTS].data + pipe->fill, from, n);
		pipe->fill += n;
		from += n;
		len -= n;
		if (pipe->fill == SLOT_BYTES)
			push_slot(pipe);
	}
	return 0;
}

void cps_pipe_end(struct cps_pipe *pipe, int rc)
{
	if (pipe->fill)
		push_slot(pipe);
	pthread_mutex_lock(&pipe->lock);
	pipe->ended = true;
	pipe->rc = rc;
	pthread_cond_broadcast(&pipe->changed);
	pthread_mutex_unlock(&pipe->lock);
}

/* 1 when a slot is there, 0 at the end, or how the writer failed. */
static int wait_for_slot(struct cps_pipe *pipe)
{
	int rc = 1;

	pthread_mutex_lock(&pipe->lock);
	while (!pipe->ended && pipe->head == pipe->tail)
		pthread_cond_wait(&pipe->changed, &pipe->lock);
	if (pipe->head == pipe->tail)
		rc = pipe->rc;
	pthread_mutex_unlock(&pipe->lock);
	return rc;
}

static void pop_slot(struct cps_pipe *pipe)
{
	pipe->at = 0;
	pthread_mutex_lock(&pipe->lock);
	pipe->tail++;
	pthread_cond_broadcast(&pipe->changed);
	pthread_mutex_unlock(&pipe->lock);
}

ssize_t cps_pipe_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct cps_pipe *pipe = ctx;
	struct slot *slot;
	int rc = 1;

	if (pipe->at == 0)
		rc = wait_for_slot(pipe);
	if (rc < 0)
		return cps_err_set(err, rc, "the stream broke off");
	if (rc == 0)
		return 0;
	slot = &pipe->slots[pipe->tail % SLOTS];
	if (len > slot->len - pipe->at)
		len = slot->len - pipe->at;
	memcpy(buf, slot->data + pipe->at, len);
	pipe->at += len;
	if (pipe->at == slot->len)
		pop_slot(pipe);
	return (ssize_t)len;
}

void cps_pipe_stop(struct cps_pipe *pipe)
{
	pthread_mutex_lock(&pipe->lock);
	pipe->stopped = true;
	pthread_cond_broadcast(&pipe->changed);
	pthread_mutex_unlock(&pipe->lock);
}
