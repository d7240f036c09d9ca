#ifndef CPS_CODEC_SPANS_H
#define CPS_CODEC_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>
#include <zstd.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/codec/inflate.h"
#include "store/section.h"
#include "store/seek.h"
#include "store/store.h"

/* Spans: runs of output, each with the place where decoding it starts. They lie one
 * behind the other and cover all output. */

enum cps_span_kind {
	CPS_SPAN_GZIP_MEMBER, /* starts with a gzip header */
	CPS_SPAN_GZIP_BLOCK,  /* starts with a deflate block, and has a window */
	CPS_SPAN_ZSTD_FRAME,  /* starts with a zstd frame */
	CPS_SPAN_TRANSCODED,  /* one zstd frame in the transcoded file */
	CPS_SPAN_KINDS,
};

struct cps_span {
	uint64_t out;         /* first byte of output */
	uint64_t in_bit;      /* where decoding starts */
	uint64_t win_off;     /* in the windows section */
	uint32_t win_len;     /* bytes; 0 = no window */
	uint32_t out_len;     /* bytes of output */
	uint32_t in_len;      /* bytes that decoding needs at most */
	uint32_t first_check; /* number of its first checksum */
	enum cps_span_kind kind;
};

/* The seek file. A span's record is {u64 out; u64 in_bit; u32 out_len; u32 in_len;
 * u64 win_off:40|win_len:24; u32 first_check; u8 kind; u8 pad[3]}. A window is {u16
 * first}, the first byte that is used, and a zstd frame of the bytes from there on with
 * those that are not used as zeros. CHECKS holds a u32 for each CPS_CHECK_BYTES of a
 * span's output, and one for what is left over at its end. INFO is {u64 output size,
 * u64 blob size, u64 size of the transcoded file or 0}. */
#define CPS_SECTION_INFO    CPS_FOURCC('I', 'N', 'F', 'O')
#define CPS_SECTION_POINTS  CPS_FOURCC('P', 'N', 'T', 'S')
#define CPS_SECTION_WINDOWS CPS_FOURCC('W', 'N', 'D', 'S')
#define CPS_SECTION_CHECKS  CPS_FOURCC('C', 'H', 'K', 'S')
#define CPS_CHECK_SIZE      4
#define CPS_INFO_SIZE       24
#define CPS_POINT_SIZE      40
#define CPS_WINDOW_MAX      (40u << 10) /* bytes of a stored window */

void cps_span_store(uint8_t to[CPS_POINT_SIZE], const struct cps_span *span);
void cps_span_load(const uint8_t from[CPS_POINT_SIZE], struct cps_span *span);

/** A checksum, from a running hash over the output. */
static inline uint32_t cps_span_check(const XXH3_state_t *hash)
{
	return (uint32_t)XXH3_64bits_digest(hash);
}

/** How many of them a span has. */
static inline uint32_t cps_span_checks(uint32_t out_len)
{
	return out_len / CPS_CHECK_BYTES + (out_len % CPS_CHECK_BYTES != 0);
}

/** Records the spans of a running decode. Output that would make a span longer than
 *  `max_bytes` goes into the transcoded file until somebody begins another span. */
struct cps_spans {
	struct cps_span *items; /* owned */
	size_t count, cap;
	struct cps_buf windows;
	uint64_t out;       /* bytes of output so far */
	uint32_t max_bytes; /* of a span in the blob */
	bool open;          /* the last item is growing */
	struct cps_buf checks;
	XXH3_state_t *hash; /* of the output that has no checksum yet */
	uint32_t hashed;    /* bytes of that, below CPS_CHECK_BYTES */
	ZSTD_CCtx *cctx;

	bool transcoding;
	uint64_t transcoding_from;     /* output offset where that began */
	const struct cps_store *store; /* borrowed; NULL: transcoded bytes are lost */
	struct cps_tmp tmp;            /* the transcoded file, opened on first use */
	uint64_t tmp_size;             /* bytes */
	uint8_t *frame;                /* CPS_FRAME_BYTES, then the compressed frame */
	size_t frame_len;              /* bytes collected */
};

/** 0 or -ENOMEM. cps_spans_release() in any case. */
int cps_spans_init(struct cps_spans *s, const struct cps_store *store,
		   uint32_t max_bytes);
/** Output from here on is decoded from `in_bit`. `in_used`: input bytes taken so far,
 *  all of which the span before may need. */
int cps_spans_begin(struct cps_spans *s, enum cps_span_kind kind, uint64_t in_bit,
		    uint64_t in_used, struct cps_err *err);
/** The decoder produced `len` bytes. */
int cps_spans_output(struct cps_spans *s, const void *data, size_t len,
		     uint64_t in_used, struct cps_err *err);
/** Bytes of output since the last span began, or since transcoding did. */
uint64_t cps_spans_since(const struct cps_spans *s);
/** Store the window of item `i`. used  NULL: all of it */
int cps_spans_window(struct cps_spans *s, size_t i, const uint8_t *window,
		     const uint8_t *used);
/** No more output. */
int cps_spans_end(struct cps_spans *s, uint64_t in_used, struct cps_err *err);
/** The seek file's bytes. `out` must be empty. */
int cps_spans_format(struct cps_spans *s, const struct cps_digest *blob_digest,
		     uint64_t blob_size, struct cps_buf *out, struct cps_err *err);
void cps_spans_release(struct cps_spans *s);

#endif
