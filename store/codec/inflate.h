#ifndef CPS_CODEC_INFLATE_H
#define CPS_CODEC_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/mem.h"

#define CPS_WINDOW_BYTES (32u << 10) /* how far deflate can refer back */
/* A decoder holds back fewer input bytes than this at a block boundary. */
#define CPS_INFLATE_HELD 512

/** Where a decoder reads and writes; each call moves the pointers. */
struct cps_io {
	const uint8_t *in;
	size_t in_len; /* bytes */
	uint8_t *out;
	size_t out_len; /* bytes */
};

/** A raw deflate stream, decoded by libisal or by zlib. */
struct cps_inflate;

/** 0 or -ENOMEM. force_zlib  leave libisal out, if it is there at all */
int cps_inflate_new(bool force_zlib, struct cps_inflate **out);
/** Start anew at the beginning of a stream. */
void cps_inflate_reset(struct cps_inflate *f);
/** Start at a block boundary inside a stream.
 *  nbits, bits  the 0 to 7 bits left of the byte the boundary falls into
 *  win          the bytes produced before, at most CPS_WINDOW_BYTES */
int cps_inflate_restart(struct cps_inflate *f, unsigned int nbits, unsigned int bits,
			const uint8_t *win, size_t win_len);
/** Decode until input or output run out or the stream ends.
 *  Returns 0; 1 at the end of the stream; -EBADMSG; -ENOMEM. */
int cps_inflate_run(struct cps_inflate *f, struct cps_io *io);
/** Did the last call stop exactly where a block begins, with all output out? `back`
 *  gets the number of bits from there to the end of the input taken so far. */
bool cps_inflate_boundary(const struct cps_inflate *f, unsigned int *back);
/** How many input bytes to give next when a boundary is looked for; `wanted` at
 *  least for a decoder that stops at each anyway. */
size_t cps_inflate_step(const struct cps_inflate *f, size_t step, size_t wanted);
/** Bytes behind the end of the stream that the decoder took. Returns their number. */
size_t cps_inflate_leftover(const struct cps_inflate *f, uint8_t out[8]);
void cps_inflate_free(struct cps_inflate *f);
CPS_AUTO_DEFINE(struct cps_inflate, cps_inflate_free)

/** The gzip checksum. */
uint32_t cps_crc32(uint32_t crc, const void *data, size_t len);

/** A gzip file: members one behind the other, then zeros at most. */
struct cps_gunzip;

int cps_gunzip_new(bool force_zlib, struct cps_gunzip **out);
/** As cps_inflate_restart(); the checksum of that member is then not compared. */
int cps_gunzip_restart(struct cps_gunzip *g, unsigned int nbits, unsigned int bits,
		       const uint8_t *win, size_t win_len);
/** Decode until input or output run out, or the next byte begins another member.
 *  0; -EBADMSG with `*why` set; -ENOMEM. */
int cps_gunzip_run(struct cps_gunzip *g, struct cps_io *io, const char **why);
/** Is the next input byte the first of a member? */
bool cps_gunzip_at_member(const struct cps_gunzip *g);
/** May the input end here? */
bool cps_gunzip_at_end(const struct cps_gunzip *g);
/** The deflate decoder while inside a member's body, else NULL. */
const struct cps_inflate *cps_gunzip_body(const struct cps_gunzip *g);
void cps_gunzip_free(struct cps_gunzip *g);
CPS_AUTO_DEFINE(struct cps_gunzip, cps_gunzip_free)

/** Find which bytes of the window the deflate stream from bit `bit` of `in` refers to.
 *  used  CPS_WINDOW_BYTES flags, the last is the byte just before the point; only set
 *        to 1, never cleared
 *  Returns true when everything that can refer to the window was seen. */
bool cps_track_window(const uint8_t *in, size_t len, unsigned int bit, uint8_t *used);

#endif
