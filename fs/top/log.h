#ifndef CPS_TOP_LOG_H
#define CPS_TOP_LOG_H

#include <stdbool.h>

#include "fs/top/change.h"
#include "store/base/err.h"
#include "store/digest.h"

/* The append-only log of a top: a header, then records one after the other.
 *
 *   header   0 "CAPASLOG"  8 u32 version  12 u32 records of the state  16 u64 id
 *            24 chainID (32)  56 u64 XXH3 of the 56 bytes before
 *   record   0 u32 length of the fields  4 u32 length of the bulk  8 u64 sum
 *            16 u64 sequence  24 i64 time (ns)  32 u32 who  36 u16 type  38 u16 zero
 *            40 fields (fs/top/change.h), bulk, bytes up to a multiple of 8
 *
 * Everything little-endian. sum is XXH3 of bytes 16 to the end of the fields, then of
 * the bulk with that as its seed; the first seed mixes the log's id and the lengths, so
 * that no record of another log is taken for one. The sequence counts from 1. Whatever
 * is after the last whole record was never acknowledged, or is damaged.
 *
 * A log may begin with a state, as compaction writes it: that was on disk before
 * anybody relied on it, and its records say each what is, not what changes. So one that
 * cannot be read there is no end: it is passed over, and counted. */

#define CPS_LOG_HEADER 64u

struct cps_toplog;

/** Open or make (`write`) the log `name` below `dirfd`.
 *  chain  what it must be of; -ESTALE when it is of another
 *  -ENOENT; -EBUSY locked by a writer (`write`); -EBADMSG not a log. */
int cps_toplog_open(int dirfd, const char *name, const struct cps_digest *chain,
		    bool write, struct cps_toplog **out, struct cps_err *err);
/** Keep writers away from a log that was opened for reading, until it is closed. -EBUSY
 *  there is one. */
int cps_toplog_hold(struct cps_toplog *log, int dirfd, const char *name,
		    struct cps_err *err);
/** Undo that. */
void cps_toplog_let_go(struct cps_toplog *log);
void cps_toplog_close(struct cps_toplog *log);
CPS_AUTO_DEFINE(struct cps_toplog, cps_toplog_close)

/** Read the next record. Its bytes stay valid until the next call.
 *  1; 0 at the end, or where no whole record follows: then cps_toplog_rest() tells how
 *  much is left; -errno. */
int cps_toplog_next(struct cps_toplog *log, struct cps_change *out);
/** Let what was appended so far be the state that the log begins with. 0; -errno. */
int cps_toplog_end_state(struct cps_toplog *log);
/** Is the record that was read last part of the state? */
bool cps_toplog_in_state(const struct cps_toplog *log);
/** Records of the state that could not be read so far. */
uint64_t cps_toplog_lost(const struct cps_toplog *log);
/** Bytes after the last whole record; zero when the log ends as it should. */
uint64_t cps_toplog_rest(const struct cps_toplog *log);
/** Read no further than `upto` bytes. */
void cps_toplog_limit(struct cps_toplog *log, uint64_t upto);
/** Make what comes after the last whole record go, so that it can be appended to. What
 *  is not only zeros is first copied to `keep` below `dirfd` (replaced). 1 when there
 *  was such; 0; -errno. */
int cps_toplog_cut(struct cps_toplog *log, int dirfd, const char *keep,
		   struct cps_err *err);

/** Put a record in the page cache. `reserve`: a change that frees space may use what is
 *  set aside, others leave it. 0 with bulk_pos set; -ENOSPC, -EIO: nothing was added.
 */
int cps_toplog_append(struct cps_toplog *log, struct cps_change *change, bool reserve);
const struct cps_digest *cps_toplog_chain(const struct cps_toplog *log); /* borrowed */
uint64_t cps_toplog_end(const struct cps_toplog *log);                   /* bytes */
/** A descriptor for syncing, and for reading bulk; borrowed. */
int cps_toplog_fd(const struct cps_toplog *log);

#endif
