#include "store/codec/spans.h"

#include <errno.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/base/le.h"

#define WINDOW_LEVEL 3
#define FRAME_LEVEL  1

void cps_span_store(uint8_t to[CPS_POINT_SIZE], const struct cps_span *span)
{
	memset(to, 0, CPS_POINT_SIZE);
	cps_put_le64(to, span->out);
	cps_put_le64(to + 8, span->in_bit);
	cps_put_le32(to + 16, span->out_len);
	cps_put_le32(to + 20, span->in_len);
	cps_put_le64(to + 24, span->win_off | (uint64_t)span->win_len << 40);
	cps_put_le32(to + 32, span->first_check);
	to[36] = (uint8_t)span->kind;
}

void cps_span_load(const uint8_t from[CPS_POINT_SIZE], struct cps_span *span)
{
	uint64_t win = cps_le64(from + 24);

	*span = (struct cps_span){
		.out = cps_le64(from),
		.in_bit = cps_le64(from + 8),
		.out_len = cps_le32(from + 16),
		.in_len = cps_le32(from + 20),
		.win_off = win & ((1ull << 40) - 1),
		.win_len = (uint32_t)(win >> 40),
		.first_check = cps_le32(from + 32),
		.kind = from[36],
	};
}

int cps_spans_init(struct cps_spans *s, const struct cps_store *store,
		   uint32_t max_bytes)
{
	*s = (struct cps_spans){
		.store = store,
		.max_bytes = max_bytes,
		.tmp = CPS_TMP_INIT,
		.hash = XXH3_createState(),
		.cctx = ZSTD_createCCtx(),
	};
	if (!s->hash || !s->cctx)
		return -ENOMEM;
	XXH3_64bits_reset(s->hash);
	return 0;
}

void cps_spans_release(struct cps_spans *s)
{
	free(s->items);
	cps_buf_release(&s->windows);
	cps_buf_release(&s->checks);
	XXH3_freeState(s->hash);
	ZSTD_freeCCtx(s->cctx);
	if (s->tmp.fd >= 0)
		cps_tmp_discard(&s->tmp);
	free(s->frame);
}

static int add_item(struct cps_spans *s, const struct cps_span *span,
		    struct cps_err *err)
{
	if (cps_grow(&s->items, &s->cap, s->count + 1, sizeof(*s->items)) < 0)
		return cps_err_nomem(err);
	s->items[s->count++] = *span;
	return 0;
}

static uint32_t check_count(const struct cps_spans *s)
{
	return (uint32_t)(s->checks.len / CPS_CHECK_SIZE);
}

/* What was hashed gets its checksum. */
static int end_check(struct cps_spans *s)
{
	uint8_t check[CPS_CHECK_SIZE];

	if (s->hashed == 0)
		return 0;
	cps_put_le32(check, cps_span_check(s->hash));
	XXH3_64bits_reset(s->hash);
	s->hashed = 0;
	return cps_buf_append(&s->checks, check, sizeof(check));
}

static int hash_output(struct cps_spans *s, const uint8_t *p, size_t len)
{
	int rc = 0;

	while (rc == 0 && len > 0) {
		size_t n = CPS_CHECK_BYTES - s->hashed;

		if (n > len)
			n = len;
		XXH3_64bits_update(s->hash, p, n);
		s->hashed += (uint32_t)n;
		p += n;
		len -= n;
		if (s->hashed == CPS_CHECK_BYTES)
			rc = end_check(s);
	}
	return rc;
}

/* The growing span ends here; one without output is dropped. */
static int close_item(struct cps_spans *s, uint64_t in_used, struct cps_err *err)
{
	struct cps_span *span;
	uint64_t in_len;

	if (!s->open)
		return 0;
	s->open = false;
	span = &s->items[s->count - 1];
	span->out_len = (uint32_t)(s->out - span->out);
	in_len = in_used - span->in_bit / 8;
	if (end_check(s) < 0)
		return cps_err_nomem(err);
	if (span->out_len == 0)
		s->count--;
	else if (in_len > UINT32_MAX)
		return cps_err_set(err, -EBADMSG,
				   "4 GiB of input for %u bytes of output",
				   span->out_len);
	span->in_len = (uint32_t)in_len;
	return 0;
}

static int open_tmp(struct cps_spans *s, struct cps_err *err)
{
	if (!s->frame)
		s->frame =
			malloc(CPS_FRAME_BYTES + ZSTD_COMPRESSBOUND(CPS_FRAME_BYTES));
	if (!s->frame)
		return cps_err_nomem(err);
	if (!s->store || s->tmp.fd >= 0)
		return 0;
	return cps_tmp_open(s->store, &s->tmp, err);
}

/* Write the collected frame, and its span. */
static int flush_frame(struct cps_spans *s, struct cps_err *err)
{
	uint8_t *packed = s->frame + CPS_FRAME_BYTES;
	struct cps_span span = {
		.out = s->out - s->frame_len,
		.in_bit = s->tmp_size * 8,
		.out_len = (uint32_t)s->frame_len,
		.first_check = check_count(s),
		.kind = CPS_SPAN_TRANSCODED,
	};
	size_t n;
	int rc;

	if (s->frame_len == 0)
		return 0;
	n = ZSTD_compressCCtx(s->cctx, packed, ZSTD_COMPRESSBOUND(CPS_FRAME_BYTES),
			      s->frame, s->frame_len, FRAME_LEVEL);
	if (ZSTD_isError(n))
		return cps_err_set(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(n));
	if (s->tmp.fd >= 0) {
		rc = cps_write_full(s->tmp.fd, packed, n);
		if (rc < 0)
			return cps_err_sys(err, rc,
					   "store '%s': write a transcoded frame",
					   cps_store_path(s->store));
	}
	span.in_len = (uint32_t)n;
	if (hash_output(s, s->frame, s->frame_len) < 0 || end_check(s) < 0)
		return cps_err_nomem(err);
	s->tmp_size += n;
	s->frame_len = 0;
	return add_item(s, &span, err);
}

