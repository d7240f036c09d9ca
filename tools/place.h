#ifndef CPS_TOOLS_PLACE_H
#define CPS_TOOLS_PLACE_H

#include "store/root.h"
#include "tools/command.h"

/** SOURCE:PATH taken apart, and the root that it names. */
struct cps_place {
	char *source;          /* owned */
	const char *path;      /* borrowed from the text; "/" when none was given */
	bool has_path;         /* one was given */
	struct cps_root *root; /* owned */
};

/** Take `text` apart. PATH begins at ":/": the first of an IMAGE, and of the sources
 * that name a file the first with a file before it. -ENOMEM. */
int cps_place_parse(const char *text, struct cps_place *out);

/** Open the root with the view that --layer and --upto ask for.
 *  0; an exit status after telling what is wrong with the options; -errno with the
 *  message set. */
int cps_place_open(struct cps_app *app, const struct cps_command *cmd,
		   const struct cps_args *args, struct cps_place *place);
void cps_place_release(struct cps_place *place);

static inline void cps_place_auto(struct cps_place *place)
{
	cps_place_release(place);
}

/** The inode of place->path. -errno with the message set. */
int cps_place_walk(struct cps_app *app, const struct cps_place *place, bool nofollow,
		   uint32_t *ino);

/** What --platform says, in `room`; *out is NULL when it was not given. 0, or an exit
 *  status after telling what is wrong. */
int cps_platform_option(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_platform *room, const struct cps_platform **out);

/** A number of a layer, from 1. NULL gives 0. 0 or -EINVAL. */
int cps_layer_number(const char *text, unsigned int *out);

#endif
