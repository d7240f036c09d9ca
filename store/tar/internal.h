#ifndef CPS_TAR_INTERNAL_H
#define CPS_TAR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/tar.h"

#define TAR_BLOCK 512 /* bytes */
/* Room for a header and its padding is left, so that offsets cannot wrap. */
#define TAR_SIZE_MAX ((uint64_t)INT64_MAX - 2 * TAR_BLOCK)

#define TAR_NAME_LEN    100
#define TAR_PREFIX_LEN  155
#define TAR_AT_MODE     100
#define TAR_AT_UID      108
#define TAR_AT_GID      116
#define TAR_AT_SIZE     124
#define TAR_AT_MTIME    136
#define TAR_AT_SUM      148
#define TAR_AT_TYPE     156
#define TAR_AT_LINK     157
#define TAR_AT_MAGIC    257
#define TAR_AT_MAJOR    329
#define TAR_AT_MINOR    337
#define TAR_AT_PREFIX   345
#define TAR_ID_FIELD    8  /* bytes of mode, uid, gid, sum, major, minor */
#define TAR_LARGE_FIELD 12 /* bytes of size, mtime and all numbers of GNU's maps */

enum tar_format { TAR_V7, TAR_USTAR, TAR_STAR, TAR_GNU };

/** A header block as it says, before pax records or long names. */
struct tar_header {
	char name[TAR_PREFIX_LEN + 1 + TAR_NAME_LEN + 1]; /* prefix joined */
	char link[TAR_NAME_LEN + 1];
	char type;
	enum tar_format format;
	int64_t mode, uid, gid, size, mtime, major, minor;
};

/** 0, or -EBADMSG with `*why` a constant text. */
int cps_tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *out,
			 const char **why);
/** Octal, or base 256 when the top bit is set. False if it is neither. */
bool cps_tar_number(const uint8_t *field, size_t len, int64_t *out);
/** The sum over a header block, its own field counted as spaces. */
void cps_tar_checksum(const uint8_t block[TAR_BLOCK], int64_t *as_unsigned,
		      int64_t *as_signed);

/** A growing list of runs; `stored` is filled in once all are known. */
struct tar_extents {
	struct cps_extent *items; /* owned */
	size_t count, cap;
};

enum tar_pax_key {
	TAR_PAX_PATH,
	TAR_PAX_LINKPATH,
	TAR_PAX_SIZE,
	TAR_PAX_UID,
	TAR_PAX_GID,
	TAR_PAX_MTIME,
	TAR_PAX_SPARSE_MAJOR,
	TAR_PAX_SPARSE_MINOR,
	TAR_PAX_SPARSE_NAME,
	TAR_PAX_SPARSE_SIZE,
	TAR_PAX_SPARSE_REALSIZE,
	TAR_PAX_SPARSE_NUMBLOCKS,
	TAR_PAX_SPARSE_MAP,
	TAR_PAX_KEYS
};

struct tar_xattr {
	struct cps_tar_xattr attr;
	uint32_t rank; /* of two with one name the higher counts */
};

/** The records of one 'x' header. Texts point into `raw`. */
struct tar_pax {
	struct cps_buf raw;              /* the records; cut up by the parser */
	const char *value[TAR_PAX_KEYS]; /* NULL when absent or empty */
	struct tar_xattr *found;         /* owned; in the order of the records */
	size_t found_count, found_cap;
	struct cps_tar_xattr *xattrs; /* owned; sorted, no duplicates */
	size_t xattr_count, xattr_cap;
	struct tar_extents map; /* of format 0.0: repeated offset, numbytes */
	bool map_half;          /* an offset waits for its numbytes */
};

struct cps_tar {
	cps_read_fn read;
	cps_skip_fn skip; /* may be NULL */
	void *ctx;        /* borrowed */
	uint64_t off;     /* bytes of the stream used up */
	uint64_t left;    /* stored bytes of the member not yet read */
	uint32_t pad;     /* zeros after them */
	int state;        /* 0 running, 1 at the end, < 0 failed with this */

	struct tar_header head;
	struct tar_pax pax;
	bool has_pax;
	struct cps_buf long_name, long_link; /* of GNU L and K; empty when absent */
	bool has_name, has_link;
	struct tar_extents extents;
	struct cps_tar_entry entry;

	const char *subject; /* what messages call the member; NULL: not known yet */
	uint64_t member_off; /* of its first header block */
	uint8_t block[TAR_BLOCK];
	uint8_t drop[16 << 10]; /* for data nobody wants */
};

/** -EBADMSG: "tar entry 'NAME' at offset N: ...". */
int cps_tar_bad(struct cps_tar *tar, struct cps_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** As cps_tar_bad() with another errno. */
int cps_tar_fail(struct cps_tar *tar, int rc, struct cps_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** Fill `buf` or fail: "ends inside". */
int cps_tar_read_exact(struct cps_tar *tar, void *buf, size_t len, struct cps_err *err);

/** Parse `pax->raw`, which is changed by it. 0, -EBADMSG, -ENOMEM. */
int cps_tar_pax_parse(struct cps_tar *tar, struct tar_pax *pax, struct cps_err *err);
void cps_tar_pax_reset(struct tar_pax *pax);
void cps_tar_pax_release(struct tar_pax *pax);
/** Decimal with an optional '-'. False if it is anything else or does not fit. */
bool cps_tar_decimal(const char *text, int64_t *out);
/** "[-]S[.FRACTION]" rounded down to a nanosecond. */
bool cps_tar_time(const char *text, int64_t *sec, uint32_t *ns);

/** Note the xattr of one record; `key` and `value` may be changed and must outlive
 *  the entry. 1 if the key names an xattr, 0 if not, < 0 as above. */
int cps_tar_xattr_add(struct cps_tar *tar, struct tar_pax *pax, char *key, char *value,
		      size_t value_len, struct cps_err *err);
/** Append the key that says an xattr's name, and say whether the value is to be base64:
 *  a pax key ends at its first '=', so a name that holds one goes as libarchive has it.
 */
int cps_tar_xattr_key(struct cps_buf *out, const char *name, bool *base64);
/** Append `len` bytes as base64 without padding, as libarchive does. */
int cps_tar_base64(struct cps_buf *out, const uint8_t *data, size_t len);
/** Sort what was noted and drop what is overridden. */
int cps_tar_xattr_finish(struct cps_tar *tar, struct tar_pax *pax, struct cps_err *err);

/** One more run, -EBADMSG past CPS_TAR_SPARSE_MAX. */
int cps_tar_extent_add(struct cps_tar *tar, struct tar_extents *list, int64_t logical,
		       int64_t len, struct cps_err *err);
/** If the member is sparse, read its map into `tar->entry`. Comes after the entry's
 *  size is known and moves its data past a map that lies in front. */
int cps_tar_sparse(struct cps_tar *tar, struct cps_err *err);

/** Turn header, records and long names into `tar->entry`. Leaves the stream at the
 *  first stored byte. */
int cps_tar_entry_build(struct cps_tar *tar, struct cps_err *err);

#endif