static int transcode(struct cps_spans *s, const uint8_t *data, size_t len,
		     struct cps_err *err)
{
	int rc = 0;

	while (rc == 0 && len > 0) {
		size_t n = CPS_FRAME_BYTES - s->frame_len;

		if (n > len)
			n = len;
		memcpy(s->frame + s->frame_len, data, n);
		s->frame_len += n;
		s->out += n;
		data += n;
		len -= n;
		if (s->frame_len == CPS_FRAME_BYTES)
			rc = flush_frame(s, err);
	}
	return rc;
}

static int end_current(struct cps_spans *s, uint64_t in_used, struct cps_err *err)
{
	if (s->transcoding) {
		s->transcoding = false;
		return flush_frame(s, err);
	}
	return close_item(s, in_used, err);
}

int cps_spans_begin(struct cps_spans *s, enum cps_span_kind kind, uint64_t in_bit,
		    uint64_t in_used, struct cps_err *err)
{
	struct cps_span span = {.out = s->out, .in_bit = in_bit, .kind = kind};
	int rc = end_current(s, in_used, err);

	span.first_check = check_count(s);
	if (rc == 0)
		rc = add_item(s, &span, err);
	if (rc < 0)
		return rc;
	s->open = true;
	return 0;
}

int cps_spans_output(struct cps_spans *s, const void *data, size_t len,
		     uint64_t in_used, struct cps_err *err)
{
	const uint8_t *p = data;
	int rc;

	if (!s->transcoding) {
		uint64_t room = s->max_bytes - (s->out - s->items[s->count - 1].out);
		size_t n = len < room ? len : (size_t)room;

		if (hash_output(s, p, n) < 0)
			return cps_err_nomem(err);
		s->out += n;
		p += n;
		len -= n;
	}
	if (len == 0)
		return 0;
	if (!s->transcoding) {
		rc = close_item(s, in_used, err);
		if (rc == 0)
			rc = open_tmp(s, err);
		if (rc < 0)
			return rc;
		s->transcoding = true;
		s->transcoding_from = s->out;
	}
	return transcode(s, p, len, err);
}

uint64_t cps_spans_since(const struct cps_spans *s)
{
	if (s->transcoding)
		return s->out - s->transcoding_from;
	return s->count ? s->out - s->items[s->count - 1].out : 0;
}

int cps_spans_window(struct cps_spans *s, size_t i, const uint8_t *window,
		     const uint8_t *used)
{
	uint8_t kept[CPS_WINDOW_BYTES];
	uint8_t packed[CPS_WINDOW_MAX] = {0};
	size_t first = 0, n;
	int rc;

	for (size_t at = 0; at < CPS_WINDOW_BYTES; at++)
		kept[at] = !used || used[at] ? window[at] : 0;
	while (used && first < CPS_WINDOW_BYTES && !used[first])
		first++;
	if (first == CPS_WINDOW_BYTES)
		return 0;
	cps_put_le16(packed, (uint16_t)first);
	n = ZSTD_compressCCtx(s->cctx, packed + 2, sizeof(packed) - 2, kept + first,
			      CPS_WINDOW_BYTES - first, WINDOW_LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM;
	s->items[i].win_off = s->windows.len;
	s->items[i].win_len = (uint32_t)n + 2;
	rc = cps_buf_append(&s->windows, packed, n + 2);
	return rc;
}

int cps_spans_end(struct cps_spans *s, uint64_t in_used, struct cps_err *err)
{
	return end_current(s, in_used, err);
}

int cps_spans_format(struct cps_spans *s, const struct cps_digest *blob_digest,
		     uint64_t blob_size, struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf points = CPS_BUF_INIT(0);
	struct cps_section_writer w;
	uint8_t info[CPS_INFO_SIZE];
	uint8_t *at = NULL;
	int rc = cps_buf_zeros(&points, s->count * CPS_POINT_SIZE, &at);

	for (size_t i = 0; rc == 0 && i < s->count; i++)
		cps_span_store(at + i * CPS_POINT_SIZE, &s->items[i]);
	cps_put_le64(info, s->out);
	cps_put_le64(info + 8, blob_size);
	cps_put_le64(info + 16, s->tmp_size);
	cps_section_begin(&w, CPS_KIND_SEEK, blob_digest, NULL);
	w.params = CPS_SPAN_BYTES;
	if (rc == 0)
		rc = cps_section_add(&w, CPS_SECTION_INFO, 1, info, sizeof(info));
	if (rc == 0)
		rc = cps_section_add(&w, CPS_SECTION_POINTS, CPS_POINT_SIZE,
				     points.data, points.len);
	if (rc == 0)
		rc = cps_section_add(&w, CPS_SECTION_WINDOWS, 1, s->windows.data,
				     s->windows.len);
	if (rc == 0)
		rc = cps_section_add(&w, CPS_SECTION_CHECKS, CPS_CHECK_SIZE,
				     s->checks.data, s->checks.len);
	if (rc == 0)
		rc = cps_section_finish(&w, out);
	return rc < 0 ? cps_err_sys(err, rc, "build a seek table") : 0;
}
