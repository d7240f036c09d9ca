#ifndef CPS_MAINTAIN_H
#define CPS_MAINTAIN_H

#include "store/image.h"
#include "store/progress.h"

/* Keeping a store: what it holds, what can go, what is broken. */

struct cps_gc_result {
	uint64_t blobs, derived; /* files removed */
	uint64_t bytes;          /* of all of them */
	uint64_t untagged;       /* images removed */
};

struct cps_gc_opts {
	bool untagged; /* also drop images that have no name and carry no top */
	bool dry_run;
	bool prune;             /* derived files of images that are there, too: */
	uint64_t keep_bytes;    /* so many may stay, those that were used last */
	int64_t unused_since_s; /* and all that were used since; Unix time */
	/** Of the untagged ones, which; NULL: all. One that cannot be opened stays. */
	bool (*takes)(void *ctx, const struct cps_image *image);
	void *takes_ctx;
};

/** Remove blobs that no entry of index.json and no top reaches, derived files of layers
 *  that are gone, unfinished work. Waits for writers; running mounts keep what they
 * have open. Refused with -EBADMSG while a document that would keep blobs cannot be
 * read. */
int cps_gc(struct cps_store *store, const struct cps_gc_opts *opts,
	   struct cps_gc_result *out, struct cps_err *err);

enum cps_fsck_kind {
	CPS_FSCK_MISSING,  /* a blob that an image needs */
	CPS_FSCK_DAMAGED,  /* bytes are not what the digest says */
	CPS_FSCK_DOCUMENT, /* index.json, top.json, a manifest or config unreadable */
	CPS_FSCK_DERIVED,  /* a derived file; harmless, rebuilt on use */
	CPS_FSCK_STRAY,    /* a file that has no business where it is */
};

/** Told for each finding. `what` names the file, `why` the cause and the images that
 *  need it. `repaired` when it was mended. */
typedef void (*cps_fsck_fn)(void *ctx, enum cps_fsck_kind kind, const char *what,
			    const char *why, bool repaired);

/** Hash every blob, read every document, verify every derived file.
 *  progress  of the hashing; may be NULL
 *  repair  drop damaged derived files, and damaged blobs so that a load or pull brings
 *          them back
 *  Returns the number of findings that are left, or -errno. */
int cps_fsck(struct cps_store *store, bool repair, const struct cps_progress *progress,
	     cps_fsck_fn found, void *ctx, struct cps_err *err);

struct cps_usage {
	uint64_t images, image_bytes;    /* reachable blobs */
	uint64_t garbage, garbage_bytes; /* blobs that gc would remove */
	uint64_t derived, derived_bytes; /* indexes, seek tables, trees, spans */
	uint64_t tops, top_bytes;        /* containers: logs and their data */
};

int cps_df(struct cps_store *store, struct cps_usage *out, struct cps_err *err);

#endif
