#ifndef CPS_TOP_XSET_H
#define CPS_TOP_XSET_H

#include <stdint.h>

#include "fs/top/change.h"

/* A set of extended attributes as one run of bytes: u16 length of the name, u32 length
 * of the value, name, value; as often as there are. Few inodes have more than two. */

struct cps_xset {
	uint8_t *data; /* owned */
	uint32_t len;  /* bytes */
};

#define CPS_XSET_MAX  CPS_CHANGE_BYTES_MAX /* bytes of all of them */
#define CPS_XSET_HEAD 6u                   /* bytes that each takes besides */

void cps_xset_release(struct cps_xset *set);
/** Is it well-formed, no longer than CPS_XSET_MAX? */
bool cps_xset_valid(const void *data, size_t len);
int cps_xset_copy(struct cps_xset *set, const void *data, size_t len);
/** Walk: start with *pos = 0. False at the end. */
bool cps_xset_next(const struct cps_xset *set, uint32_t *pos, struct cps_bytes *name,
		   struct cps_bytes *value);
bool cps_xset_find(const struct cps_xset *set, const struct cps_bytes *name,
		   struct cps_bytes *value);
/** `value` NULL: remove. 0; -ENOMEM; -ENOSPC over CPS_XSET_MAX. */
int cps_xset_put(struct cps_xset *set, const struct cps_bytes *name,
		 const struct cps_bytes *value);

#endif
