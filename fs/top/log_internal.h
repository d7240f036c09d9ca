#ifndef CPS_TOP_LOG_INTERNAL_H
#define CPS_TOP_LOG_INTERNAL_H

#include "fs/top/log.h"
#include "fs/top/record.h"

/* What log.c (opening, appending) and log_read.c share. */

struct cps_toplog {
	int fd;
	struct cps_digest chain;
	uint64_t id;
	uint64_t sequence; /* of the last record */
	uint64_t state;    /* the last one of the state; 0: there is none */
	uint64_t lost;     /* records of it that were passed over */
	uint64_t end;      /* of the last whole record */
	uint64_t size;     /* of the file, or where reading stops */
	uint64_t allocated;
	bool can_allocate;
	struct cps_buf fields; /* of the record that is written */
	struct cps_buf window; /* file bytes from window_at */
	uint64_t window_at;
};

#endif
