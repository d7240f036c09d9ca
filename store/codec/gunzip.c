#include <errno.h>
#include <string.h>

#include "store/base/le.h"
#include "store/codec/inflate.h"

/* RFC 1952. Each phase eats bytes until it hands over to the next. */
enum phase {
	PHASE_FIXED, /* the ten bytes every header starts with */
	PHASE_EXTRA_LEN,
	PHASE_EXTRA,
	PHASE_NAME,
	PHASE_COMMENT,
	PHASE_HCRC,
	PHASE_BODY,
	PHASE_TRAILER,
	PHASE_GAP,     /* behind a member: the end, a member, or padding */
	PHASE_PADDING, /* nothing but zeros from here */
};

enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16 };

#define FIXED_LEN   10
#define TRAILER_LEN 8

struct cps_gunzip {
	struct cps_inflate *inflate;
	enum phase phase;
	uint8_t bytes[FIXED_LEN]; /* of the field being collected */
	size_t have;              /* bytes collected, or passed in EXTRA */
	uint8_t flags;
	uint16_t extra_len;
	uint32_t header_crc;
	uint32_t crc;  /* of the member's output so far */
	uint32_t size; /* of the member's output so far, mod 2^32 */
	bool crc_known;
};

int cps_gunzip_new(bool force_zlib, struct cps_gunzip **out)
{
	cps_auto(cps_gunzip_free) struct cps_gunzip *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	rc = cps_inflate_new(force_zlib, &g->inflate);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(g);
	return 0;
}

static void enter(struct cps_gunzip *g, enum phase phase)
{
	g->phase = phase;
	g->have = 0;
}

int cps_gunzip_restart(struct cps_gunzip *g, unsigned int nbits, unsigned int bits,
		       const uint8_t *win, size_t win_len)
{
	enter(g, PHASE_BODY);
	g->crc_known = false;
	return cps_inflate_restart(g->inflate, nbits, bits, win, win_len);
}

/* The next part of the header that the flags announce, behind `done`. */
static void next_field(struct cps_gunzip *g, enum phase done)
{
	if (done < PHASE_EXTRA_LEN && g->flags & FLAG_EXTRA) {
		enter(g, PHASE_EXTRA_LEN);
	} else if (done < PHASE_NAME && g->flags & FLAG_NAME) {
		enter(g, PHASE_NAME);
	} else if (done < PHASE_COMMENT && g->flags & FLAG_COMMENT) {
		enter(g, PHASE_COMMENT);
	} else if (done < PHASE_HCRC && g->flags & FLAG_HCRC) {
		enter(g, PHASE_HCRC);
	} else {
		enter(g, PHASE_BODY);
		cps_inflate_reset(g->inflate);
		g->crc = 0;
		g->size = 0;
		g->crc_known = true;
	}
}

static const char *check_fixed(struct cps_gunzip *g)
{
	if (g->bytes[0] != 0x1f || g->bytes[1] != 0x8b)
		return "not a gzip header";
	if (g->bytes[2] != 8)
		return "unknown gzip method";
	if (g->bytes[3] & 0xe0)
		return "unknown gzip flags";
	g->flags = g->bytes[3];
	return NULL;
}

/* One byte of a header. NULL, or what is wrong. */
static const char *header_byte(struct cps_gunzip *g, uint8_t byte)
{
	const char *bad = NULL;
	bool text = g->phase == PHASE_NAME || g->phase == PHASE_COMMENT;

	if (g->phase == PHASE_FIXED && g->have == 0)
		g->header_crc = 0;
	if (g->phase != PHASE_HCRC)
		g->header_crc = cps_crc32(g->header_crc, &byte, 1);
	if (!text && g->phase != PHASE_EXTRA)
		g->bytes[g->have] = byte;
	g->have++;
	if (g->phase == PHASE_FIXED && g->have == FIXED_LEN) {
		bad = check_fixed(g);
		next_field(g, PHASE_FIXED);
	} else if (g->phase == PHASE_EXTRA_LEN && g->have == 2) {
		g->extra_len = cps_le16(g->bytes);
		enter(g, PHASE_EXTRA);
		if (g->extra_len == 0)
			next_field(g, PHASE_EXTRA);
	} else if (g->phase == PHASE_EXTRA && g->have == g->extra_len) {
		next_field(g, PHASE_EXTRA);
	} else if (text && byte == 0) {
		next_field(g, g->phase);
	} else if (g->phase == PHASE_HCRC && g->have == 2) {
		if (cps_le16(g->bytes) != (g->header_crc & 0xffff))
			bad = "gzip header checksum differs";
		next_field(g, PHASE_HCRC);
	}
	return bad;
}

static const char *trailer_byte(struct cps_gunzip *g, uint8_t byte)
{
	g->bytes[g->have++] = byte;
	if (g->have < TRAILER_LEN)
		return NULL;
	enter(g, PHASE_GAP);
	if (g->crc_known && cps_le32(g->bytes) != g->crc)
		return "gzip checksum differs";
	if (g->crc_known && cps_le32(g->bytes + 4) != g->size)
		return "gzip size differs";
	return NULL;
}

static int run_body(struct cps_gunzip *g, struct cps_io *io)
{
	uint8_t *from = io->out;
	uint8_t rest[8];
	size_t n;
	int rc = cps_inflate_run(g->inflate, io);

	if (rc < 0)
		return rc;
	n = (size_t)(io->out - from);
	if (g->crc_known)
		g->crc = cps_crc32(g->crc, from, n);
	g->size += (uint32_t)n;
	if (rc == 0)
		return 0;
	enter(g, PHASE_TRAILER);
	n = cps_inflate_leftover(g->inflate, rest);
	for (size_t i = 0; i < n; i++) {
		if (trailer_byte(g, rest[i]))
			return -EBADMSG;
	}
	return 1;
}

/* Take one byte in a phase other than the body. */
static const char *other_byte(struct cps_gunzip *g, uint8_t byte)
{
	switch (g->phase) {
	case PHASE_TRAILER:
		return trailer_byte(g, byte);
	case PHASE_GAP:
	case PHASE_PADDING:
		g->phase = PHASE_PADDING;
		return byte ? "garbage behind the gzip stream" : NULL;
	default:
		return header_byte(g, byte);
	}
}

int cps_gunzip_run(struct cps_gunzip *g, struct cps_io *io, const char **why)
{
	while (g->phase != PHASE_BODY && io->in_len > 0) {
		if (g->phase == PHASE_GAP && *io->in == 0x1f) {
			enter(g, PHASE_FIXED);
			return 0;
		}
		*why = other_byte(g, *io->in);
		if (*why)
			return -EBADMSG;
		io->in++;
		io->in_len--;
	}
	if (g->phase == PHASE_BODY) {
		int rc = run_body(g, io);

		if (rc < 0)
			*why = g->phase == PHASE_BODY ? "damaged deflate stream"
						      : "gzip checksum differs";
		return rc < 0 ? rc : 0;
	}
	return 0;
}

bool cps_gunzip_at_member(const struct cps_gunzip *g)
{
	return g->phase == PHASE_FIXED && g->have == 0;
}

bool cps_gunzip_at_end(const struct cps_gunzip *g)
{
	return g->phase == PHASE_GAP || g->phase == PHASE_PADDING;
}

const struct cps_inflate *cps_gunzip_body(const struct cps_gunzip *g)
{
	return g->phase == PHASE_BODY ? g->inflate : NULL;
}

void cps_gunzip_free(struct cps_gunzip *g)
{
	if (!g)
		return;
	cps_inflate_free(g->inflate);
	free(g);
}
