#ifndef CPS_BLOB_H
#define CPS_BLOB_H

#include "store/base/buf.h"
#include "store/store.h"

/** Immutable bytes: a run inside an open file. A blob of the store is a whole file;
 *  a member of an archive that is read in place starts somewhere inside it. */
struct cps_blob {
	int fd;        /* owned; -1 when closed */
	uint64_t base; /* bytes before the blob in the file */
	uint64_t size; /* bytes */
};

#define CPS_BLOB_INIT { .fd = -1 }

/** Open a blob of the store. The digest is not verified here (every reader of content
 *  checks spans or re-hashes); size and kind are. -ENOENT with the digest named. */
int cps_blob_open(const struct cps_store *store, const struct cps_digest *digest,
		  struct cps_blob *out, struct cps_err *err);
/** A second handle on the same bytes (dup). */
int cps_blob_dup(const struct cps_blob *blob, struct cps_blob *out, struct cps_err *err);
/** Bytes read, fewer only at the blob's end; -errno. */
ssize_t cps_blob_pread(const struct cps_blob *blob, void *buf, size_t len,
		       uint64_t off);
/** All of it, verified against `digest` unless NULL. -EFBIG over out's limit,
 *  -EBADMSG on a wrong digest. */
int cps_blob_read(const struct cps_blob *blob, const struct cps_digest *digest,
		  struct cps_buf *out, struct cps_err *err);
void cps_blob_close(struct cps_blob *blob);

static inline void cps_blob_auto(struct cps_blob *blob)
{
	cps_blob_close(blob);
}

/** Is there a blob of that name? */
bool cps_blob_exists(const struct cps_store *store, const struct cps_digest *digest);

/** A blob on its way in. */
struct cps_blob_writer;

int cps_blob_begin(const struct cps_store *store, struct cps_blob_writer **out,
		   struct cps_err *err);
int cps_blob_append(struct cps_blob_writer *w, const void *data, size_t len,
		    struct cps_err *err);
/** Digest and size of what was appended; no more may be appended. */
void cps_blob_digest(struct cps_blob_writer *w, struct cps_digest *out, uint64_t *size);
/** The bytes so far, for reading before the commit (a dup). */
int cps_blob_peek(struct cps_blob_writer *w, struct cps_blob *out, struct cps_err *err);
/** Sync, verify and publish, in place of a blob that has the name already: that one may
 *  be damaged. Ends the writer, also on failure.
 *  expected  NULL: whatever it is; else -EBADMSG when the digest differs
 *  out       may be NULL; the digest */
int cps_blob_commit(struct cps_blob_writer *w, const struct cps_digest *expected,
		    struct cps_digest *out, struct cps_err *err);
void cps_blob_abort(struct cps_blob_writer *w);
CPS_AUTO_DEFINE(struct cps_blob_writer, cps_blob_abort)

/** Small documents in one call. */
int cps_blob_put(const struct cps_store *store, const void *data, size_t len,
		 struct cps_digest *out, struct cps_err *err);

#endif
