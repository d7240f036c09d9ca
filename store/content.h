#ifndef CPS_CONTENT_H
#define CPS_CONTENT_H

#include "store/blob.h"
#include "store/dirlayer.h"
#include "store/seek.h"

/* Bytes of layers by uncompressed offset. All layers of a mount share one bounded cache
 * of decoded spans; a span is decoded only as far as somebody asked, by a live cursor
 * that is kept with it, so a sequential read inflates each byte once. Sequential access
 * makes a worker decode the next span ahead. */

#define CPS_CACHE_DEFAULT (64u << 20) /* bytes of decoded spans */

struct cps_cache;

/** workers  threads that prefetch; 0 = none */
int cps_cache_new(size_t max_bytes, unsigned int workers, struct cps_cache **out,
		  struct cps_err *err);
/** For contents that are opened from here on: keep in the store what was asked for, for
 *  later mounts (store/kept.h). */
void cps_cache_keep(struct cps_cache *cache, uint64_t max_bytes);
/** Every content must be closed before. */
void cps_cache_free(struct cps_cache *cache);
CPS_AUTO_DEFINE(struct cps_cache, cps_cache_free)

/** One layer's content. Safe from any thread. */
struct cps_content;

/** blob   taken (its fd is moved in, also on failure)
 *  seek   taken, NULL for an uncompressed blob
 *  cache  borrowed */
int cps_content_open(struct cps_cache *cache, struct cps_blob *blob,
		     struct cps_seek *seek, struct cps_content **out,
		     struct cps_err *err);
/** The same of a folder. dir  borrowed, must outlive the content */
int cps_content_open_dir(struct cps_cache *cache, struct cps_dirlayer *dir,
			 struct cps_content **out, struct cps_err *err);
void cps_content_close(struct cps_content *content);
CPS_AUTO_DEFINE(struct cps_content, cps_content_close)

enum cps_read_flags {
	/* Answer only from memory: -EAGAIN when a disk or a decoder would be waited
	   for. */
	CPS_READ_NOWAIT = 1,
};

/** Exactly `len` bytes at uncompressed offset `off`, or 0 < n < len at the end of the
 *  blob, 0 beyond; -EAGAIN (NOWAIT only); -EIO after a log line for a damaged blob. */
ssize_t cps_content_pread(struct cps_content *content, void *buf, size_t len,
			  uint64_t off, unsigned int flags);

/** The blob when its bytes are the content (uncompressed), for splice and pread by the
 *  caller; NULL when it must be decoded, or is a folder's. */
const struct cps_blob *cps_content_plain(const struct cps_content *content);

struct cps_cache_stats {
	uint64_t hits, misses, decoded_bytes, prefetched_spans;
	size_t used_bytes;
};

void cps_cache_stats(struct cps_cache *cache, struct cps_cache_stats *out);

#endif
