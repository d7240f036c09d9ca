#include "store/recompress.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "store/seek.h"

#define CHUNK_BYTES (256u << 10)
#define ZSTD_LEVEL  3

/** The output side: what the scan decodes goes through one compressor to a writer. */
struct out {
	enum cps_codec codec;
	struct cps_blob_writer *writer;
	z_stream gz;
	ZSTD_CCtx *zstd;
	uint64_t in_frame; /* bytes taken by the zstd frame that is open */
	uint8_t buf[CHUNK_BYTES];
};

static int gzip_step(struct out *o, const void *data, size_t len, int flush,
		     struct cps_err *err)
{
	int rc = 0;

	o->gz.next_in = (Bytef *)(uintptr_t)data;
	o->gz.avail_in = (uInt)len;
	do {
		o->gz.next_out = o->buf;
		o->gz.avail_out = sizeof(o->buf);
		if (deflate(&o->gz, flush) == Z_STREAM_ERROR)
			return cps_err_set(err, -EINVAL, "deflate failed");
		rc = cps_blob_append(o->writer, o->buf,
				     sizeof(o->buf) - o->gz.avail_out, err);
	} while (rc == 0 && o->gz.avail_out == 0);
	return rc;
}

static int zstd_step(struct out *o, const void *data, size_t len, ZSTD_EndDirective end,
		     struct cps_err *err)
{
	ZSTD_inBuffer in = {data, len, 0};
	size_t left;
	int rc;

	do {
		ZSTD_outBuffer dst = {o->buf, sizeof(o->buf), 0};

		left = ZSTD_compressStream2(o->zstd, &dst, &in, end);
		if (ZSTD_isError(left))
			return cps_err_set(err, -EINVAL, "zstd: %s",
					   ZSTD_getErrorName(left));
		rc = cps_blob_append(o->writer, o->buf, dst.pos, err);
	} while (rc == 0 && (in.pos < in.size || (end == ZSTD_e_end && left)));
	return rc;
}

/* Frames of one span each, so that whoever reads the blob can start at any of them. */
static int zstd_take(struct out *o, const uint8_t *data, size_t len,
		     struct cps_err *err)
{
	int rc = 0;

	while (len && rc == 0) {
		size_t n = CPS_SPAN_BYTES - o->in_frame;

		if (n > len)
			n = len;
		o->in_frame += n;
		rc = zstd_step(o, data, n,
			       o->in_frame == CPS_SPAN_BYTES ? ZSTD_e_end
							     : ZSTD_e_continue,
			       err);
		o->in_frame %= CPS_SPAN_BYTES;
		data += n;
		len -= n;
	}
	return rc;
}

static int take(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	struct out *o = ctx;

	switch (o->codec) {
	case CPS_CODEC_GZIP:
		return gzip_step(o, data, len, Z_NO_FLUSH, err);
	case CPS_CODEC_ZSTD:
		return zstd_take(o, data, len, err);
	default:
		return cps_blob_append(o->writer, data, len, err);
	}
}

static int finish(struct out *o, struct cps_err *err)
{
	if (o->codec == CPS_CODEC_GZIP)
		return gzip_step(o, NULL, 0, Z_FINISH, err);
	if (o->codec == CPS_CODEC_ZSTD && o->in_frame)
		return zstd_step(o, NULL, 0, ZSTD_e_end, err);
	return 0;
}

static int open_out(struct cps_store *store, struct out *o, struct cps_err *err)
{
	/* 16 + 15: a gzip header without name and with time 0. */
	if (o->codec == CPS_CODEC_GZIP &&
	    deflateInit2(&o->gz, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + 15, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return cps_err_nomem(err);
	if (o->codec == CPS_CODEC_ZSTD) {
		o->zstd = ZSTD_createCCtx();
		if (!o->zstd)
			return cps_err_nomem(err);
		ZSTD_CCtx_setParameter(o->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	}
	return cps_blob_begin(store, &o->writer, err);
}

static void close_out(struct out *o)
{
	if (o->codec == CPS_CODEC_GZIP)
		deflateEnd(&o->gz);
	ZSTD_freeCCtx(o->zstd);
	cps_blob_abort(o->writer);
	free(o);
}

static void close_out_auto(struct out **o)
{
	if (*o)
		close_out(*o);
}

static int decode(const struct cps_blob *blob, struct cps_scan *scan,
		  struct cps_err *err)
{
	cps_auto(cps_free) uint8_t *buf = malloc(CHUNK_BYTES);
	uint64_t off = 0;
	ssize_t n = 0;
	int rc = buf ? 0 : cps_err_nomem(err);

	while (rc == 0 && (n = cps_blob_pread(blob, buf, CHUNK_BYTES, off)) > 0) {
		rc = cps_scan_feed(scan, buf, (size_t)n, err);
		off += (uint64_t)n;
	}
	if (n < 0)
		return cps_err_sys(err, (int)n, "read a blob");
	return rc < 0 ? rc : cps_scan_finish(scan, err);
}

int cps_recompress(struct cps_store *store, const struct cps_blob *blob,
		   enum cps_codec codec, struct cps_blob *out,
		   struct cps_digest *digest, struct cps_err *err)
{
	cps_auto(close_out) struct out *o = calloc(1, sizeof(*o));
	cps_auto(cps_scan_free) struct cps_scan *scan = NULL;
	struct cps_scan_opts opts = {.sink = take, .sink_ctx = o, .store = store};
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	ssize_t n = cps_blob_pread(blob, head, sizeof(head), 0);
	uint64_t size;
	int rc;

	if (!o)
		return cps_err_nomem(err);
	if (n < 0)
		return cps_err_sys(err, (int)n, "read a blob");
	opts.codec = cps_codec_detect(head, (size_t)n);
	o->codec = codec;
	rc = open_out(store, o, err);
	if (rc == 0)
		rc = cps_scan_new(&opts, &scan, err);
	if (rc == 0)
		rc = decode(blob, scan, err);
	if (rc == 0)
		rc = finish(o, err);
	if (rc < 0)
		return rc;
	cps_blob_digest(o->writer, digest, &size);
	return cps_blob_peek(o->writer, out, err);
}
