#include <errno.h>
#include <string.h>

#include "store/codec/scan.h"

#define OUT_BYTES       (256u << 10) /* room behind the window */
#define FEED_BYTES      (64u << 10)  /* input per decoder call, in passing */
#define STEP_BYTES      32u          /* the same while a block's begin is looked for */
#define CAPTURE_MAX     (256u << 10) /* input kept to see what refers to a window */
#define MEMBER_SPAN_MIN (CPS_SPAN_BYTES / 2) /* a member is a span without a window */

struct cps_scan_gzip {
	struct cps_gunzip *gunzip;
	uint8_t *out;  /* the last window, then what was produced since */
	size_t filled; /* bytes in out */

	uint8_t recent[CPS_INFLATE_HELD]; /* the last input bytes */

	/* The newest point's window, until it is known which bytes of it matter. */
	bool pending;
	size_t pending_span;
	unsigned int pending_bit;
	uint8_t window[CPS_WINDOW_BYTES];
	struct cps_buf capture; /* input from the point on */
};

int cps_scan_gzip_new(struct cps_scan *scan)
{
	struct cps_scan_gzip *g = calloc(1, sizeof(*g));

	scan->gzip = g;
	if (!g)
		return -ENOMEM;
	g->out = calloc(1, CPS_WINDOW_BYTES + OUT_BYTES);
	g->filled = CPS_WINDOW_BYTES;
	if (!g->out)
		return -ENOMEM;
	return cps_gunzip_new(scan->opts.force_zlib, &g->gunzip);
}

static void remember_input(struct cps_scan_gzip *g, const uint8_t *data, size_t len)
{
	size_t size = sizeof(g->recent);

	if (len >= size) {
		memcpy(g->recent, data + len - size, size);
		return;
	}
	memmove(g->recent, g->recent + len, size - len);
	memcpy(g->recent + size - len, data, len);
}

/* Store the pending window; without a complete view of its users, all of it. */
static int settle_window(struct cps_scan *scan, struct cps_err *err)
{
	struct cps_scan_gzip *g = scan->gzip;
	uint8_t used[CPS_WINDOW_BYTES] = {0};
	bool known;
	int rc;

	if (!g->pending)
		return 0;
	g->pending = false;
	known = cps_track_window(g->capture.data, g->capture.len, g->pending_bit, used);
	rc = cps_spans_window(&scan->spans, g->pending_span, g->window,
			      known ? used : NULL);
	g->capture.len = 0;
	return rc < 0 ? cps_err_nomem(err) : 0;
}

/* Input was taken: keep what may be needed of it. */
static int note_input(struct cps_scan *scan, const uint8_t *data, size_t len,
		      struct cps_err *err)
{
	struct cps_scan_gzip *g = scan->gzip;

	scan->in_used += len;
	remember_input(g, data, len);
	if (g->pending && len > 0 && cps_buf_append(&g->capture, data, len) < 0)
		return cps_err_nomem(err);
	return 0;
}

static int begin_block_span(struct cps_scan *scan, unsigned int back,
			    struct cps_err *err)
{
	struct cps_scan_gzip *g = scan->gzip;
	uint64_t in_bit = scan->in_used * 8 - back;
	size_t held = (back + 7) / 8;
	int rc = settle_window(scan, err);

	if (rc == 0)
		rc = cps_spans_begin(&scan->spans, CPS_SPAN_GZIP_BLOCK, in_bit,
				     scan->in_used, err);
	if (rc < 0)
		return rc;
	memcpy(g->window, g->out + g->filled - CPS_WINDOW_BYTES, CPS_WINDOW_BYTES);
	g->pending = true;
	g->pending_span = scan->spans.count - 1;
	g->pending_bit = in_bit % 8;
	if (held > 0 &&
	    cps_buf_append(&g->capture, g->recent + sizeof(g->recent) - held, held) < 0)
		return cps_err_nomem(err);
	return 0;
}

static bool wants_point(const struct cps_scan *scan)
{
	return scan->spans.transcoding ||
	       cps_spans_since(&scan->spans) >= CPS_SPAN_BYTES;
}

