#ifndef CPS_RECOMPRESS_H
#define CPS_RECOMPRESS_H

#include "store/blob.h"
#include "store/codec.h"

/** Write the content of `blob` (a layer in any codec that layers have) again in another
 *  codec, deterministically.
 *  out     not in the store; nothing but its descriptor keeps it
 *  digest  of the new bytes */
int cps_recompress(struct cps_store *store, const struct cps_blob *blob,
		   enum cps_codec codec, struct cps_blob *out,
		   struct cps_digest *digest, struct cps_err *err);

#endif
