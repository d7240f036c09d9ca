#ifndef CPS_ROOT_H
#define CPS_ROOT_H

#include "store/content.h"
#include "store/image.h"
#include "store/progress.h"
#include "store/tree.h"

/* A root filesystem ready to be read: a tree with the contents of its layers open. The
 * driver serves it, `ls`, `cat`, `find` and `cp` walk it without any mount. */

enum cps_root_view {
	CPS_VIEW_MERGED, /* layers 1..upto */
	CPS_VIEW_LAYER,  /* one layer, whiteouts shown */
	CPS_VIEW_LAYERS, /* every layer a folder */
};

struct cps_root_opts {
	enum cps_root_view view;
	unsigned int
		layer; /* VIEW_LAYER: which, from 1; VIEW_MERGED: the last; 0 all */
	size_t cache_bytes;  /* 0: CPS_CACHE_DEFAULT */
	uint64_t keep_bytes; /* of decoded content, for later mounts; 0: none */
	unsigned int workers;
	struct cps_progress progress; /* of layers that are read for the first time */
};

struct cps_root {
	struct cps_image *image; /* owned */
	struct cps_tree *tree;
	struct cps_cache *cache;
	struct cps_content **contents; /* by layer ordinal */
	size_t content_count;
	struct cps_map map;
	struct cps_buf mem; /* holds a tree that is in no file */
};

/** Index what was not indexed yet, merge what was not merged yet (both are kept in the
 *  store), open contents. `image` is taken, also on failure. -EBADMSG for a layer whose
 *  digest or diffID is not what manifest or config say. */
int cps_root_open(struct cps_store *store, struct cps_image *image,
		  const struct cps_root_opts *opts, struct cps_root **out,
		  struct cps_err *err);
void cps_root_close(struct cps_root *root);
CPS_AUTO_DEFINE(struct cps_root, cps_root_close)

/** Read a file's bytes, holes and inline content included. `flags` as for
 *  cps_content_pread(). Bytes, 0 at the end, -errno. */
ssize_t cps_root_pread(struct cps_root *root, uint32_t ino, void *buf, size_t len,
		       uint64_t off, unsigned int flags);

/** Walk a path from outside: symlinks are followed inside the root, never out of it, at
 *  most 40. `nofollow` leaves the last one. 0; -ENOENT; -ENOTDIR; -ELOOP. */
int cps_root_walk(struct cps_root *root, const char *path, bool nofollow,
		  uint32_t *ino);

/** "layer 2 sha256:…: RUN apt-get install git": which layer an inode comes from. */
int cps_root_origin(const struct cps_root *root, uint16_t layer, struct cps_buf *out);

/** One pass over a layer: verify digest and diffID, publish index and restart points,
 *  and, when `blob_writer` is not NULL, store the bytes as they come.
 *  read         the blob's bytes, compressed as they are; called by one thread at a
 *               time, not always the same
 *  digest       expected, or zero for "tell me"; likewise diff_id. Both are set. */
struct cps_ingest {
	cps_read_fn read;
	void *ctx;
	struct cps_digest digest;
	struct cps_digest diff_id;
	uint64_t size_bytes;   /* out: of the blob */
	uint64_t output_bytes; /* out: uncompressed */
	bool keep_blob;        /* store the blob too */
	bool lowest;           /* none is below: every hard link must find its target */
	uint64_t max_output_bytes; /* 0: no limit */
};

int cps_layer_ingest(struct cps_store *store, struct cps_ingest *job,
		     struct cps_err *err);

#endif
