/* Spans decoded as far as somebody asked, and ahead of who reads in order. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/base/log.h"
#include "store/content_internal.h"

/* What was read before an error is right and may be in use, so a new cursor passes
 * over it and leaves it alone. */
static int resume(struct cps_cached *s, uint32_t ready)
{
	const struct cps_content *c = s->content;
	cps_auto(cps_free) uint8_t *again = malloc(CPS_CHECK_BYTES);
	int rc = again ? cps_cursor_open(c->seek, &c->blob, s->index, &s->cursor)
		       : -ENOMEM;

	while (rc == 0 && ready > 0) {
		uint32_t n = ready < CPS_CHECK_BYTES ? ready : CPS_CHECK_BYTES;

		rc = cps_cursor_read(s->cursor, again, n);
		ready -= n;
	}
	return rc;
}

static int complain(struct cps_cached *s, int rc)
{
	const struct cps_content *c = s->content;
	char digest[CPS_DIGEST_TEXT_LEN];

	cps_log(CPS_LOG_ERROR, "layer %s: span %u cannot be decoded: %s",
		cps_digest_text(cps_seek_digest(c->seek), digest), s->index,
		rc == -EBADMSG ? "its bytes are damaged" : strerror(-rc));
	if (rc == -EBADMSG) {
		s->damaged = true;
		cps_seek_distrust(c->seek, s->index);
	}
	return -EIO;
}

/* A page fault costs as much as decoding some kilobytes: have the pages at once. */
static void have_pages(uint8_t *data, uint32_t from, uint32_t upto)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)(data + from) / page * page;
	uintptr_t end = (uintptr_t)(data + upto);

	/* Older kernels cannot; then they come one by one. */
	(void)madvise((void *)start, end - start, MADV_POPULATE_WRITE);
}

static int decode_locked(struct cps_cached *s, uint32_t upto)
{
	struct cps_content *c = s->content;
	uint32_t ready = atomic_load_explicit(&s->ready, memory_order_relaxed);
	int rc = 0;

	if (ready >= upto)
		return 0;
	if (s->damaged)
		return -EIO;
	if (!s->cursor)
		rc = resume(s, ready);
	have_pages(s->data, ready, upto);
	if (rc == 0)
		rc = cps_cursor_read(s->cursor, s->data + ready, upto - ready);
	if (rc < 0) {
		cps_cursor_close(CPS_TAKE(s->cursor));
		return complain(s, rc);
	}
	atomic_store_explicit(&s->ready, upto, memory_order_release);
	if (upto == s->len)
		cps_cursor_close(CPS_TAKE(s->cursor));
	pthread_mutex_lock(&c->cache->lock);
	c->cache->stats.decoded_bytes += upto - ready;
	pthread_mutex_unlock(&c->cache->lock);
	return 0;
}

/* Nobody sees a byte before its checksum was compared. */
static uint32_t checked_end(const struct cps_cached *s, uint32_t upto)
{
	uint32_t over = upto % CPS_CHECK_BYTES;
	uint32_t more = over ? CPS_CHECK_BYTES - over : 0;

	return more < s->len - upto ? upto + more : s->len;
}

int cps_cached_decode(struct cps_cached *s, uint32_t upto)
{
	int rc;

	if (cps_cached_is_ready(s, upto))
		return 0;
	pthread_mutex_lock(&s->decode);
	rc = decode_locked(s, checked_end(s, upto));
	pthread_mutex_unlock(&s->decode);
	return rc;
}

/* ---- decoding ahead ---- */

static void enqueue(struct cps_content *c, uint32_t span)
{
	struct cps_cache *cache = c->cache;

	if (!cache->workers || span >= cps_seek_span_count(c->seek) ||
	    (c->kept && cps_kept_has(c->kept, span, 0, UINT32_MAX)))
		return;
	pthread_mutex_lock(&cache->lock);
	for (unsigned int i = 0; i < cache->queued; i++)
		if (cache->queue[i].content == c && cache->queue[i].span == span)
			goto out;
	if (cache->queued < CPS_QUEUE_MAX) {
		cache->queue[cache->queued++] = (struct cps_job){c, span};
		pthread_cond_signal(&cache->work);
	}
out:
	pthread_mutex_unlock(&cache->lock);
}

