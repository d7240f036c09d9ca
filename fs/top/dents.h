#ifndef CPS_TOP_DENTS_H
#define CPS_TOP_DENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a folder differs from the lower one: names that it gained, and names of the lower
 * folder that mean another inode now, or none. */

struct cps_dent {
	uint64_t ino;    /* 0: the lower name is gone (a whiteout) */
	uint64_t cookie; /* place in listings; grows with age, never used again */
	uint32_t hash;
	uint8_t type; /* DT_* */
	bool covers;  /* the lower folder has this name; listed at its place there */
	bool gone;    /* forgotten, and no more than a place among the others */
	uint8_t name_len;
	char name[]; /* NUL-terminated */
};

struct cps_dents {
	struct cps_dent **items; /* owned, by cookie */
	size_t count, cap;
	size_t gone;     /* of count; never more than half, and a few */
	size_t first;    /* before it none is to be listed */
	uint32_t *slots; /* positions plus one by hash; a power of two */
	size_t slot_count;
	uint64_t next_cookie;
	size_t covering; /* dents that cover a lower name */
	size_t live;     /* dents with an inode */
};

void cps_dents_release(struct cps_dents *dents);
/** NULL when the folder does not differ in this name. Valid until the next change. */
struct cps_dent *cps_dents_find(const struct cps_dents *dents, const char *name,
				size_t len);
/** Let the name mean `ino` (0: nothing). A name that covers nothing and means nothing
 *  is forgotten. Whether it `covers` never changes. 0 or -ENOMEM. */
int cps_dents_set(struct cps_dents *dents, const char *name, size_t len, uint64_t ino,
		  uint8_t type, bool covers);
/** The first dent that does not cover and whose cookie is `cookie` or more, or NULL. */
const struct cps_dent *cps_dents_next(const struct cps_dents *dents, uint64_t cookie);
/** The next of all that are not gone, covering ones included; start with *pos = 0. NULL
 *  at the end. */
const struct cps_dent *cps_dents_each(const struct cps_dents *dents, size_t *pos);

#endif
