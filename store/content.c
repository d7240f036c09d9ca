/* Layers' bytes through one bounded cache of decoded spans. */
#include "store/content.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "store/base/log.h"

#define QUEUE_MAX  8u
#define PASS_BYTES 16384u /* at a time, when known bytes are decoded again */
/* Buffers come in multiples of this, so that a span can take over another's. */
#define BUFFER_STEP (256u << 10)

/** One span of one layer. Lives while it is in the table or somebody uses it. */
struct span {
	struct span *chain;         /* of its bucket; under cache lock */
	struct span *newer, *older; /* by last use; under cache lock */
	struct cps_content *content;
	uint32_t index, len;
	size_t room;            /* bytes of data */
	unsigned int users;     /* under cache lock; never freed while in use */
	pthread_mutex_t decode; /* taken with a use held; never under the cache lock */
	struct cps_cursor *cursor; /* under decode; live while partly decoded */
	bool damaged;              /* under decode: its checksum or its blob is wrong */
	atomic_uint ready;         /* bytes that may be read, and are written no more */
	uint8_t *data;
};

struct job {
	struct cps_content *content;
	uint32_t span;
};

#define BUCKETS 1024u

struct cps_cache {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	size_t max_bytes, used;
	struct span *buckets[BUCKETS];
	struct span newest; /* head of the list by last use */
	struct job queue[QUEUE_MAX];
	unsigned int queued;
	bool stop;
	unsigned int workers;
	pthread_t *threads;
	struct cps_cache_stats stats;
};

struct cps_content {
	struct cps_cache *cache;
	struct cps_blob blob;
	struct cps_seek *seek;
	atomic_uint last;    /* span read last */
	unsigned int active; /* workers inside; under cache lock */
};

/* ---- the table, all under the cache lock ---- */

static unsigned int bucket_of(const struct cps_content *c, uint32_t index)
{
	return (unsigned int)(((uintptr_t)c >> 6) * 31 + index * 2654435761u) % BUCKETS;
}

static struct span *find(struct cps_cache *cache, const struct cps_content *c,
			 uint32_t index)
{
	struct span *s = cache->buckets[bucket_of(c, index)];

	while (s && (s->content != c || s->index != index))
		s = s->chain;
	return s;
}

static void detach(struct cps_cache *cache, struct span *s)
{
	struct span **at = &cache->buckets[bucket_of(s->content, s->index)];

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	s->newer->older = s->older;
	s->older->newer = s->newer;
	cache->used -= s->room;
}

static void make_newest(struct cps_cache *cache, struct span *s)
{
	s->newer = &cache->newest;
	s->older = cache->newest.older;
	s->older->newer = s;
	cache->newest.older = s;
}

static void free_span(struct span *s)
{
	cps_cursor_close(s->cursor);
	pthread_mutex_destroy(&s->decode);
	free(s->data);
	free(s);
}

/* Drop what was not used for longest. The pages of a buffer cost more than decoding a
 * tenth of it, so the first one that has the wanted size is given back. */
static uint8_t *make_room(struct cps_cache *cache, size_t need)
{
	struct span *s = cache->newest.newer;
	uint8_t *buffer = NULL;

	while (s != &cache->newest && cache->used + need > cache->max_bytes) {
		struct span *next = s->newer;

		if (s->users == 0) {
			detach(cache, s);
			if (!buffer && s->room == need)
				buffer = CPS_TAKE(s->data);
			free_span(s);
		}
		s = next;
	}
	return buffer;
}

static size_t buffer_size(uint32_t len)
{
	size_t steps = len ? ((size_t)len + BUFFER_STEP - 1) / BUFFER_STEP : 1;

	return steps * BUFFER_STEP;
}

static struct span *add(struct cps_content *c, uint32_t index)
{
	struct cps_cache *cache = c->cache;
	struct span *s = calloc(1, sizeof(*s));
	uint64_t off;

	if (!s)
		return NULL;
	cps_seek_span(c->seek, index, &off, &s->len);
	s->room = buffer_size(s->len);
	s->content = c;
	s->index = index;
	s->data = make_room(cache, s->room);
	if (!s->data)
		s->data = malloc(s->room);
	if (!s->data) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->decode, NULL);
	s->chain = cache->buckets[bucket_of(c, index)];
	cache->buckets[bucket_of(c, index)] = s;
	cache->used += s->room;
	return s;
}

/* A use of the span, made when it is not there. NULL on no memory. */
static struct span *take(struct cps_content *c, uint32_t index)
{
	struct cps_cache *cache = c->cache;
	struct span *s;

	pthread_mutex_lock(&cache->lock);
	s = find(cache, c, index);
	if (s) {
		cache->stats.hits++;
		s->newer->older = s->older;
		s->older->newer = s->newer;
	} else {
		cache->stats.misses++;
		s = add(c, index);
	}
	if (s) {
		make_newest(cache, s);
		s->users++;
	}
	pthread_mutex_unlock(&cache->lock);
	return s;
}

