#ifndef CPS_KEPT_H
#define CPS_KEPT_H

#include "store/seek.h"

/* What was decoded of a compressed blob, kept for the mounts to come: a sparse file in
 * which each CPS_CHECK_BYTES of output that have a checksum have a place of their own.
 * Every piece is compared with its checksum when it is read, so nothing that a crash,
 * another writer or a disk did to the file is given out, and it needs no lock and no
 * sync. */

struct cps_kept;

/** Open what is kept of a blob, empty at first.
 *  seek       borrowed, must outlive it
 *  max_bytes  of all that the store keeps, whoever wrote it, give or take some MiB of
 *             each writer; and never more than a quarter of what the disk would have
 *             free without it. What was not used for longest goes first
 *  0; -ENOENT the table is in no store; -errno. */
int cps_kept_open(const struct cps_seek *seek, uint64_t max_bytes,
		  struct cps_kept **out);
void cps_kept_close(struct cps_kept *kept);
CPS_AUTO_DEFINE(struct cps_kept, cps_kept_close)

/** Bytes from `off` of a span, up to the end of the piece that holds it: 0 < n <= len.
 *  nowait  -EAGAIN when a disk would be waited for
 *  -ENOENT that is not kept. Safe from any thread. */
ssize_t cps_kept_read(struct cps_kept *kept, uint32_t span, uint32_t off, void *buf,
		      size_t len, bool nowait);

/** Is [from, to) of a span kept, as far as is known without reading it? It may end
 *  behind the span. */
bool cps_kept_has(const struct cps_kept *kept, uint32_t span, uint32_t from,
		  uint32_t to);

/** Keep [from, to) of a span: whole pieces. If that fails they are not kept. Safe from
 *  any thread. */
void cps_kept_add(struct cps_kept *kept, uint32_t span, uint32_t from, uint32_t to,
		  const uint8_t *data);

#endif
