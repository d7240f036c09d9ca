#ifndef CPS_TOOLS_IMAGES_H
#define CPS_TOOLS_IMAGES_H

#include "store/image.h"
#include "tools/command.h"

/* What the commands about images share. */

/** Open IMAGE; the message names it. */
int cps_open_image(struct cps_app *app, const char *name, struct cps_image **out);

/** Bytes of an image's blobs and documents. */
uint64_t cps_image_bytes(const struct cps_image *image);

/** The names of a manifest, each once in familiar form: the entries of `list` that have
 *  it. Borrowed from the list. Start with *pos = 0. NULL at the end. */
const char *cps_next_name(const struct cps_image_list *list,
			  const struct cps_digest *manifest, size_t *pos);

/** The familiar form of a name as anybody may have written it; the text itself when it
 *  is no name. Valid until `out` changes. */
const char *cps_familiar_name(const char *text, struct cps_buf *out);

#endif