static void give_back(struct span *s)
{
	struct cps_cache *cache = s->content->cache;

	pthread_mutex_lock(&cache->lock);
	s->users--;
	pthread_mutex_unlock(&cache->lock);
}

/* ---- decoding ---- */

/* A new cursor, taken to where the old one failed: others may be reading what it has
 * produced, so nothing is written there again. */
static int open_cursor(struct span *s, uint32_t ready)
{
	struct cps_content *c = s->content;
	uint8_t known[PASS_BYTES];
	int rc = cps_cursor_open(c->seek, &c->blob, s->index, &s->cursor);

	for (uint32_t at = 0, n; rc == 0 && at < ready; at += n) {
		n = ready - at < sizeof(known) ? ready - at : (uint32_t)sizeof(known);
		rc = cps_cursor_read(s->cursor, known, n);
	}
	return rc;
}

static int fail(struct span *s, int rc)
{
	cps_log(CPS_LOG_ERROR, "span %u of a layer cannot be decoded: %s", s->index,
		strerror(-rc));
	cps_cursor_close(CPS_TAKE(s->cursor));
	if (rc == -EBADMSG) {
		s->damaged = true;
		atomic_store_explicit(&s->ready, 0, memory_order_release);
	}
	return -EIO;
}

static int decode_locked(struct span *s, uint32_t upto)
{
	struct cps_content *c = s->content;
	uint32_t ready = atomic_load_explicit(&s->ready, memory_order_relaxed);
	int rc = 0;

	if (ready >= upto)
		return 0;
	if (s->damaged)
		return -EIO;
	if (!s->cursor)
		rc = open_cursor(s, ready);
	if (rc == 0)
		rc = cps_cursor_read(s->cursor, s->data + ready, upto - ready);
	if (rc < 0)
		return fail(s, rc);
	atomic_store_explicit(&s->ready, upto, memory_order_release);
	if (upto == s->len)
		cps_cursor_close(CPS_TAKE(s->cursor));
	pthread_mutex_lock(&c->cache->lock);
	c->cache->stats.decoded_bytes += upto - ready;
	pthread_mutex_unlock(&c->cache->lock);
	return 0;
}

static int decode(struct span *s, uint32_t upto)
{
	int rc;

	if (atomic_load_explicit(&s->ready, memory_order_acquire) >= upto)
		return 0;
	pthread_mutex_lock(&s->decode);
	rc = decode_locked(s, upto);
	pthread_mutex_unlock(&s->decode);
	return rc;
}

/* ---- decoding ahead ---- */

static void enqueue(struct cps_content *c, uint32_t span)
{
	struct cps_cache *cache = c->cache;

	if (!cache->workers || span >= cps_seek_span_count(c->seek))
		return;
	pthread_mutex_lock(&cache->lock);
	for (unsigned int i = 0; i < cache->queued; i++)
		if (cache->queue[i].content == c && cache->queue[i].span == span)
			goto out;
	if (cache->queued < QUEUE_MAX) {
		cache->queue[cache->queued++] = (struct job){c, span};
		pthread_cond_signal(&cache->work);
	}
out:
	pthread_mutex_unlock(&cache->lock);
}

static void *worker(void *ctx)
{
	struct cps_cache *cache = ctx;

	pthread_mutex_lock(&cache->lock);
	while (!cache->stop) {
		struct job job;
		struct span *s;

		if (!cache->queued) {
			pthread_cond_wait(&cache->work, &cache->lock);
			continue;
		}
		job = cache->queue[0];
		memmove(cache->queue, cache->queue + 1, --cache->queued * sizeof(job));
		job.content->active++;
		pthread_mutex_unlock(&cache->lock);
		s = take(job.content, job.span);
		if (s) {
			decode(s, s->len);
			give_back(s);
		}
		pthread_mutex_lock(&cache->lock);
		cache->stats.prefetched_spans++;
		job.content->active--;
		pthread_cond_broadcast(&cache->idle);
	}
	pthread_mutex_unlock(&cache->lock);
	return NULL;
}

/* Reads in order: finish this span and begin the next before they are asked for. */
static void look_ahead(struct cps_content *c, const struct span *s)
{
	uint32_t last = atomic_exchange(&c->last, s->index);

	if (last != s->index && last + 1 != s->index)
		return;
	if (atomic_load_explicit(&s->ready, memory_order_relaxed) < s->len)
		enqueue(c, s->index);
	if (last != s->index)
		enqueue(c, s->index + 1);
}

/* ---- the public face ---- */

int cps_cache_new(size_t max_bytes, unsigned int workers, struct cps_cache **out,
		  struct cps_err *err)
{
	struct cps_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return cps_err_nomem(err);
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->work, NULL);
	pthread_cond_init(&cache->idle, NULL);
	cache->newest.newer = cache->newest.older = &cache->newest;
	cache->max_bytes = max_bytes;
	cache->threads = calloc(workers + 1, sizeof(*cache->threads));
	while (cache->threads && cache->workers < workers &&
	       pthread_create(&cache->threads[cache->workers], NULL, worker, cache) ==
		       0)
		cache->workers++;
	*out = cache;
	return 0;
}

