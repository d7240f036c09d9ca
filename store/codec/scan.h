#ifndef CPS_CODEC_SCAN_H
#define CPS_CODEC_SCAN_H

#include "store/codec/spans.h"

/* The parts of a scan that its files share. */

struct cps_scan {
	struct cps_scan_opts opts;
	uint64_t in_used; /* compressed bytes taken so far */
	uint64_t output;  /* uncompressed bytes given to the sink */
	struct cps_spans spans;
	struct cps_scan_gzip *gzip; /* owned; by codec */
	struct cps_scan_zstd *zstd; /* owned; by codec */
};

/** Pass decoded bytes to the sink and the spans. -EFBIG over the limit. */
int cps_scan_emit(struct cps_scan *scan, const void *data, size_t len,
		  struct cps_err *err);

int cps_scan_gzip_new(struct cps_scan *scan);
int cps_scan_gzip_feed(struct cps_scan *scan, const uint8_t *data, size_t len,
		       struct cps_err *err);
int cps_scan_gzip_finish(struct cps_scan *scan, struct cps_err *err);
void cps_scan_gzip_free(struct cps_scan_gzip *g);

int cps_scan_zstd_new(struct cps_scan *scan);
int cps_scan_zstd_feed(struct cps_scan *scan, const uint8_t *data, size_t len,
		       struct cps_err *err);
int cps_scan_zstd_finish(struct cps_scan *scan, struct cps_err *err);
void cps_scan_zstd_free(struct cps_scan_zstd *z);

/** The seek file of a finished scan, as cps_scan_publish() would write it. */
int cps_scan_format(struct cps_scan *scan, const struct cps_digest *blob_digest,
		    uint64_t blob_size, struct cps_buf *out, struct cps_err *err);

#endif
