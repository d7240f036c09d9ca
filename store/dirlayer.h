#ifndef CPS_DIRLAYER_H
#define CPS_DIRLAYER_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/mem.h"
#include "store/digest.h"

/* A folder of the host as a layer. It is walked once, which gives an index as any
 * layer's; the bytes of its files are read from the files themselves when somebody
 * asks. So nothing is copied, and what the index says holds only as long as nobody
 * changes the folder: names and attributes stay what they were, and a file that is not
 * the one any more that was seen, or has another size or mtime, cannot be read. */

struct cps_dirlayer;

/** Walk the folder. What is on other file systems below it is left out with a warning,
 *  as are sockets; what overlayfs leaves in an upper directory is taken as what it
 * means (store/upper.h). The folder stays open. */
int cps_dirlayer_open(const char *path, struct cps_dirlayer **out, struct cps_err *err);
/** The bytes of its index (store/layer_index.h); once, before anything is read. */
int cps_dirlayer_index(struct cps_dirlayer *layer, const struct cps_digest *id,
		       struct cps_buf *out, struct cps_err *err);
/** Bytes at an offset that the index says; safe from any thread. Fewer at the end of a
 *  file; -EIO after a log line when the file cannot be read or was changed. */
ssize_t cps_dirlayer_pread(struct cps_dirlayer *layer, void *buf, size_t len,
			   uint64_t off);
void cps_dirlayer_close(struct cps_dirlayer *layer);
CPS_AUTO_DEFINE(struct cps_dirlayer, cps_dirlayer_close)

#endif
