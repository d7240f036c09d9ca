#ifndef CPS_INDEX_NAMES_H
#define CPS_INDEX_NAMES_H

#include "store/index/read.h"

/* The names of one folder in several layers, each with all who have it. */

/** An inode of a layer. */
struct cps_npart {
	uint32_t ino;
	uint16_t source; /* place of the layer among the sources */
};

/** A layer's folder, and how far it is gone through. */
struct cps_cursor {
	const struct cps_table *t; /* borrowed */
	uint64_t at, end;          /* dirents */
	struct cps_tdirent d;      /* the one at `at` */
	uint16_t source;
};

struct cps_names {
	struct cps_cursor *cursors;
	uint16_t *line;     /* cursors by name and layer; the first `head` are done */
	size_t head, count; /* of the line */
	size_t group;       /* cursors at the head that have the same name */
};

/** Room for `most` layers. */
int cps_names_init(struct cps_names *names, size_t most);
void cps_names_release(struct cps_names *names);

/** Before the first folder is opened. */
void cps_names_reset(struct cps_names *names);
/** One layer's folder more, `count` dirents from `first`; a lower layer comes first.
 *  0; -EIO its first name is bad. */
int cps_names_add(struct cps_names *names, const struct cps_table *t, uint16_t source,
		  uint64_t first, uint64_t count);
/** The next name. Who has it are cps_names_at() 0 to *group - 1, lowest layer first.
 *  1; 0 at the end; -EIO a name is bad or not behind the one before it, and *bad gets
 *  the source. */
int cps_names_next(struct cps_names *names, uint16_t *bad);

static inline const struct cps_cursor *cps_names_at(const struct cps_names *names,
						    size_t i)
{
	return &names->cursors[names->line[names->head + i]];
}

/** As names are sorted: by bytes, then by length. */
int cps_names_compare(const struct cps_tdirent *a, const struct cps_tdirent *b);
/** One name of a folder. 0; -ENOENT; -EIO. */
int cps_names_find(const struct cps_table *t, uint64_t first, uint64_t count,
		   const char *name, size_t len, struct cps_tdirent *out);

#endif
