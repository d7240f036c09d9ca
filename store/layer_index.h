#ifndef CPS_LAYER_INDEX_H
#define CPS_LAYER_INDEX_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/tar.h"

/* The index of one layer: what it holds and where each byte of content lies in the
 * uncompressed stream. Kept in index/sha256/<diffID>. Names are already resolved by
 * containerd's applier rules inside the layer (last entry wins, parents made, hard
 * links joined); whiteouts and opaque markers are kept for the merge. */

/* What a hostile layer can make an index take; a name costs some 130 bytes while it is
 * made. */
#define CPS_LAYER_NAMES_MAX (4u << 20) /* with the folders that paths imply */
#define CPS_LAYER_TEXT_MAX  (1u << 28) /* bytes of names, xattrs and maps of holes */

struct cps_index_builder;

struct cps_index_builder *cps_index_builder_new(void);
/** Take one member. 0; -EBADMSG with the entry named: a path that leaves the root, a
 *  root that is no directory, `.wh.` `.wh..` `.wh...`, a hard link to a directory;
 *  -EFBIG more than the limits above. */
int cps_index_add(struct cps_index_builder *b, const struct cps_tar_entry *entry,
		  struct cps_err *err);
/** The finished file's bytes. Hard links that find no target in the layer are kept for
 *  the merge to resolve, or refused when the layer is the `lowest`. */
int cps_index_finish(struct cps_index_builder *b, const struct cps_digest *diff_id,
		     bool lowest, struct cps_buf *out, struct cps_err *err);
void cps_index_builder_free(struct cps_index_builder *b);
CPS_AUTO_DEFINE(struct cps_index_builder, cps_index_builder_free)

/** An open index over borrowed bytes (usually a mapping). */
struct cps_index;

/** diff_id  the layer it must be of; NULL: any
 *  0; -EBADMSG damaged, of another layer or version. */
int cps_index_open(const void *data, size_t len, const struct cps_digest *diff_id,
		   struct cps_index **out, struct cps_err *err);
/** Check every section's checksum (fsck). */
int cps_index_verify(const struct cps_index *index, struct cps_err *err);
uint32_t cps_index_entry_count(const struct cps_index *index);
void cps_index_close(struct cps_index *index);
CPS_AUTO_DEFINE(struct cps_index, cps_index_close)

#endif
