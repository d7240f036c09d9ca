/* The table of decoded spans: found by layer and number, dropped by last use. */
#include <string.h>

#include "store/content_internal.h"

/* Buffers come in multiples of this, so that a span can take over another's. */
#define BUFFER_STEP (256u << 10)

/* ---- all under the cache lock ---- */

static unsigned int bucket_of(const struct cps_content *c, uint32_t index)
{
	return (unsigned int)(((uintptr_t)c >> 6) * 31 + index * 2654435761u) %
	       CPS_SPAN_BUCKETS;
}

static struct cps_cached *find(struct cps_cache *cache, const struct cps_content *c,
			       uint32_t index)
{
	struct cps_cached *s = cache->buckets[bucket_of(c, index)];

	while (s && (s->content != c || s->index != index))
		s = s->chain;
	return s;
}

static void detach(struct cps_cache *cache, struct cps_cached *s)
{
	struct cps_cached **at = &cache->buckets[bucket_of(s->content, s->index)];

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	s->newer->older = s->older;
	s->older->newer = s->newer;
	cache->used -= s->room;
}

static void make_newest(struct cps_cache *cache, struct cps_cached *s)
{
	s->newer = &cache->newest;
	s->older = cache->newest.older;
	s->older->newer = s;
	cache->newest.older = s;
}

static void free_span(struct cps_cached *s)
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
	struct cps_cached *s = cache->newest.newer;
	uint8_t *buffer = NULL;

	while (s != &cache->newest && cache->used + need > cache->max_bytes) {
		struct cps_cached *next = s->newer;

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

static struct cps_cached *add(struct cps_content *c, uint32_t index)
{
	struct cps_cache *cache = c->cache;
	struct cps_cached *s = calloc(1, sizeof(*s));
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

struct cps_cached *cps_cached_take(struct cps_content *c, uint32_t index, bool peek)
{
	struct cps_cache *cache = c->cache;
	struct cps_cached *s;

	pthread_mutex_lock(&cache->lock);
	s = find(cache, c, index);
	if (s) {
		cache->stats.hits++;
		s->newer->older = s->older;
		s->older->newer = s->newer;
	} else if (!peek) {
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

void cps_cached_give_back(struct cps_cached *s)
{
	struct cps_cache *cache = s->content->cache;

	pthread_mutex_lock(&cache->lock);
	s->users--;
	pthread_mutex_unlock(&cache->lock);
}

void cps_cached_forget(struct cps_content *c)
{
	struct cps_cache *cache = c->cache;
	struct cps_cached *next;

	for (struct cps_cached *s = cache->newest.newer; s != &cache->newest;
	     s = next) {
		next = s->newer;
		if (s->content == c) {
			detach(cache, s);
			free_span(s);
		}
	}
}
