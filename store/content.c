/* Layers' bytes through one bounded cache of decoded spans. */
#include "store/content.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "store/base/log.h"
#include "store/content_internal.h"

#define ORDER_SLACK (64u << 10) /* bytes left out by a reader that reads in order */

/* ---- life ---- */

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
	       pthread_create(&cache->threads[cache->workers], NULL, cps_cache_worker,
			      cache) == 0)
		cache->workers++;
	*out = cache;
	return 0;
}

void cps_cache_keep(struct cps_cache *cache, uint64_t max_bytes)
{
	cache->keep_bytes = max_bytes;
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
	atomic_store(&c->last, UINT32_MAX);
	blob->fd = -1;
	/* What cannot be kept is decoded again. */
	if (seek && cache->keep_bytes)
		(void)cps_kept_open(seek, cache->keep_bytes, &c->kept);
	*out = c;
	return 0;
}

int cps_content_open_dir(struct cps_cache *cache, struct cps_dirlayer *dir,
			 struct cps_content **out, struct cps_err *err)
{
	struct cps_blob none = CPS_BLOB_INIT;
	int rc = cps_content_open(cache, &none, NULL, out, err);

	if (rc == 0)
		(*out)->dir = dir;
	return rc;
}

void cps_content_close(struct cps_content *c)
{
	struct cps_cache *cache;

	if (!c)
		return;
	cache = c->cache;
	pthread_mutex_lock(&cache->lock);
	cps_cached_settle(c);
	cps_cached_forget(c);
	pthread_mutex_unlock(&cache->lock);
	cps_kept_close(c->kept);
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
		/* Whoever comes again hears what is wrong, and the log too. */
		if (n >= 0 || errno != EOPNOTSUPP)
			return -EAGAIN;
	}
	n = cps_blob_pread(&c->blob, buf, len, off);
	if (n == (ssize_t)len)
		return n;
	cps_log(CPS_LOG_ERROR, "an uncompressed layer: byte %llu cannot be read: %s",
		(unsigned long long)(off + (n < 0 ? 0 : (uint64_t)n)),
		n < 0 ? strerror((int)-n) : "its file has become shorter");
	return -EIO;
}

/* Does this read go on where the one before ended, but for the headers and small files
 * between? */
static bool in_order(const struct cps_content *c, uint64_t off)
{
	uint64_t expected = atomic_load(&c->expected);

	return off <= expected + ORDER_SLACK && off + ORDER_SLACK >= expected;
}

/** A read inside one span. */
struct span_read {
	uint32_t index, off, len; /* bytes, from the span's start */
	bool nowait;
	bool in_order; /* with those before it */
};

static ssize_t copy_out(struct cps_content *c, const struct cps_cached *s,
			const struct span_read *r, void *buf)
{
	memcpy(buf, s->data + r->off, r->len);
	if (r->in_order)
		cps_cached_look_ahead(c, s);
	cps_cached_keep(c, s, r->off, r->len);
	return r->len;
}

/* -ENOENT: it must be decoded. */
static ssize_t read_ready(struct cps_content *c, const struct span_read *r, void *buf)
{
	struct cps_cached *s = cps_cached_take(c, r->index, true);
	ssize_t n = -ENOENT;

	if (s && cps_cached_is_ready(s, r->off + r->len))
		n = copy_out(c, s, r, buf);
	if (s)
		cps_cached_give_back(s);
	if (n == -ENOENT && c->kept)
		n = cps_kept_read(c->kept, r->index, r->off, buf, r->len, r->nowait);
	return n;
}

static ssize_t read_decoding(struct cps_content *c, const struct span_read *r,
			     void *buf)
{
	struct cps_cached *s = cps_cached_take(c, r->index, false);
	ssize_t n;

	if (!s)
		return -ENOMEM;
	n = cps_cached_decode(s, r->off + r->len);
	if (n == 0)
		n = copy_out(c, s, r, buf);
	cps_cached_give_back(s);
	return n;
}

static ssize_t read_span(struct cps_content *c, void *buf, size_t len, uint64_t off,
			 unsigned int flags, bool ordered)
{
	struct span_read r = {
		.index = cps_seek_find(c->seek, off),
		.nowait = flags & CPS_READ_NOWAIT,
		.in_order = ordered,
	};
	uint64_t start;
	uint32_t span_len;
	ssize_t n;

	cps_seek_span(c->seek, r.index, &start, &span_len);
	r.off = (uint32_t)(off - start);
	r.len = len < span_len - r.off ? (uint32_t)len : span_len - r.off;
	n = read_ready(c, &r, buf);
	if (n != -ENOENT)
		return n;
	return r.nowait ? -EAGAIN : read_decoding(c, &r, buf);
}

ssize_t cps_content_pread(struct cps_content *c, void *buf, size_t len, uint64_t off,
			  unsigned int flags)
{
	size_t done = 0;
	uint64_t size;
	bool ordered;

	if (c->dir)
		return flags & CPS_READ_NOWAIT
			       ? -EAGAIN
			       : cps_dirlayer_pread(c->dir, buf, len, off);
	if (!c->seek)
		return read_plain(c, buf, len, off, flags);
	size = cps_seek_size(c->seek);
	if (off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	ordered = in_order(c, off);
	while (done < len) {
		ssize_t n = read_span(c, (uint8_t *)buf + done, len - done, off + done,
				      flags, ordered);

		if (n < 0)
			return n;
		done += (size_t)n;
	}
	/* Not after an attempt that is made again. */
	atomic_store(&c->expected, off + len);
	return (ssize_t)done;
}

const struct cps_blob *cps_content_plain(const struct cps_content *c)
{
	return c->seek || c->dir ? NULL : &c->blob;
}

void cps_cache_stats(struct cps_cache *cache, struct cps_cache_stats *out)
{
	pthread_mutex_lock(&cache->lock);
	*out = cache->stats;
	out->used_bytes = cache->used;
	pthread_mutex_unlock(&cache->lock);
}
