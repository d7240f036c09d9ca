#ifndef CPS_TREE_H
#define CPS_TREE_H

#include "store/layer_index.h"

/* The merged view of a chain of layers: one position-addressed file of inodes and
 * dirents (tree/sha256/<chainID>). A lookup costs the same whatever the number of
 * layers. Read-only; safe from any thread; every access is bounds-checked, because a
 * cache file is hostile input. */

#define CPS_TREE_ROOT  0u      /* inode position of the root */
#define CPS_LAYER_NONE 0xffffu /* made by no layer: an implied root, a view's frame */
/* What a hostile image can make a tree take; an entry costs some 104 bytes. */
#define CPS_TREE_NAMES_MAX (16u << 20) /* of all folders */
#define CPS_TREE_TEXT_MAX  (1u << 30)  /* bytes of names, xattrs and maps of holes */

#define CPS_LAYERS_MAX 1024u

/** One layer handed to a merge, lowest first. */
struct cps_tree_layer {
	const struct cps_index *index; /* borrowed */
	struct cps_digest diff_id;
};

/** containerd's merge of `count` layers (spec: image-spec layer.md; containerd
 *  pkg/archive/tar.go). `key` is the chainID the file is of. */
int cps_tree_merge(const struct cps_tree_layer *layers, size_t count,
		   const struct cps_digest *key, struct cps_buf *out,
		   struct cps_err *err);

/** One layer as it is, whiteouts and opaque markers shown as empty files. `ordinal` is
 *  what cps_inode.layer says. */
int cps_tree_single(const struct cps_tree_layer *layer, uint16_t ordinal,
		    struct cps_buf *out, struct cps_err *err);

/** A small text file in the frame of cps_tree_frames(). */
struct cps_tree_note {
	const char *name;
	const char *text;
};

/** One folder of the `--layers` view: DIR/<name>/files is the layer as
 *  cps_tree_single() shows it, beside it the notes ("digest", "instruction", …). */
struct cps_tree_frame {
	const char *name; /* "1", "2", … */
	struct cps_tree_layer layer;
	const struct cps_tree_note *notes;
	size_t note_count;
};

int cps_tree_frames(const struct cps_tree_frame *frames, size_t count,
		    struct cps_buf *out, struct cps_err *err);

struct cps_tree;

/** key  NULL: any. -EBADMSG damaged or of another chain. `data` is borrowed. */
int cps_tree_open(const void *data, size_t len, const struct cps_digest *key,
		  struct cps_tree **out, struct cps_err *err);
int cps_tree_verify(const struct cps_tree *tree, struct cps_err *err);
void cps_tree_close(struct cps_tree *tree);
CPS_AUTO_DEFINE(struct cps_tree, cps_tree_close)

enum cps_inode_flags {
	CPS_INODE_SPARSE = 1, /* content through cps_tree_extents() */
	CPS_INODE_INLINE = 2, /* content through cps_tree_inline(), no layer's bytes */
	CPS_INODE_XATTRS = 4, /* has at least one */
};

struct cps_inode {
	uint64_t size; /* logical bytes; of a symlink, its length */
	uint64_t
		data; /* regular, neither sparse nor inline: offset in layer's stream */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t mode; /* with the S_IFMT bits */
	uint32_t uid, gid, nlink;
	uint32_t rdev_major, rdev_minor;
	uint16_t layer; /* ordinal of the layer that it comes from, or CPS_LAYER_NONE */
	uint16_t flags;
	uint32_t parent;   /* of a directory; the root's is itself */
	uint32_t children; /* of a directory: number of dirents */
};

uint32_t cps_tree_inode_count(const struct cps_tree *tree);
uint64_t cps_tree_total_bytes(const struct cps_tree *tree); /* sum of regular sizes */
/** 0; -ENOENT no such position; -EIO the file lies. */
int cps_tree_inode(const struct cps_tree *tree, uint32_t ino, struct cps_inode *out);
/** 0 with *ino; -ENOENT; -ENOTDIR; -EIO. */
int cps_tree_lookup(const struct cps_tree *tree, uint32_t dir, const char *name,
		    size_t len, uint32_t *ino);

struct cps_dirent {
	const char *name; /* not NUL-terminated; borrowed from the tree */
	uint16_t name_len;
	uint8_t type; /* DT_* */
	uint32_t ino;
};

/** The `pos`-th entry (from 0) of a directory in the order of the data in the layers'
 *  streams, so that reading files in readdir order is a sequential read of the blob.
 *  1; 0 at the end; -ENOTDIR; -EIO. "." and ".." are not among them. */
int cps_tree_readdir(const struct cps_tree *tree, uint32_t dir, uint32_t pos,
		     struct cps_dirent *out);
/** The same in name order. */
int cps_tree_readdir_sorted(const struct cps_tree *tree, uint32_t dir, uint32_t pos,
			    struct cps_dirent *out);
/** A symlink's target, borrowed, not NUL-terminated; a regular inline file's bytes. */
int cps_tree_inline(const struct cps_tree *tree, uint32_t ino, const char **text,
		    size_t *len);
/** The `pos`-th xattr. 1, 0 at the end, -EIO. trusted.overlay.* and user.overlay.* of
 *  layers are never among them. */
int cps_tree_xattr(const struct cps_tree *tree, uint32_t ino, uint32_t pos,
		   struct cps_tar_xattr *out, size_t *name_len);
/** May an inode have an xattr whose name begins with `prefix`? No is certain. Looks at
 *  the few distinct sets and not at the inodes. */
bool cps_tree_may_have_xattr(const struct cps_tree *tree, const char *prefix);
/** The `pos`-th extent of a sparse file. 1, 0 at the end, -EIO. */
int cps_tree_extent(const struct cps_tree *tree, uint32_t ino, uint32_t pos,
		    struct cps_extent *out);
/** The first extent that ends after `off`; *pos becomes its number. The same values. */
int cps_tree_extent_at(const struct cps_tree *tree, uint32_t ino, uint64_t off,
		       uint32_t *pos, struct cps_extent *out);

/** What an upper layer shadowed or deleted. */
struct cps_hidden {
	uint32_t dir; /* inode position of the folder it was in (nearest that lives) */
	const char *path; /* path from the root, borrowed, not NUL-terminated */
	size_t path_len;
	uint64_t size;
	uint16_t layer; /* that held it */
	uint16_t by;    /* that hid it */
	bool deleted;   /* by a whiteout or an opaque folder; else replaced */
};

/** Iterates; start with *pos = 0. 1, 0 at the end, -EIO. */
int cps_tree_hidden(const struct cps_tree *tree, uint32_t *pos, struct cps_hidden *out);

#endif
