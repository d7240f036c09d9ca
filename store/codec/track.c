#include <string.h>

#include "store/codec/inflate.h"

/* A deflate decoder that produces nothing but positions: it follows lengths and
 * distances for one window's worth of output. Behind that nothing can refer to the
 * window any more, so what it finds is exact. */

#define MAX_BITS  15
#define FAST_BITS 10
#define LIT_MAX   288
#define DIST_MAX  32
#define END_BLOCK 256

struct bits {
	const uint8_t *in;
	size_t len; /* bytes */
	size_t at;  /* next byte */
	uint64_t buf;
	unsigned int have; /* bits in buf */
	bool short_;       /* more was asked for than there is */
};

/* A canonical code: a table for short codes, counts for the rest. */
struct code {
	uint16_t fast[1 << FAST_BITS]; /* symbol << 4 | length, 0 when longer */
	uint16_t count[MAX_BITS + 1];
	uint16_t symbol[LIT_MAX];
};

struct track {
	struct bits b;
	struct code lit, dist;
	size_t out; /* bytes produced since the point */
	uint8_t *used;
};

static void fill(struct bits *b)
{
	while (b->have <= 56 && b->at < b->len) {
		b->buf |= (uint64_t)b->in[b->at++] << b->have;
		b->have += 8;
	}
}

static unsigned int take(struct bits *b, unsigned int n)
{
	unsigned int v;

	if (b->have < n)
		fill(b);
	if (b->have < n) {
		b->short_ = true;
		return 0;
	}
	v = (unsigned int)(b->buf & ((1ull << n) - 1));
	b->buf >>= n;
	b->have -= n;
	return v;
}

static unsigned int reversed(unsigned int code, unsigned int len)
{
	unsigned int r = 0;

	for (unsigned int i = 0; i < len; i++)
		r |= (code >> i & 1) << (len - 1 - i);
	return r;
}

static void fill_fast(struct code *c, const uint8_t *lens, size_t n)
{
	uint16_t next[MAX_BITS + 1] = {0};

	memset(c->fast, 0, sizeof(c->fast));
	for (unsigned int len = 1; len < MAX_BITS; len++)
		next[len + 1] = (uint16_t)((next[len] + c->count[len]) << 1);
	for (size_t sym = 0; sym < n; sym++) {
		unsigned int len = lens[sym];

		if (len == 0 || len > FAST_BITS)
			continue;
		for (unsigned int i = reversed(next[len]++, len); i < 1u << FAST_BITS;
		     i += 1u << len)
			c->fast[i] = (uint16_t)(sym << 4 | len);
	}
}

/* False when the lengths are no prefix code (more codes than bits can tell apart). */
static bool build(struct code *c, const uint8_t *lens, size_t n)
{
	uint16_t offs[MAX_BITS + 1];
	int left = 1;

	memset(c->count, 0, sizeof(c->count));
	for (size_t i = 0; i < n; i++)
		c->count[lens[i]]++;
	c->count[0] = 0;
	offs[0] = offs[1] = 0;
	for (unsigned int len = 1; len <= MAX_BITS; len++) {
		left = (left << 1) - c->count[len];
		if (left < 0)
			return false;
		if (len < MAX_BITS)
			offs[len + 1] = (uint16_t)(offs[len] + c->count[len]);
	}
	for (size_t i = 0; i < n; i++) {
		if (lens[i])
			c->symbol[offs[lens[i]]++] = (uint16_t)i;
	}
	fill_fast(c, lens, n);
	return true;
}

/* A symbol, or -1. */
static int decode(struct bits *b, const struct code *c)
{
	int code = 0, first = 0, index = 0;
	uint16_t hit;

	if (b->have < MAX_BITS)
		fill(b);
	hit = c->fast[b->buf & ((1u << FAST_BITS) - 1)];
	if (hit && (hit & 15u) <= b->have) {
		b->buf >>= hit & 15;
		b->have -= hit & 15;
		return hit >> 4;
	}
	for (unsigned int len = 1; len <= MAX_BITS && len <= b->have; len++) {
		code |= (int)(b->buf >> (len - 1) & 1);
		if (code - c->count[len] < first) {
			b->buf >>= len;
			b->have -= len;
			return c->symbol[index + (code - first)];
		}
		index += c->count[len];
		first = (first + c->count[len]) << 1;
		code <<= 1;
	}
	b->short_ = true;
	return -1;
}

