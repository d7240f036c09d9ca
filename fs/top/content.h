#ifndef CPS_TOP_CONTENT_H
#define CPS_TOP_CONTENT_H

#include "fs/top/internal.h"

/* A regular file's content in pieces, each from one place. Under the lock, but for
 * cps_piece_read(). */

struct cps_piece {
	uint64_t off, len;     /* in the file */
	uint64_t pos;          /* in the log or the data file */
	uint32_t in;           /* CPS_IN_…, unless: */
	bool lower;            /* the lower file's */
	bool lost;             /* nobody knows what was there */
	struct cps_file *file; /* held until cps_piece_end() */
};

/** The piece at `off`, which ends at `end` or before. */
int cps_piece_at(struct cps_top *top, const struct cps_node *node, uint64_t off,
		 uint64_t end, struct cps_piece *out);
void cps_piece_end(struct cps_top *top, struct cps_piece *piece);
/** All of its bytes; `flags` as for cps_root_pread(). Needs no lock. */
ssize_t cps_piece_read(struct cps_top *top, uint64_t ino, const struct cps_piece *piece,
		       void *buf, unsigned int flags);

#endif
