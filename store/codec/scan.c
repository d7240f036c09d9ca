#include "store/codec/scan.h"

#include <errno.h>

#include "store/base/fd.h"

/* Where a gzip span is cut when no block has begun in it: well above the largest
 * blocks that compressors make, so that ordinary blobs are never transcoded. */
#define GZIP_CUT_BYTES (4u << 20)

int cps_scan_new(const struct cps_scan_opts *opts, struct cps_scan **out,
		 struct cps_err *err)
{
	cps_auto(cps_scan_free) struct cps_scan *scan = NULL;
	bool gzip = opts->codec == CPS_CODEC_GZIP;
	int rc;

	if (opts->codec == CPS_CODEC_OTHER)
		return cps_err_set(err, -ENOTSUP, "not a compression of layers");
	scan = calloc(1, sizeof(*scan));
	if (!scan)
		return cps_err_nomem(err);
	scan->opts = *opts;
	rc = cps_spans_init(&scan->spans, opts->store,
			    gzip ? GZIP_CUT_BYTES : CPS_SPAN_MAX);
	if (rc == 0 && gzip)
		rc = cps_scan_gzip_new(scan);
	if (rc == 0 && opts->codec == CPS_CODEC_ZSTD)
		rc = cps_scan_zstd_new(scan);
	if (rc < 0)
		return cps_err_sys(err, rc, "start a decoder");
	*out = CPS_TAKE(scan);
	return 0;
}

int cps_scan_emit(struct cps_scan *scan, const void *data, size_t len,
		  struct cps_err *err)
{
	uint64_t max = scan->opts.max_output;
	int rc;

	if (len == 0)
		return 0;
	if (max && len > max - scan->output)
		return cps_err_set(err, -EFBIG, "unpacks to more than %llu bytes",
				   (unsigned long long)max);
	scan->output += len;
	if (scan->opts.codec != CPS_CODEC_NONE) {
		rc = cps_spans_output(&scan->spans, data, len, scan->in_used, err);
		if (rc < 0)
			return rc;
	}
	return scan->opts.sink ? scan->opts.sink(scan->opts.sink_ctx, data, len, err)
			       : 0;
}

int cps_scan_feed(struct cps_scan *scan, const void *data, size_t len,
		  struct cps_err *err)
{
	switch (scan->opts.codec) {
	case CPS_CODEC_GZIP:
		return cps_scan_gzip_feed(scan, data, len, err);
	case CPS_CODEC_ZSTD:
		return cps_scan_zstd_feed(scan, data, len, err);
	default:
		scan->in_used += len;
		return cps_scan_emit(scan, data, len, err);
	}
}

int cps_scan_finish(struct cps_scan *scan, struct cps_err *err)
{
	int rc = 0;

	if (scan->gzip)
		rc = cps_scan_gzip_finish(scan, err);
	if (scan->zstd)
		rc = cps_scan_zstd_finish(scan, err);
	return rc < 0 ? rc : cps_spans_end(&scan->spans, scan->in_used, err);
}

int cps_scan_format(struct cps_scan *scan, const struct cps_digest *blob_digest,
		    uint64_t blob_size, struct cps_buf *out, struct cps_err *err)
{
	return cps_spans_format(&scan->spans, blob_digest, blob_size, out, err);
}

int cps_scan_publish(struct cps_scan *scan, const struct cps_digest *blob_digest,
		     uint64_t blob_size, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf table = CPS_BUF_INIT(0);
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	int rc;

	if (scan->opts.codec == CPS_CODEC_NONE)
		return 0;
	if (!scan->opts.store)
		return cps_err_set(err, -EINVAL, "no store for the seek table");
	rc = cps_scan_format(scan, blob_digest, blob_size, &table, err);
	if (rc == 0)
		rc = cps_tmp_open(scan->opts.store, &tmp, err);
	if (rc < 0)
		return rc;
	rc = cps_write_full(tmp.fd, table.data, table.len);
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': write a seek table",
				   cps_store_path(scan->opts.store));
	/* The table names the transcoded file's size, so that one comes first. */
	if (scan->spans.tmp.fd >= 0)
		rc = cps_tmp_publish_derived(&scan->spans.tmp, CPS_SPAN, blob_digest,
					     err);
	if (rc == 0)
		rc = cps_tmp_publish_derived(&tmp, CPS_SEEK, blob_digest, err);
	return rc;
}

uint64_t cps_scan_output_size(const struct cps_scan *scan)
{
	return scan->output;
}

void cps_scan_free(struct cps_scan *scan)
{
	if (!scan)
		return;
	cps_scan_gzip_free(scan->gzip);
	cps_scan_zstd_free(scan->zstd);
	cps_spans_release(&scan->spans);
	free(scan);
}