static bool fixed_codes(struct track *t)
{
	uint8_t lens[LIT_MAX];

	memset(lens, 8, 144);
	memset(lens + 144, 9, 112);
	memset(lens + 256, 7, 24);
	memset(lens + 280, 8, 8);
	if (!build(&t->lit, lens, LIT_MAX))
		return false;
	memset(lens, 5, DIST_MAX);
	return build(&t->dist, lens, DIST_MAX);
}

/* Read the code lengths of a dynamic block, coded by `t->lit`. */
static bool read_lengths(struct track *t, uint8_t *lens, size_t n)
{
	size_t i = 0;

	while (i < n) {
		int sym = decode(&t->b, &t->lit);
		unsigned int times = 1;
		uint8_t value = 0;

		if (sym < 0 || (sym == 16 && i == 0))
			return false;
		if (sym < 16)
			value = (uint8_t)sym;
		else if (sym == 16)
			value = lens[i - 1], times = 3 + take(&t->b, 2);
		else
			times = sym == 17 ? 3 + take(&t->b, 3) : 11 + take(&t->b, 7);
		if (times > n - i)
			return false;
		memset(lens + i, value, times);
		i += times;
	}
	return !t->b.short_;
}

static bool dynamic_codes(struct track *t)
{
	static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					  11, 4,  12, 3, 13, 2, 14, 1, 15};
	uint8_t lens[LIT_MAX + DIST_MAX] = {0};
	unsigned int nlit = take(&t->b, 5) + 257;
	unsigned int ndist = take(&t->b, 5) + 1;
	unsigned int ncode = take(&t->b, 4) + 4;

	if (nlit > LIT_MAX)
		return false;
	for (unsigned int i = 0; i < ncode; i++)
		lens[order[i]] = (uint8_t)take(&t->b, 3);
	if (!build(&t->lit, lens, 19))
		return false;
	memset(lens, 0, sizeof(lens));
	return read_lengths(t, lens, nlit + ndist) && build(&t->lit, lens, nlit) &&
	       build(&t->dist, lens + nlit, ndist);
}

/* A copy of `len` bytes from `dist` before: flag those that lie in the window. */
static void mark(struct track *t, size_t len, size_t dist)
{
	size_t from;

	if (dist > t->out && dist <= CPS_WINDOW_BYTES + t->out) {
		from = CPS_WINDOW_BYTES + t->out - dist;
		if (len > CPS_WINDOW_BYTES - from)
			len = CPS_WINDOW_BYTES - from;
		memset(t->used + from, 1, len);
	}
}

static bool coded_block(struct track *t)
{
	static const uint16_t len_base[29] = {
		3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
		31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
	static const uint8_t len_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
					      1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
					      4, 4, 4, 4, 5, 5, 5, 5, 0};
	static const uint16_t dist_base[30] = {
		1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
		33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

	while (t->out < CPS_WINDOW_BYTES) {
		int sym = decode(&t->b, &t->lit);
		size_t len;

		if (sym < 0 || sym == END_BLOCK)
			return sym == END_BLOCK;
		if (sym < END_BLOCK) {
			t->out++;
			continue;
		}
		sym -= 257;
		if (sym >= 29)
			return false;
		len = len_base[sym] + take(&t->b, len_extra[sym]);
		sym = decode(&t->b, &t->dist);
		if (sym < 0 || sym >= 30)
			return false;
		mark(t, len, dist_base[sym] + take(&t->b, sym < 4 ? 0 : sym / 2 - 1));
		t->out += len;
	}
	return true;
}

static bool stored_block(struct track *t)
{
	unsigned int len;

	take(&t->b, t->b.have % 8);
	len = take(&t->b, 16);
	take(&t->b, 16);
	t->out += len;
	if (t->out >= CPS_WINDOW_BYTES)
		return !t->b.short_;
	/* Whole bytes in the bit buffer are given back before the jump. */
	t->b.at -= t->b.have / 8;
	t->b.buf = 0;
	t->b.have = 0;
	if (len > t->b.len - t->b.at)
		return false;
	t->b.at += len;
	return true;
}

bool cps_track_window(const uint8_t *in, size_t len, unsigned int bit, uint8_t *used)
{
	struct track t = {.b = {.in = in, .len = len}, .used = used};
	bool last = false, ok = true;

	take(&t.b, bit);
	while (ok && !last && !t.b.short_ && t.out < CPS_WINDOW_BYTES) {
		unsigned int type;

		last = take(&t.b, 1);
		type = take(&t.b, 2);
		if (type == 0)
			ok = stored_block(&t);
		else
			ok = type != 3 &&
			     (type == 1 ? fixed_codes(&t) : dynamic_codes(&t)) &&
			     coded_block(&t);
	}
	return ok && !t.b.short_;
}
