#ifndef CPS_DIGEST_H
#define CPS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/mem.h"

#define CPS_SHA256_LEN      32 /* bytes */
#define CPS_DIGEST_HEX_LEN  65 /* "<64 hex>" with the NUL */
#define CPS_DIGEST_TEXT_LEN 72 /* "sha256:<64 hex>" with the NUL */

/** A sha256 digest. Other algorithms of the OCI grammar are recognised and refused:
 *  what we cannot verify we do not use. */
struct cps_digest {
	uint8_t bytes[CPS_SHA256_LEN];
};

/** "sha256:" and 64 lower-case hex digits. 0; -EINVAL malformed; -ENOTSUP well-formed
 *  of another algorithm (image-spec descriptor.md, "Digests"). */
int cps_digest_parse(const char *text, struct cps_digest *out, struct cps_err *err);
/** The 64 hex digits alone, as blobs are named. 0 or -EINVAL. */
int cps_digest_parse_hex(const char *hex, struct cps_digest *out);
const char *cps_digest_text(const struct cps_digest *d, char out[CPS_DIGEST_TEXT_LEN]);
const char *cps_digest_hex(const struct cps_digest *d, char out[CPS_DIGEST_HEX_LEN]);
bool cps_digest_equal(const struct cps_digest *a, const struct cps_digest *b);
bool cps_digest_is_zero(const struct cps_digest *d);

/** A running sha256. */
struct cps_hash;

/** NULL on no memory. */
struct cps_hash *cps_hash_new(void);
void cps_hash_update(struct cps_hash *hash, const void *data, size_t len);
/** The digest of all so far; the hash starts anew. */
void cps_hash_final(struct cps_hash *hash, struct cps_digest *out);
void cps_hash_free(struct cps_hash *hash);
CPS_AUTO_DEFINE(struct cps_hash, cps_hash_free)

void cps_digest_of(const void *data, size_t len, struct cps_digest *out);

/** ChainID of `parent` (NULL for the first layer) extended by `diff_id`
 *  (image-spec config.md, "Layer ChainID"). */
void cps_chain_id(const struct cps_digest *parent, const struct cps_digest *diff_id,
		  struct cps_digest *out);

#endif
