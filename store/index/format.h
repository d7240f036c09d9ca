#ifndef CPS_INDEX_FORMAT_H
#define CPS_INDEX_FORMAT_H

#include "store/base/buf.h"
#include "store/section.h"

/* Index (TOC1) and tree (MRG1) files share these sections. */

#define CPS_SEC_INODES  CPS_FOURCC('I', 'N', 'O', 'D')
#define CPS_SEC_DIRENTS CPS_FOURCC('D', 'E', 'N', 'T')
#define CPS_SEC_STRINGS CPS_FOURCC('S', 'T', 'R', 'S')
#define CPS_SEC_XATTRS  CPS_FOURCC('X', 'A', 'T', 'T')
#define CPS_SEC_EXTENTS CPS_FOURCC('E', 'X', 'T', 'S')
#define CPS_SEC_HIDDEN  CPS_FOURCC('H', 'I', 'D', 'E')

/* INODES, one cache line each:
 *   0 u64 data      regular: offset in the stream; folder: first dirent; symlink,
 * inline and link-to-lower: offset in STRINGS; device: major << 32 | minor 8 u64 size
 * regular: logical bytes; folder: dirents; symlink, inline: bytes 16 i64 mtime_s  24
 * u32 mtime_ns  28 u16 mode  30 u16 flags 32 u32 uid      36 u32 gid       40 u32 nlink
 * 44 u32 xattr set (offset + 1) 48 u32 first extent  52 u32 extents  56 u32 parent
 * (folders)  60 u16 layer */
#define CPS_INODE_BYTES 64

/* DIRENTS, grouped by folder, sorted by name:
 *   0 u32 name  4 u32 inode  8 u32 order  12 u16 name_len  14 u8 type  15 u8 zero
 * order: in an index the rank of the entry in the layer's stream; in a tree the dirent
 * (relative to the folder's first) that comes at this place in stream order. */
#define CPS_DIRENT_BYTES 16

/* EXTENTS: u64 logical, u64 stored, u64 len */
#define CPS_EXTENT_BYTES 24

/* HIDDEN: 0 u32 path  4 u32 path_len  8 u64 size  16 u32 folder inode  20 u16 layer
 * 22 u16 by  24 u32 deleted  28 u32 zero */
#define CPS_HIDDEN_BYTES 32

/* XATTRS: sets of u32 count, then count times
 *   u32 name_len, u32 value_len, name, NUL, value */

#define CPS_TABLE_SECTIONS 6

/** Add all sections but INODES, which comes first. Buffers are borrowed until the file
 *  is finished; NULL is an empty one. */
int cps_table_write(struct cps_section_writer *file, const struct cps_buf *dirents,
		    const struct cps_buf *strings, const struct cps_buf *xattrs,
		    const struct cps_buf *extents, const struct cps_buf *hidden);

#endif
