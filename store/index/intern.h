#ifndef CPS_INDEX_INTERN_H
#define CPS_INDEX_INTERN_H

#include "store/base/buf.h"

/** A number that an image cannot know, for hashing what comes from it. */
uint64_t cps_hash_seed(void);

/** Byte strings kept once each in an arena. */
struct cps_intern;

/** arena  borrowed; strings are appended to it */
struct cps_intern *cps_intern_new(struct cps_buf *arena);
/** Offset of the bytes in the arena, or -ENOMEM, -EFBIG. */
int64_t cps_intern_add(struct cps_intern *in, const void *data, size_t len);
void cps_intern_free(struct cps_intern *in);

#endif
