#ifndef CPS_INDEX_MERGE_H
#define CPS_INDEX_MERGE_H

#include "store/index/names.h"
#include "store/index/read.h"

/* The indexes of layers on their way to one tree, folder by folder from the root. Each
 * folder has parts, the folders of its path in the layers that count; their dirents are
 * sorted, so that going through all of them abreast brings each name once, with all
 * that the layers say of it. What an upper layer hides is gone through in the same way
 * and noted. Nothing of a layer is copied but what the tree will hold. */

/** One layer. */
struct cps_msource {
	const struct cps_table *t; /* borrowed */
	/* Of each inode its place in the tree plus 1; 0: not met. */
	uint32_t *place;
	/* Taken so far. In a sound index each is taken once; a damaged one must not
	 * make us take them over and over. */
	uint64_t dirents, extents;
	uint16_t layer; /* ordinal */
};

/* What a hostile image can make a merge take. */
#define CPS_HIDDEN_MAX (256u << 20) /* bytes of paths and records of what is hidden */
#define CPS_LOOKUPS_MAX                                                                \
	(UINT32_C(1) << 28) /* in one layer's folder, for links to lower               \
			     * layers: some 20 s */
#define CPS_LINKS_TOLD 16u  /* such links that are warned of one by one */

#define CPS_MERGE_TAKEN UINT32_MAX /* the `place` of a folder */
#define CPS_NO_SOURCE   UINT16_MAX /* of what no layer has */

/** A folder that is to be gone through. */
struct cps_mfolder {
	const char *name;                   /* borrowed from an index */
	const struct cps_tree_frame *frame; /* what is in it instead of parts */
	uint32_t above;            /* the folder it is in; the root's is itself */
	uint32_t part, part_count; /* lowest layer first */
	uint32_t number;           /* in the tree, unless hidden */
	uint16_t name_len;         /* 0: what an opaque folder `above` hides */
	uint16_t by;               /* layer that hides it */
	bool hidden, deleted;
};

/** What has a name in a folder that the tree will hold. */
struct cps_mchild {
	uint32_t name; /* in STRINGS */
	uint16_t name_len;
	uint16_t source;         /* or CPS_NO_SOURCE */
	uint32_t ino;            /* of the source's; CPS_NONE: no layer describes it */
	uint32_t folder;         /* among the merge's folders; CPS_NONE: it is none */
	uint32_t order;          /* in the source's stream */
	uint32_t text, text_len; /* of what no layer describes and is no folder */
	uint16_t mode;           /* of the same */
};

struct cps_merge {
	struct cps_msource *sources;
	size_t source_count;
	bool raw; /* one layer each: whiteouts are shown, not applied */
	const struct cps_tree_frame *frames; /* what is in the root instead of parts */
	size_t frame_count;

	struct cps_mfolder *folders; /* 0 is the root */
	size_t folder_count, folder_cap;
	struct cps_npart *parts;
	size_t part_count, part_cap;
	struct cps_names names;

	struct cps_mchild *children; /* of the folder at hand */
	size_t child_count, child_cap;
	struct cps_mrank *ranks;
	size_t rank_cap;

	struct cps_buf *out; /* header and INODES; the others come behind them */
	uint32_t inode_count, names_max;
	size_t hidden_max, hidden_bytes;      /* may be taken for what is hidden; are */
	uint32_t lookups_max, lookups, links; /* the same for links to lower layers */
	struct cps_buf dirents, strings, xattrs, extents, hidden;
	struct cps_intern *string_set, *xattr_sets;
	struct cps_err *err;
};

/* ---- merge.c ---- */

/** Room for `layers`. Whatever it says, end it with cps_merge_release(). */
int cps_merge_init(struct cps_merge *m, size_t layers, struct cps_buf *out,
		   struct cps_err *err);
void cps_merge_release(struct cps_merge *m);
int cps_merge_source(struct cps_merge *m, const struct cps_tree_layer *layer,
		     uint16_t ordinal);
/** All of it, into `out`, which stays empty on failure. */
int cps_merge_run(struct cps_merge *m, const struct cps_digest *key);

/* ---- folders.c ---- */

int cps_merge_damaged(struct cps_merge *m, uint16_t source);

/** A folder more. Its place among the folders or -ENOMEM. */
int64_t cps_merge_folder(struct cps_merge *m, uint32_t above, const char *name,
			 uint16_t name_len);
/** A layer's folder comes over what the newest folder (or the newest but for what it
 *  hid) is made of. 0; -EBADMSG it came already; -ENOMEM. */
int cps_merge_over(struct cps_merge *m, uint32_t folder, uint16_t source, uint32_t ino);
/** Does a layer describe the folder, or only imply it? */
bool cps_merge_describes(const struct cps_merge *m, uint16_t source, uint32_t ino);
/** Go through the parts of a folder: its names become children, or are hidden. */
int cps_merge_names(struct cps_merge *m, uint32_t folder);

/* ---- hidden.c ---- */

/** Note that layer `by` hides the inode that `name` in `folder` means. */
int cps_merge_hide(struct cps_merge *m, uint32_t folder, const char *name,
		   uint16_t name_len, const struct cps_npart *what, uint16_t by,
		   bool deleted);

/* ---- below.c ---- */

/** The inode that a link of layer `link->source` to a lower layer means: `link`
 *  becomes it. 0; -EBADMSG nobody has it; -ENOMEM. */
int cps_merge_link(struct cps_merge *m, struct cps_npart *link);

/* ---- emit.c ---- */

/** Bytes in STRINGS. 0 or -ENOMEM. */
int cps_merge_string(struct cps_merge *m, const void *text, size_t len, uint32_t *out);
/** One child more of the folder at hand. `name` is copied. */
int cps_merge_child(struct cps_merge *m, const char *name, size_t name_len,
		    const struct cps_mchild *child);
/** Write the root's inode. */
int cps_merge_emit_root(struct cps_merge *m, const struct cps_mchild *root);
/** Write the children of a folder, whose inode is written. */
int cps_merge_emit(struct cps_merge *m, uint32_t folder);
/** The whole file, when all folders are written. */
int cps_merge_finish(struct cps_merge *m, const struct cps_digest *key);

/* ---- views.c ---- */

/** What is in the root of a view of all layers, and in each of its folders. */
int cps_merge_frames(struct cps_merge *m);
int cps_merge_frame(struct cps_merge *m, uint32_t folder);

#endif