void cps_cached_look_ahead(struct cps_content *c, const struct cps_cached *s)
{
	if (!cps_cached_is_ready(s, s->len))
		enqueue(c, s->index);
	if (atomic_exchange(&c->last, s->index) != s->index)
		enqueue(c, s->index + 1);
}

/* ---- keeping ---- */

void cps_cached_keep(struct cps_content *c, const struct cps_cached *s, uint32_t off,
		     uint32_t len)
{
	struct cps_cache *cache = c->cache;
	struct cps_keep keep = {c, s->index, off - off % CPS_CHECK_BYTES,
				checked_end(s, off + len)};
	struct cps_keep *last;

	if (!c->kept || !cache->workers ||
	    cps_kept_has(c->kept, s->index, keep.from, keep.to))
		return;
	pthread_mutex_lock(&cache->lock);
	last = cache->keep_count ? &cache->keeps[cache->keep_count - 1] : &keep;
	if (last->content == c && last->span == keep.span && last->to == keep.from) {
		last->to = keep.to;
	} else if (cache->keep_count < CPS_KEEPS_MAX) {
		cache->keeps[cache->keep_count++] = keep;
		pthread_cond_signal(&cache->work);
	}
	pthread_mutex_unlock(&cache->lock);
}

static void keep_now(const struct cps_keep *keep)
{
	struct cps_content *c = keep->content;
	struct cps_cached *s = cps_cached_take(c, keep->span, true);

	if (!s)
		return;
	if (cps_cached_is_ready(s, keep->to))
		cps_kept_add(c->kept, s->index, keep->from, keep->to,
			     s->data + keep->from);
	cps_cached_give_back(s);
}

static void decode_now(const struct cps_job *job)
{
	struct cps_cached *s = cps_cached_take(job->content, job->span, false);

	if (!s)
		return;
	cps_cached_decode(s, s->len);
	cps_cached_give_back(s);
}

/* ---- both, by a thread of their own; under the cache lock but for the work ---- */

static void decode_next(struct cps_cache *cache)
{
	struct cps_job job = cache->queue[0];

	memmove(cache->queue, cache->queue + 1, --cache->queued * sizeof(job));
	job.content->active++;
	pthread_mutex_unlock(&cache->lock);
	decode_now(&job);
	pthread_mutex_lock(&cache->lock);
	cache->stats.prefetched_spans++;
	job.content->active--;
	pthread_cond_broadcast(&cache->idle);
}

static void keep_next(struct cps_cache *cache, unsigned int i)
{
	struct cps_keep keep = cache->keeps[i];

	memmove(cache->keeps + i, cache->keeps + i + 1,
		(--cache->keep_count - i) * sizeof(keep));
	keep.content->active++;
	pthread_mutex_unlock(&cache->lock);
	keep_now(&keep);
	pthread_mutex_lock(&cache->lock);
	keep.content->active--;
	pthread_cond_broadcast(&cache->idle);
}

void *cps_cache_worker(void *ctx)
{
	struct cps_cache *cache = ctx;

	pthread_mutex_lock(&cache->lock);
	while (!cache->stop) {
		if (cache->queued)
			decode_next(cache);
		else if (cache->keep_count)
			keep_next(cache, 0);
		else
			pthread_cond_wait(&cache->work, &cache->lock);
	}
	pthread_mutex_unlock(&cache->lock);
	return NULL;
}

void cps_cached_settle(struct cps_content *c)
{
	struct cps_cache *cache = c->cache;
	unsigned int left = 0, i = 0;

	for (unsigned int j = 0; j < cache->queued; j++)
		if (cache->queue[j].content != c)
			cache->queue[left++] = cache->queue[j];
	cache->queued = left;
	while (i < cache->keep_count)
		if (cache->keeps[i].content == c) {
			keep_next(cache, i);
			i = 0; /* others took some away meanwhile */
		} else {
			i++;
		}
	while (c->active)
		pthread_cond_wait(&cache->idle, &cache->lock);
}
