#ifndef CPS_TOPS_H
#define CPS_TOPS_H

#include "store/image.h"

/* The registry of writable tops (containers): one folder tops/<id>/ each, which holds
 * top.json, and the log and data that fs/top/ keeps there. */

#define CPS_TOP_ID_LEN   65  /* 64 hex digits with the NUL */
#define CPS_TOP_NAME_MAX 128 /* bytes of a name */

/** What top.json says. */
struct cps_top_info {
	char id[CPS_TOP_ID_LEN];
	char *name;                 /* owned */
	char *image;                /* owned; as the user named it */
	struct cps_digest manifest; /* of the image that the top stands on */
	struct cps_digest chain_id; /* its tree; zero for an image without layers */
	struct cps_digest image_id;
	char created[32]; /* RFC 3339 in UTC */
};

void cps_top_info_release(struct cps_top_info *info);

static inline void cps_top_info_auto(struct cps_top_info *info)
{
	cps_top_info_release(info);
}

/** A new top over `image`, which must be in the store: it stays there as long as the
 *  top does. A crash leaves no half top.
 *  name        NULL: the start of the ID; else [a-zA-Z0-9][a-zA-Z0-9_.-]+
 *  image_text  what the user called the image
 *  0; -EINVAL not a name; -EEXIST taken; -ENOENT the image is not in the store. */
int cps_tops_create(struct cps_store *store, const char *name, const char *image_text,
		    const struct cps_image *image, struct cps_top_info *out,
		    struct cps_err *err);

struct cps_container_config;

/** The same for a container: its config is there with it, and without a name it gets
 *  one of two words. */
int cps_tops_create_container(struct cps_store *store, const char *name,
			      const char *image_text, const struct cps_image *image,
			      const struct cps_container_config *config,
			      struct cps_top_info *out, struct cps_err *err);

/** Another name for a top, used or not. -EINVAL not a name; -EEXIST taken. */
int cps_tops_rename(struct cps_store *store, struct cps_top_info *info,
		    const char *name, struct cps_err *err);

/** By name, ID, or a unique prefix of the ID of at least 4 digits. -ENOENT; -EEXIST
 *  an ambiguous prefix; -EBADMSG its top.json cannot be read. */
int cps_tops_find(struct cps_store *store, const char *text, struct cps_top_info *out,
		  struct cps_err *err);

struct cps_top_list {
	struct cps_top_info *tops; /* oldest first */
	size_t count, cap;
};

/** Those that cannot be read are left out with a warning. */
int cps_tops_list(struct cps_store *store, struct cps_top_list *out,
		  struct cps_err *err);
/** Append a copy. 0 or -ENOMEM. */
int cps_top_list_add(struct cps_top_list *list, const struct cps_top_info *info);
void cps_top_list_release(struct cps_top_list *list);

static inline void cps_top_list_auto(struct cps_top_list *list)
{
	cps_top_list_release(list);
}

/** Open the folder of a top. The descriptor holds a lock that keeps the top from being
 *  removed; keep it as long as the top is used. An fd; -ENOENT; -errno. */
int cps_tops_dir(struct cps_store *store, const struct cps_top_info *info,
		 struct cps_err *err);

/** The same without the lock, for a short look at what may be removed meanwhile. */
int cps_tops_peek(struct cps_store *store, const struct cps_top_info *info,
		  struct cps_err *err);

/** The image that a top stands on, by its manifest, whatever names it has now. */
int cps_tops_image(struct cps_store *store, const struct cps_top_info *info,
		   struct cps_image **out, struct cps_err *err);

/** Remove a top and all that was written to it. -EBUSY while it is mounted or read. */
int cps_tops_remove(struct cps_store *store, const struct cps_top_info *info,
		    struct cps_err *err);

/** Told for each folder of tops/.
 *  info  NULL when it cannot be read, *why says why; borrowed
 *  Returns 0 to go on; anything else ends the walk and is its result. */
typedef int (*cps_tops_fn)(void *ctx, const char *folder,
			   const struct cps_top_info *info, const char *why);

int cps_tops_each(struct cps_store *store, cps_tops_fn fn, void *ctx,
		  struct cps_err *err);

#endif
