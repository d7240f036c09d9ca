#ifndef CPS_TOP_CHANGE_H
#define CPS_TOP_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "store/base/buf.h"

/* One change of a top: what a record of the log says. The running driver makes it, logs
 * it and applies it; replay reads it and applies it, through the same function. */

enum cps_change_type {
	CPS_CHANGE_START = 1, /* a process began to write: ino, gen are the next free */
	CPS_CHANGE_WHO,       /* entry `gen` of the table of processes (0: the next) */
	CPS_CHANGE_MAKE,      /* a new inode, and its name in dir unless that is 0 */
	CPS_CHANGE_LINK,      /* ino gets the name in dir */
	CPS_CHANGE_UNLINK,    /* dir loses the name */
	CPS_CHANGE_RENAME,    /* dir/name becomes dir2/name2 */
	CPS_CHANGE_ATTR,      /* ino's attributes of `mask`; `value`: its access ACL */
	CPS_CHANGE_XATTR,     /* ino's attribute `name` is `value`, or is removed */
	CPS_CHANGE_DATA,      /* bulk is ino's content at off */
	CPS_CHANGE_OWN,       /* data/<gen> holds ino's content at off, len */
	CPS_CHANGE_SPILL,     /* what the log holds of ino is in data/<gen> now */
	CPS_CHANGE_ZERO,      /* ino's content at off, len is a hole */
	CPS_CHANGE_MARK, /* a moment called `name`; data files below gen are kept */
	/* Written by compaction, in place of the changes that led there. */
	CPS_CHANGE_NODE,   /* ino as it is; `len` records say its content or names */
	CPS_CHANGE_DIRENT, /* dir/name is ino, or nothing (0) */
	CPS_CHANGE_GONE,   /* lower inodes, `len` from ino on, have no name any more */
	CPS_CHANGE_TYPES
};

enum cps_change_flags {
	CPS_CHANGE_KILL_PRIV = 1,   /* setuid and setgid go */
	CPS_CHANGE_KEEP_TIMES = 2,  /* the kernel tells the times by itself */
	CPS_CHANGE_FOLDER = 4,      /* UNLINK: rmdir */
	CPS_CHANGE_EXCHANGE = 8,    /* RENAME */
	CPS_CHANGE_REMOVE = 16,     /* XATTR */
	CPS_CHANGE_WHOLE = 32,      /* SPILL: the file owns all of the content */
	CPS_CHANGE_CONTENT = 64,    /* NODE: content is no longer the lower one's */
	CPS_CHANGE_XATTRS = 128,    /* NODE: xattrs are the top's, in value */
	CPS_CHANGE_ATTRS = 256,     /* NODE: attributes differ from the lower one's */
	CPS_CHANGE_LOST = 1024,     /* NODE: some of the content was lost */
	CPS_CHANGE_KEEP_CAPS = 512, /* file capabilities stay, though content changes */
};

struct cps_bytes {
	const void *data;
	size_t len;
};

/** Fields that are zero or empty are not stored. Bytes are borrowed: from the caller,
 *  or from the record it was read from. */
struct cps_change {
	/* In the record's header. */
	uint16_t type;
	uint32_t who;    /* index in the table of processes */
	int64_t time_ns; /* since 1970 */
	/* The rest in this order. */
	uint64_t ino, dir, dir2;
	uint32_t mask, mode, uid, gid, nlink, flags;
	uint64_t rdev, size, off, len, base_len;
	uint32_t gen;
	struct timespec atime, mtime, ctime;
	struct cps_bytes name, name2, value;
	/* DATA: content, and where in the log it lies once it is there. */
	struct cps_bytes bulk;
	uint64_t bulk_pos;
};

/* Bytes of name, name2 and value each: a layer may give an inode CPS_TAR_META_MAX of
 * xattrs, and a top adds to them. */
#define CPS_CHANGE_BYTES_MAX (2u << 20)

/** Append the fields to `out`; header and bulk are the log's business. 0; -ENOMEM;
 *  -EFBIG. */
int cps_change_encode(const struct cps_change *change, struct cps_buf *out);
/** Fill the fields from what encode wrote; the header's are left alone. 0; -EBADMSG. */
int cps_change_decode(const void *data, size_t len, struct cps_change *out);

#endif
