#ifndef CPS_ARCHIVE_H
#define CPS_ARCHIVE_H

#include "store/image.h"

/* Images of somebody else's, read in place: an OCI layout in a folder, or an archive of
 * one (oci-archive), or what docker save writes, old and new (docker-archive). */

struct cps_archive;

/** A layout folder.
 *  platform  of images that there are for several; borrowed, must outlive the archive;
 *            NULL: this machine's */
int cps_archive_open_layout(const char *path, const struct cps_platform *platform,
			    struct cps_archive **out, struct cps_err *err);
/** An archive, from the descriptor's position to its end; a pipe or a compressed
 * archive is first copied to an unnamed file of the store. `fd` is borrowed. */
int cps_archive_open_fd(struct cps_store *store, int fd,
			const struct cps_platform *platform, struct cps_archive **out,
			struct cps_err *err);
/** The one image of a folder that skopeo's dir: wrote. -ENOTSUP: it is none. */
int cps_archive_open_dir(const char *path, const struct cps_platform *platform,
			 struct cps_image **out, struct cps_err *err);
size_t cps_archive_count(const struct cps_archive *archive);
/** Names of an image as the archive gives them; borrowed. */
void cps_archive_names(const struct cps_archive *archive, size_t i,
		       const char *const **names, size_t *count);
/** Open an image. names, count  may be NULL; borrowed */
int cps_archive_image(struct cps_archive *archive, size_t i, struct cps_image **out,
		      const char *const **names, size_t *count, struct cps_err *err);
void cps_archive_close(struct cps_archive *archive);
CPS_AUTO_DEFINE(struct cps_archive, cps_archive_close)

#endif
