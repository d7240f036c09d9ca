#ifndef CPS_CODEC_TABLE_H
#define CPS_CODEC_TABLE_H

#include "store/codec/spans.h"

/** An open seek table. All spans were checked: they cover the output without gaps, and
 *  name ranges inside the blob, the transcoded file and the windows. */
struct cps_seek {
	struct cps_map map; /* owned; empty when the bytes are borrowed */
	struct cps_sections sections;
	const uint8_t *points;
	uint32_t count;
	const uint8_t *windows;
	uint64_t windows_len; /* bytes */
	const uint8_t *checks;
	uint64_t check_count;
	uint64_t out_size;  /* bytes */
	uint64_t blob_size; /* bytes */
	uint64_t span_size; /* bytes of the transcoded file; 0 = there is none */
	int span_fd;        /* owned; -1 = there is none */
	const struct cps_store *store; /* borrowed; NULL: the table is in no store */
	struct cps_digest digest;      /* of the blob, where there is a store */
};

/** The span numbered `i` (< count). */
void cps_seek_load(const struct cps_seek *seek, uint32_t i, struct cps_span *out);

#endif