void cps_cache_free(struct cps_cache *cache)
{
	if (!cache)
		return;
	pthread_mutex_lock(&cache->lock);
	cache->stop = true;
	pthread_cond_broadcast(&cache->work);
	pthread_mutex_unlock(&cache->lock);
	for (unsigned int i = 0; i < cache->workers; i++)
		pthread_join(cache->threads[i], NULL);
	free(cache->threads);
	pthread_mutex_destroy(&cache->lock);
	pthread_cond_destroy(&cache->work);
	pthread_cond_destroy(&cache->idle);
	free(cache);
}

int cps_content_open(struct cps_cache *cache, struct cps_blob *blob,
		     struct cps_seek *seek, struct cps_content **out,
		     struct cps_err *err)
{
	struct cps_content *c = calloc(1, sizeof(*c));

	if (!c) {
		cps_blob_close(blob);
		cps_seek_close(seek);
		return cps_err_nomem(err);
	}
	c->cache = cache;
	c->blob = *blob;
	c->seek = seek;
	atomic_store(&c->last, UINT32_MAX - 1);
	blob->fd = -1;
	*out = c;
	return 0;
}

static void forget_jobs(struct cps_cache *cache, const struct cps_content *c)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < cache->queued; i++)
		if (cache->queue[i].content != c)
			cache->queue[kept++] = cache->queue[i];
	cache->queued = kept;
}

void cps_content_close(struct cps_content *c)
{
	struct cps_cache *cache;

	if (!c)
		return;
	cache = c->cache;
	pthread_mutex_lock(&cache->lock);
	forget_jobs(cache, c);
	while (c->active)
		pthread_cond_wait(&cache->idle, &cache->lock);
	for (struct span *s = cache->newest.newer, *next; s != &cache->newest;
	     s = next) {
		next = s->newer;
		if (s->content == c) {
			detach(cache, s);
			free_span(s);
		}
	}
	pthread_mutex_unlock(&cache->lock);
	cps_seek_close(c->seek);
	cps_blob_close(&c->blob);
	free(c);
}

static ssize_t read_plain(struct cps_content *c, void *buf, size_t len, uint64_t off,
			  unsigned int flags)
{
	struct iovec iov = {buf, len};
	ssize_t n;

	if (off >= c->blob.size)
		return 0;
	if (len > c->blob.size - off)
		iov.iov_len = len = c->blob.size - off;
	if (flags & CPS_READ_NOWAIT) {
		n = preadv2(c->blob.fd, &iov, 1, (off_t)(c->blob.base + off),
			    RWF_NOWAIT);
		if (n == (ssize_t)len)
			return n;
		if (n >= 0 || errno == EAGAIN)
			return -EAGAIN;
		if (errno != EOPNOTSUPP)
			return -errno;
	}
	n = cps_blob_pread(&c->blob, buf, len, off);
	return n < 0 ? -EIO : n;
}

static ssize_t read_span(struct cps_content *c, void *buf, size_t len, uint64_t off,
			 unsigned int flags)
{
	uint32_t index = cps_seek_find(c->seek, off);
	struct span *s = take(c, index);
	uint64_t start;
	uint32_t span_len;
	ssize_t rc;

	if (!s)
		return -ENOMEM;
	cps_seek_span(c->seek, index, &start, &span_len);
	if (len > start + span_len - off)
		len = start + span_len - off;
	if ((flags & CPS_READ_NOWAIT) &&
	    atomic_load_explicit(&s->ready, memory_order_acquire) < off - start + len)
		rc = -EAGAIN;
	else
		rc = decode(s, (uint32_t)(off - start + len));
	if (rc == 0) {
		memcpy(buf, s->data + (off - start), len);
		look_ahead(c, s);
	}
	give_back(s);
	return rc < 0 ? rc : (ssize_t)len;
}

ssize_t cps_content_pread(struct cps_content *c, void *buf, size_t len, uint64_t off,
			  unsigned int flags)
{
	size_t done = 0;
	uint64_t size;

	if (!c->seek)
		return read_plain(c, buf, len, off, flags);
	size = cps_seek_size(c->seek);
	if (off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	while (done < len) {
		ssize_t n = read_span(c, (uint8_t *)buf + done, len - done, off + done,
				      flags);

		if (n < 0)
			return n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

const struct cps_blob *cps_content_plain(const struct cps_content *c)
{
	return c->seek ? NULL : &c->blob;
}

void cps_cache_stats(struct cps_cache *cache, struct cps_cache_stats *out)
{
	pthread_mutex_lock(&cache->lock);
	*out = cache->stats;
	out->used_bytes = cache->used;
	pthread_mutex_unlock(&cache->lock);
}
