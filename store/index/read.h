#ifndef CPS_INDEX_READ_H
#define CPS_INDEX_READ_H

#include "store/index/graph.h"
#include "store/section.h"

/** The sections of an index or tree file, with checked access. */
struct cps_table {
	struct cps_sections file;
	const uint8_t *inodes, *dirents, *strings, *xattrs, *extents, *hidden;
	uint64_t inode_count, dirent_count, string_bytes, xattr_bytes, extent_count,
		hidden_count;
};

/** A dirent as it stands. */
struct cps_tdirent {
	const char *name;
	uint32_t ino, order;
	uint16_t name_len;
	uint8_t type;
};

/** 0 or -EBADMSG. */
int cps_table_open(const void *data, size_t len, uint32_t kind,
		   const struct cps_digest *key, struct cps_table *out,
		   struct cps_err *err);
/** The record of an inode, or NULL. */
const uint8_t *cps_table_inode(const struct cps_table *t, uint32_t ino);
/** A dirent by its place in the section. 0 or -EIO. */
int cps_table_dirent(const struct cps_table *t, uint64_t at, struct cps_tdirent *out);
/** Bytes of STRINGS, or NULL when they are not all there. */
const char *cps_table_string(const struct cps_table *t, uint64_t off, uint64_t len);
/** One xattr of a set. 1, 0 past the last, -EIO. *set_len (may be NULL) gets the bytes
 *  of the whole set up to and including this one. */
int cps_table_xattr(const struct cps_table *t, uint32_t set, uint32_t pos,
		    struct cps_tar_xattr *out, size_t *name_len, size_t *set_len);
/** 0 or -EIO. */
int cps_table_extent(const struct cps_table *t, uint64_t at, struct cps_extent *out);

/** The table of an open index, borrowed. */
const struct cps_table *cps_index_table(const struct cps_index *index);

#endif