/* After a decoder call: does a span begin here, is a window's fate known? */
static int look_around(struct cps_scan *scan, struct cps_err *err)
{
	struct cps_scan_gzip *g = scan->gzip;
	const struct cps_inflate *body = cps_gunzip_body(g->gunzip);
	unsigned int back;
	int rc = 0;

	if (g->pending && (!body || cps_spans_since(&scan->spans) >= CPS_WINDOW_BYTES ||
			   g->capture.len > CAPTURE_MAX))
		rc = settle_window(scan, err);
	if (rc == 0 && body && wants_point(scan) && cps_inflate_boundary(body, &back) &&
	    back < 8 * CPS_INFLATE_HELD && scan->in_used * 8 >= back)
		rc = begin_block_span(scan, back, err);
	return rc;
}

static int begin_member_span(struct cps_scan *scan, struct cps_err *err)
{
	struct cps_spans *s = &scan->spans;

	if (!cps_gunzip_at_member(scan->gzip->gunzip))
		return 0;
	if (s->count > 0 && !s->transcoding && cps_spans_since(s) < MEMBER_SPAN_MIN)
		return 0;
	return cps_spans_begin(s, CPS_SPAN_GZIP_MEMBER, scan->in_used * 8,
			       scan->in_used, err);
}

/* How much to feed: little while a point is wanted, and more again the longer none
 * comes, lest a blob of one giant block costs its size in calls. */
static size_t feed_size(const struct cps_scan *scan)
{
	const struct cps_inflate *body = cps_gunzip_body(scan->gzip->gunzip);
	uint64_t since = cps_spans_since(&scan->spans);
	uint64_t late;

	if (!body || !wants_point(scan))
		return FEED_BYTES;
	late = scan->spans.transcoding ? since >> 20 : 0;
	return cps_inflate_step(body, STEP_BYTES << (late < 11 ? late : 11),
				FEED_BYTES);
}

static void slide_window(struct cps_scan_gzip *g)
{
	memmove(g->out, g->out + g->filled - CPS_WINDOW_BYTES, CPS_WINDOW_BYTES);
	g->filled = CPS_WINDOW_BYTES;
}

/* One decoder call over at most `len` bytes. `*full`: it may have more output. */
static int decode_some(struct cps_scan *scan, const uint8_t *data, size_t *len,
		       bool *full, struct cps_err *err)
{
	struct cps_scan_gzip *g = scan->gzip;
	const char *why = NULL;
	struct cps_io io;
	size_t from;
	int rc;

	if (g->filled == CPS_WINDOW_BYTES + OUT_BYTES)
		slide_window(g);
	from = g->filled;
	io = (struct cps_io){
		.in = data,
		.in_len = *len,
		.out = g->out + from,
		.out_len = CPS_WINDOW_BYTES + OUT_BYTES - from,
	};
	rc = begin_member_span(scan, err);
	if (rc < 0)
		return rc;
	rc = cps_gunzip_run(g->gunzip, &io, &why);
	if (rc < 0)
		return cps_err_set(err, rc, "gzip: %s", why ? why : "no memory");
	*len -= io.in_len;
	*full = io.out_len == 0;
	g->filled = CPS_WINDOW_BYTES + OUT_BYTES - io.out_len;
	rc = note_input(scan, data, *len, err);
	if (rc == 0)
		rc = cps_scan_emit(scan, g->out + from, g->filled - from, err);
	return rc < 0 ? rc : look_around(scan, err);
}

int cps_scan_gzip_feed(struct cps_scan *scan, const uint8_t *data, size_t len,
		       struct cps_err *err)
{
	bool full = false;
	int rc = 0;

	while (rc == 0 && len > 0) {
		size_t step = feed_size(scan);
		const uint8_t *end;

		if (step > len)
			step = len;
		end = data + step;
		do {
			size_t n = (size_t)(end - data);

			rc = decode_some(scan, data, &n, &full, err);
			if (rc == 0)
				data += n;
		} while (rc == 0 && (data < end || full));
		len -= step;
	}
	return rc;
}

int cps_scan_gzip_finish(struct cps_scan *scan, struct cps_err *err)
{
	if (!cps_gunzip_at_end(scan->gzip->gunzip))
		return cps_err_set(err, -EBADMSG, "gzip stream is cut short");
	return settle_window(scan, err);
}

void cps_scan_gzip_free(struct cps_scan_gzip *g)
{
	if (!g)
		return;
	cps_gunzip_free(g->gunzip);
	cps_buf_release(&g->capture);
	free(g->out);
	free(g);
}
