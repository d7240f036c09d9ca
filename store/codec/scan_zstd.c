#include <errno.h>

#include "store/codec/scan.h"

#define WINDOW_LOG_MAX 27
#define FRAME_SPAN_MIN (CPS_SPAN_BYTES / 2) /* small frames share a span */

struct cps_scan_zstd {
	ZSTD_DCtx *dctx;
	bool frame_start; /* the next byte begins a frame */
	uint8_t *out;     /* out_size bytes */
	size_t out_size;
};

int cps_scan_zstd_new(struct cps_scan *scan)
{
	struct cps_scan_zstd *z = calloc(1, sizeof(*z));

	scan->zstd = z;
	if (!z)
		return -ENOMEM;
	z->frame_start = true;
	z->out_size = ZSTD_DStreamOutSize();
	z->out = malloc(z->out_size);
	z->dctx = ZSTD_createDCtx();
	if (!z->out || !z->dctx)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(z->dctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return 0;
}

/* A frame begins: a span, unless the one before is short yet. */
static int frame_begins(struct cps_scan *scan, struct cps_err *err)
{
	struct cps_spans *s = &scan->spans;

	scan->zstd->frame_start = false;
	if (scan->in_used > 0 && !s->transcoding && cps_spans_since(s) < FRAME_SPAN_MIN)
		return 0;
	return cps_spans_begin(s, CPS_SPAN_ZSTD_FRAME, scan->in_used * 8, scan->in_used,
			       err);
}

int cps_scan_zstd_feed(struct cps_scan *scan, const uint8_t *data, size_t len,
		       struct cps_err *err)
{
	struct cps_scan_zstd *z = scan->zstd;
	ZSTD_inBuffer in = {.src = data, .size = len};
	ZSTD_outBuffer out = {.dst = z->out, .size = z->out_size};
	int rc = 0;

	/* A full output buffer may leave more inside the decoder. */
	while (rc == 0 && (in.pos < in.size || out.pos == out.size)) {
		size_t before = in.pos, left;

		if (z->frame_start && in.pos == in.size)
			break;
		if (z->frame_start)
			rc = frame_begins(scan, err);
		if (rc < 0)
			break;
		out.pos = 0;
		left = ZSTD_decompressStream(z->dctx, &out, &in);
		if (ZSTD_isError(left))
			return cps_err_set(err, -EBADMSG, "zstd: %s",
					   ZSTD_getErrorName(left));
		z->frame_start = left == 0;
		scan->in_used += in.pos - before;
		rc = cps_scan_emit(scan, z->out, out.pos, err);
	}
	return rc;
}

int cps_scan_zstd_finish(struct cps_scan *scan, struct cps_err *err)
{
	if (scan->zstd->frame_start && scan->in_used > 0)
		return 0;
	return cps_err_set(err, -EBADMSG, "zstd stream is cut short");
}

void cps_scan_zstd_free(struct cps_scan_zstd *z)
{
	if (!z)
		return;
	ZSTD_freeDCtx(z->dctx);
	free(z->out);
	free(z);
}
