#ifndef CPS_TRANSFER_H
#define CPS_TRANSFER_H

#include "store/image.h"
#include "store/progress.h"
#include "store/tar.h"

/* Images in and out of the store: import, load, save. Blobs and configs keep their
 * bytes; nothing is named before all of it is in place and verified. */

struct cps_import_opts {
	const char *message; /* history comment, NULL: none */
	const char *origin;  /* what it was read from, for created_by; borrowed */
	const char *const *changes; /* Dockerfile lines: CMD ENTRYPOINT ENV EXPOSE LABEL
				     * STOPSIGNAL USER VOLUME WORKDIR */
	size_t change_count;
	int64_t created_s; /* Unix time of the image */
	struct cps_progress progress;
};

/** A root filesystem archive (a tar, plain or in any compression) becomes a one-layer
 *  image named `name`. A gzip, zstd or plain tar keeps its bytes as the layer's blob;
 *  other compressions become an uncompressed layer.
 *  fd   read to its end, may be a pipe
 *  id   out: the image ID */
int cps_import(struct cps_store *store, int fd, const char *name,
	       const struct cps_import_opts *opts, struct cps_digest *id,
	       struct cps_err *err);

/** The same of a tar stream that is made for it: `read` gives it piece by piece, by one
 *  thread at a time, not always the same. */
int cps_import_stream(struct cps_store *store, cps_read_fn read, void *ctx,
		      const char *name, const struct cps_import_opts *opts,
		      struct cps_digest *id, struct cps_err *err);

/** Told for each image that was loaded: a name, or NULL for an untagged one.
 *  displaced  the name meant another image before */
typedef void (*cps_loaded_fn)(void *ctx, const char *name, const struct cps_digest *id,
			      bool displaced);

/** Every image of an archive (docker-archive of any age, oci-archive, compressed or
 *  not) read from `fd`, which may be a pipe.
 *  platform  which of several, as for cps_source_open() */
int cps_load(struct cps_store *store, int fd, const struct cps_platform *platform,
	     const struct cps_progress *progress, cps_loaded_fn loaded, void *ctx,
	     struct cps_err *err);

enum cps_archive_format { CPS_SAVE_DOCKER, CPS_SAVE_OCI };
enum cps_save_compress { CPS_SAVE_KEEP, CPS_SAVE_GZIP, CPS_SAVE_ZSTD, CPS_SAVE_NONE };

/** Write images as one archive. The docker form is an OCI layout with a manifest.json
 *  beside it, as docker save has written since 25; old and new readers take it.
 *  compress  other than KEEP recompresses layers and rewrites their manifests */
int cps_save(struct cps_store *store, int fd, const char *const *names, size_t count,
	     enum cps_archive_format format, enum cps_save_compress compress,
	     const struct cps_progress *progress, struct cps_err *err);

#endif
