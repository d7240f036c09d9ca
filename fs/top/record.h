#ifndef CPS_TOP_RECORD_H
#define CPS_TOP_RECORD_H

#include "fs/top/change.h"

/* A record of a top's log as bytes (fs/top/log.h has the format). */

#define CPS_RECORD_HEADER   40u
#define CPS_RECORD_PART_MAX (4u << 20) /* bytes of fields, and of bulk */

/** How long its parts are, as a header says it. */
struct cps_record_layout {
	size_t fields_len, bulk_len;
	size_t len; /* of it all, padding included */
};

struct cps_record_layout cps_record_layout(const uint8_t *header);
uint64_t cps_record_sequence(const uint8_t *header);

/** Fill in the header of a change whose fields were encoded already. */
void cps_record_format(uint64_t log_id, uint64_t sequence, const struct cps_buf *fields,
		       const struct cps_change *change, uint8_t *header);

/** The change that `len` bytes at `record` say, whose bulk lies `pos` and more bytes
 *  into the log; it borrows them. -EBADMSG they are not that record of that log, or not
 *  as it was written. */
int cps_record_parse(const uint8_t *record, size_t len, uint64_t log_id,
		     uint64_t sequence, uint64_t pos, struct cps_change *out);

#endif
