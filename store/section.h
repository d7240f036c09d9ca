#ifndef CPS_SECTION_H
#define CPS_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/digest.h"

/* The one shape of all derived files (seek tables, layer indexes, merged trees): a
 * header, a table of sections, the sections. Little-endian; each section starts at a
 * multiple of CPS_SECTION_ALIGN.
 *
 *   0  magic "CAPASIX\0"    8  u16 major, u16 minor   12 u32 kind
 *   16 u64 header_xxh3, over all of header and section table behind this field
 *   24 u64 params           32 u64 file_size
 *   40 u32 section count    44 u32 flags (none known: anything set is refused)
 *   48 u8  key_alg, pad[7]  56 u8 key[32]             88 u8 src[32]
 *   120 section table: {u32 type, u32 entsize, u64 off, u64 len, u64 xxh3} each */

#define CPS_SECTION_MAJOR       1
#define CPS_SECTION_MINOR       0
#define CPS_SECTION_ALIGN       8
#define CPS_SECTION_HEADER_SIZE 120 /* bytes before the section table */
#define CPS_SECTION_ENTRY_SIZE  32  /* bytes of one line of the table */
#define CPS_SECTIONS_MAX        64  /* sections in one file */

/** Four letters as they stand in the file: CPS_FOURCC('S', 'E', 'E', 'K'). */
#define CPS_FOURCC(a, b, c, d)                                                         \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

#define CPS_KIND_SEEK CPS_FOURCC('S', 'E', 'E', 'K') /* key: blob digest */
#define CPS_KIND_TOC  CPS_FOURCC('T', 'O', 'C', '1') /* key: diffID */
#define CPS_KIND_TREE CPS_FOURCC('M', 'R', 'G', '1') /* key: chainID */

/** An open file: borrowed bytes whose header was checked. Read-only, any thread. */
struct cps_sections {
	const uint8_t *data; /* borrowed */
	size_t len;          /* bytes */
	uint32_t count;      /* sections */
	uint64_t params;     /* the writer's build parameters */
};

/** Check magic, version, kind, size, header checksum, and that every section lies
 *  aligned inside the file and holds whole entries. Section contents are not read.
 *  data  borrowed; 8-byte aligned when the caller wants to use aligned loads
 *  key   NULL: whatever it is
 *  Returns 0; -EBADMSG damaged, of another kind, version or key. */
int cps_sections_open(const void *data, size_t len, uint32_t kind,
		      const struct cps_digest *key, struct cps_sections *out,
		      struct cps_err *err);

/** Find a section. `count` gets its number of entries. `ptr` and `count` may be NULL.
 *  Returns 0; -ENOENT there is none; -EBADMSG its entries have another size. */
int cps_section_get(const struct cps_sections *s, uint32_t type, uint32_t entsize,
		    const void **ptr, uint64_t *count);

/** Compare every section's checksum (reads the whole file). 0 or -EBADMSG. */
int cps_sections_verify(const struct cps_sections *s, struct cps_err *err);
/** One section only. 0; -ENOENT; -EBADMSG. */
int cps_section_verify(const struct cps_sections *s, uint32_t type,
		       struct cps_err *err);

/** A file on its way out. Section data is borrowed until cps_section_finish(). */
struct cps_section_writer {
	uint32_t kind;
	uint32_t count;
	uint64_t params; /* may be set by the caller before finishing; starts as 0 */
	struct cps_digest key;
	struct cps_digest src;
	struct {
		uint32_t type;
		uint32_t entsize;
		const void *data;
		size_t len;
	} sections[CPS_SECTIONS_MAX];
};

/** Bytes before the first of `count` sections. */
static inline size_t cps_sections_head(uint32_t count)
{
	return CPS_SECTION_HEADER_SIZE + (size_t)count * CPS_SECTION_ENTRY_SIZE;
}

/** Make room in `out`, which must be empty, for the head of a file of `count` sections.
 *  What is appended to `out` from then on is the first of them, so that a large one is
 *  not copied: cps_section_add() gets NULL and its length. 0, -EFBIG, -ENOMEM. */
int cps_section_place(struct cps_buf *out, uint32_t count);

/** key, src  copied; NULL leaves them zero */
void cps_section_begin(struct cps_section_writer *w, uint32_t kind,
		       const struct cps_digest *key, const struct cps_digest *src);
/** Add `len` bytes of entries of `entsize` bytes (1 for plain bytes). An empty section
 *  is fine.
 *  data  borrowed until cps_section_finish()
 *  Returns 0; -EINVAL not whole entries or a type used twice; -ENOSPC too many. */
int cps_section_add(struct cps_section_writer *w, uint32_t type, uint32_t entsize,
		    const void *data, size_t len);
/** Append the whole file to `out`, which must be empty or hold the first section.
 *  0; -EFBIG over out's limit; -ENOMEM. */
int cps_section_finish(struct cps_section_writer *w, struct cps_buf *out);

#endif
