#ifndef CPS_SEEK_H
#define CPS_SEEK_H

#include <stdbool.h>

#include "store/blob.h"
#include "store/codec.h"
#include "store/tar.h" /* cps_write_fn */

/* Restart points of a compressed blob: made in the one pass over it (a scan), kept in
 * seek/sha256/<blob digest>, used to decode any part without the rest.
 *
 * A gzip blob gets a point about every CPS_SPAN_BYTES of output, each with only those
 * of the 32 KiB window's bytes that later output refers to. A zstd blob's points are
 * its frames; when it has too few (the common single frame), the scan transcodes it
 * into frames of CPS_FRAME_BYTES in a file of its own (span/), and so for gzip streams
 * whose deflate blocks leave more than CPS_SPAN_MAX between points. */

#define CPS_SPAN_BYTES  (1u << 20) /* wanted distance of gzip points, output bytes */
#define CPS_SPAN_MAX    (8u << 20) /* largest span, output bytes: bounds every decode */
#define CPS_FRAME_BYTES (256u << 10) /* output bytes of a transcoded frame */
#define CPS_CHECK_BYTES (64u << 10)  /* output bytes behind one checksum */

struct cps_scan;

struct cps_scan_opts {
	enum cps_codec codec; /* NONE passes through, GZIP, ZSTD */
	cps_write_fn sink;    /* takes the uncompressed bytes, in order */
	void *sink_ctx;
	uint64_t max_output;           /* bytes; more is -EFBIG; 0 = no limit */
	const struct cps_store *store; /* where a transcoded file is made */
	bool force_zlib;               /* tests: leave libisal out */
};

int cps_scan_new(const struct cps_scan_opts *opts, struct cps_scan **out,
		 struct cps_err *err);
/** Take the next compressed bytes. 0; -EBADMSG malformed; the sink's own error. */
int cps_scan_feed(struct cps_scan *scan, const void *data, size_t len,
		  struct cps_err *err);
/** All bytes were fed. -EBADMSG when the stream is cut short. */
int cps_scan_finish(struct cps_scan *scan, struct cps_err *err);
/** Publish seek/<digest> (and span/<digest>) for the blob just scanned. Nothing to do
 *  for an uncompressed one. Call after the blob's digest is known to be right. */
int cps_scan_publish(struct cps_scan *scan, const struct cps_digest *blob_digest,
		     uint64_t blob_size, struct cps_err *err);
uint64_t cps_scan_output_size(const struct cps_scan *scan);
void cps_scan_free(struct cps_scan *scan);
CPS_AUTO_DEFINE(struct cps_scan, cps_scan_free)

/** An open seek table; read-only, safe from any thread. Every field of the file is
 *  checked before use: a cache file is hostile input. */
struct cps_seek;

/** store  borrowed, must outlive the table
 *  -ENOENT no table yet; -EBADMSG damaged, of another blob or of another version (the
 *  caller drops it and scans again). */
int cps_seek_open(const struct cps_store *store, const struct cps_digest *blob_digest,
		  struct cps_seek **out, struct cps_err *err);
/** Of the blob; zeros for a table from memory. */
const struct cps_digest *cps_seek_digest(const struct cps_seek *seek);
/** Span `i` turned out to be damaged. If it is one of the transcoded file, which is
 *  derived, that file is dropped, and the next open makes it anew. */
void cps_seek_distrust(const struct cps_seek *seek, uint32_t i);
/** From bytes in memory (tests, fuzzing); `data` is borrowed. A table that needs a
 *  transcoded file is -EBADMSG here. */
int cps_seek_open_mem(const void *data, size_t len, struct cps_seek **out,
		      struct cps_err *err);
/** Check every section's checksum (fsck). */
int cps_seek_verify(const struct cps_seek *seek, struct cps_err *err);
void cps_seek_close(struct cps_seek *seek);
CPS_AUTO_DEFINE(struct cps_seek, cps_seek_close)

/** Uncompressed bytes of the whole blob. */
uint64_t cps_seek_size(const struct cps_seek *seek);
uint32_t cps_seek_span_count(const struct cps_seek *seek);
/** The span that holds output offset `off` (< cps_seek_size()). */
uint32_t cps_seek_find(const struct cps_seek *seek, uint64_t off);
/** Start and length of a span in output bytes; length <= CPS_SPAN_MAX. */
void cps_seek_span(const struct cps_seek *seek, uint32_t span, uint64_t *off,
		   uint32_t *len);

/** A live decoder inside one span: produces its bytes in order, as far as asked. */
struct cps_cursor;

/** seek and blob are borrowed and must outlive the cursor. */
int cps_cursor_open(const struct cps_seek *seek, const struct cps_blob *blob,
		    uint32_t span, struct cps_cursor **out);
/** Exactly `len` more bytes. 0; -EBADMSG damaged blob or table; -errno from reading.
 *  Of each CPS_CHECK_BYTES of the span, and of what is left over at its end, a checksum
 *  is compared when its last byte is produced: bytes after the last such place are not
 *  to be given out yet. */
int cps_cursor_read(struct cps_cursor *cursor, void *buf, size_t len);
void cps_cursor_close(struct cps_cursor *cursor);
CPS_AUTO_DEFINE(struct cps_cursor, cps_cursor_close)

#endif
