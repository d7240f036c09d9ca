#ifndef CPS_SPOOL_H
#define CPS_SPOOL_H

#include "store/blob.h"
#include "store/tar.h" /* cps_read_fn */

/** Copy a stream, decompressed when it is in gzip, bzip2, xz, lzma, lz4, zstd, compress
 *  or lzip, into an unnamed file of the store's tmp/.
 *  0; -EBADMSG the compression is damaged; the reader's or the disk's -errno. */
int cps_spool(struct cps_store *store, cps_read_fn read, void *ctx,
	      struct cps_blob *out, struct cps_err *err);

#endif
