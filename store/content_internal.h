#ifndef CPS_CONTENT_INTERNAL_H
#define CPS_CONTENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/content.h"
#include "store/kept.h"

#define CPS_QUEUE_MAX    8u    /* spans that wait to be decoded ahead */
#define CPS_KEEPS_MAX    64u   /* parts that wait to be kept; more are not kept */
#define CPS_SPAN_BUCKETS 1024u /* of the table of decoded spans */

/** One span of one layer. Lives while it is in the table or somebody uses it. */
struct cps_cached {
	struct cps_cached *chain;         /* of its bucket; under cache lock */
	struct cps_cached *newer, *older; /* by last use; under cache lock */
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

/** A span to be decoded ahead. */
struct cps_job {
	struct cps_content *content;
	uint32_t span;
};

/** What was asked for, and will be again by a later mount: whole pieces. */
struct cps_keep {
	struct cps_content *content;
	uint32_t span, from, to;
};

struct cps_cache {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	size_t max_bytes, used;
	uint64_t keep_bytes; /* 0: nothing is kept between mounts */
	struct cps_cached *buckets[CPS_SPAN_BUCKETS];
	struct cps_cached newest; /* head of the list by last use */
	struct cps_job queue[CPS_QUEUE_MAX];
	unsigned int queued;
	struct cps_keep keeps[CPS_KEEPS_MAX]; /* done when nothing is queued */
	unsigned int keep_count;
	bool stop;
	unsigned int workers;
	pthread_t *threads;
	struct cps_cache_stats stats;
};

struct cps_content {
	struct cps_cache *cache;
	struct cps_blob blob;
	struct cps_seek *seek;
	struct cps_dirlayer *dir;  /* borrowed; NULL: the blob */
	struct cps_kept *kept;     /* NULL: nothing is kept */
	_Atomic uint64_t expected; /* where a reader in order goes on */
	atomic_uint last;          /* span read last */
	unsigned int active;       /* workers inside; under cache lock */
};

/** A use of the span. peek  only when it is there; else it is made.
 *  NULL: not there, or no memory. */
struct cps_cached *cps_cached_take(struct cps_content *c, uint32_t index, bool peek);
void cps_cached_give_back(struct cps_cached *s);
/** Drop every span of a content that nobody uses any more. */
void cps_cached_forget(struct cps_content *c);

/** May the first `upto` bytes be read at once? */
static inline bool cps_cached_is_ready(const struct cps_cached *s, uint32_t upto)
{
	return atomic_load_explicit(&s->ready, memory_order_acquire) >= upto;
}

/** Decode the first `upto` bytes. 0; -EIO after a log line; -errno. */
int cps_cached_decode(struct cps_cached *s, uint32_t upto);

/** Somebody reads in order, and is at `s`: finish it and begin the next before they are
 *  asked for. */
void cps_cached_look_ahead(struct cps_content *c, const struct cps_cached *s);
/** These bytes were asked for: keep them when there is time. */
void cps_cached_keep(struct cps_content *c, const struct cps_cached *s, uint32_t off,
		     uint32_t len);
/** Keep now what waits to be, and decode no more ahead. Under the cache lock, which is
 *  released meanwhile. */
void cps_cached_settle(struct cps_content *c);
/** The thread that decodes ahead; `ctx` is the cache. */
void *cps_cache_worker(void *ctx);

#endif
