#ifndef CPS_TAR_H
#define CPS_TAR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/base/mem.h"

/* Our own strict reader of tar streams: ustar, pax, GNU long names, base-256, sparse
 * 0.0, 0.1, 1.0 and old GNU. Every byte of a layer is accounted for by its offset, and
 * what other readers disagree on is an error here (ARCHITECTURE.md lists the rules). */

#define CPS_TAR_META_MAX   (1u << 20)  /* bytes of one pax or long-name record block */
#define CPS_TAR_XATTR_MAX  (64u << 10) /* bytes of one xattr value, as the kernel's */
#define CPS_TAR_XATTRS_MAX 1024u       /* xattrs of one member */
#define CPS_TAR_SPARSE_MAX (1u << 20)  /* extents of one sparse file */

enum cps_tar_type {
	CPS_TAR_REG,
	CPS_TAR_HARDLINK,
	CPS_TAR_SYMLINK,
	CPS_TAR_CHR,
	CPS_TAR_BLK,
	CPS_TAR_DIR,
	CPS_TAR_FIFO,
};

struct cps_tar_xattr {
	const char *name; /* NUL-terminated, without "SCHILY.xattr." */
	const uint8_t *value;
	uint32_t value_len; /* bytes */
};

/** Where a run of a sparse file's bytes lies. */
struct cps_extent {
	uint64_t logical; /* offset in the file */
	uint64_t stored;  /* offset in the tar stream */
	uint64_t len;     /* bytes, never 0 */
};

/** One member. All pointers are borrowed and valid until the next call. */
struct cps_tar_entry {
	const char *path; /* as in the archive, not cleaned; never empty */
	const char *link; /* symlink or hard link target; "" for others */
	enum cps_tar_type type;
	uint16_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	uint32_t major, minor;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;        /* logical bytes of a regular file; 0 for others */
	uint64_t header_off;  /* of the first header block, pax prefix included */
	uint64_t data_off;    /* of the first stored byte */
	uint64_t stored_size; /* bytes stored; differs from size only when sparse */
	bool sparse;
	const struct cps_extent *extents; /* when sparse: sorted, disjoint */
	size_t extent_count;
	const struct cps_tar_xattr *xattrs; /* sorted by name, no duplicates */
	size_t xattr_count;
};

/** Where the bytes come from: fill `buf` with up to `len` bytes.
 *  Returns bytes (> 0), 0 at the end, -errno. */
typedef ssize_t (*cps_read_fn)(void *ctx, void *buf, size_t len, struct cps_err *err);
/** Pass over exactly `len` bytes; 0, or -errno (-ENODATA when the stream ends before).
 *  May be NULL: the reader then reads and drops. */
typedef int (*cps_skip_fn)(void *ctx, uint64_t len, struct cps_err *err);

struct cps_tar;

/** ctx is borrowed. NULL on no memory. */
struct cps_tar *cps_tar_open(cps_read_fn read, cps_skip_fn skip, void *ctx);
/** 1 with the entry set, 0 at the end of the archive, -EBADMSG with the reason and the
 *  entry's name and offset for anything malformed, -ENOTSUP for a member type that has
 *  no place in a layer, or the stream's own -errno. Data that was not read is skipped.
 *  After 0 the caller drains the stream if its digest counts. */
int cps_tar_next(struct cps_tar *tar, struct cps_tar_entry *out, struct cps_err *err);
/** Read on in the stored bytes of the current member. Bytes, 0 at its end, -errno. */
ssize_t cps_tar_read(struct cps_tar *tar, void *buf, size_t len, struct cps_err *err);
void cps_tar_close(struct cps_tar *tar);
CPS_AUTO_DEFINE(struct cps_tar, cps_tar_close)

/* Writing, in the canonical form of image-spec layers and of our archives: ustar header
 * unless a field does not fit, then one pax record set with sorted keys; no user or
 * group names; two zero blocks at the end. */

/** 0 or -errno. */
typedef int (*cps_write_fn)(void *ctx, const void *data, size_t len,
			    struct cps_err *err);

/** What a file of that mode (with S_IFMT) is in an archive; a socket has no type there,
 *  and must not come so far. */
enum cps_tar_type cps_tar_type_of(uint32_t mode);

/** Append the header of `entry` (path, link, type, mode, ids, mtime, size, xattrs; the
 *  rest is not looked at) to `out`. The caller writes `size` bytes and then zeros up to
 *  a multiple of 512. A directory's path gets its '/' here. */
int cps_tar_format_header(const struct cps_tar_entry *entry, struct cps_buf *out,
			  struct cps_err *err);

#endif
