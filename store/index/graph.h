#ifndef CPS_INDEX_GRAPH_H
#define CPS_INDEX_GRAPH_H

#include "store/base/buf.h"
#include "store/layer_index.h"
#include "store/tree.h"

/* A filesystem tree that can still change: what the index of a layer is built in. Names
 * (dents) and inodes are apart, so that hard links are simply several dents of one
 * inode. Written out by cps_graph_write(). */

#define CPS_NONE UINT32_MAX

/* Inode flags beyond the public ones; they stay inside index files. */
enum {
	CPS_INODE_SYNTH = 0x100,  /* a parent that the layer did not name */
	CPS_INODE_OPAQUE = 0x200, /* a folder that hides what is below its namesake */
	CPS_INODE_LINK = 0x400,   /* a hard link whose target is in a lower layer */
	CPS_INODE_WHITEOUT = 0x800,
};

struct cps_gnode_inode {
	uint64_t data, size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint16_t mode, flags; /* mode with S_IFMT */
	uint32_t uid, gid;
	uint32_t xattr; /* offset in the xattr arena plus 1; 0: none */
	uint32_t ext, ext_count;
	uint32_t dent; /* of a directory: its only name */
};

struct cps_gnode_dent {
	uint32_t parent; /* dent of the folder; CPS_NONE for the root */
	uint32_t inode;
	uint32_t name, name_len; /* in the string arena */
	uint32_t first, next;    /* children and siblings */
	uint32_t chain;          /* next of the same hash */
	uint32_t order;          /* rank in its layer's stream */
	bool dead;
	bool hides; /* a folder of this name would be opaque */
};

struct cps_graph {
	struct cps_gnode_inode *inodes;
	size_t inode_count, inode_cap;
	struct cps_gnode_dent *dents; /* 0 is the root */
	size_t dent_count, dent_cap;
	uint32_t *buckets; /* dents by (parent, name) */
	size_t bucket_count;
	uint64_t seed; /* of the buckets' hash */
	struct cps_extent *extents;
	size_t extent_count, extent_cap;
	struct cps_buf strings, xattrs;
	struct cps_intern *names, *sets;
};

int cps_graph_init(struct cps_graph *g);
void cps_graph_release(struct cps_graph *g);

/** A fresh inode, all zero. Its number or -ENOMEM. */
int64_t cps_graph_inode(struct cps_graph *g);
/** Give `inode` a name in folder `parent` (a dent), which has none of that name alive.
 *  The dent's number or -ENOMEM. */
int64_t cps_graph_link(struct cps_graph *g, uint32_t parent, const char *name,
		       size_t len, uint32_t inode, uint32_t order);
/** The live dent of that name, or CPS_NONE. */
uint32_t cps_graph_find(const struct cps_graph *g, uint32_t parent, const char *name,
			size_t len);
/** Take a name away, and all below it. */
void cps_graph_unlink(struct cps_graph *g, uint32_t dent);
/** Intern bytes. Offset or -ENOMEM, -EFBIG. */
int64_t cps_graph_string(struct cps_graph *g, const char *text, size_t len);
/** Intern an encoded xattr set. Offset plus 1, 0 for none, or -errno. */
int64_t cps_graph_xattr_set(struct cps_graph *g, const void *set, size_t len);
/** A folder of mode 0755 that nobody described. Its dent or -ENOMEM. */
int64_t cps_graph_mkdir(struct cps_graph *g, uint32_t parent, const char *name,
			size_t len, uint32_t order);

/** Let an inode be what a member says that is no hard link. What it hides stays. 0;
 *  -ENOMEM, -EFBIG. */
int cps_graph_describe(struct cps_graph *g, uint32_t inode,
		       const struct cps_tar_entry *e);

static inline struct cps_gnode_inode *cps_graph_of(const struct cps_graph *g,
						   uint32_t dent)
{
	return &g->inodes[g->dents[dent].inode];
}

/** Where a path walk ends. */
struct cps_gwalk {
	uint32_t dir;     /* dent of the folder of the last component */
	const char *name; /* last component, borrowed; NULL: `dir` itself */
	size_t name_len;
};

/** Walk all but the last component from the root, following symlinks inside the graph
 *  and clamping ".." there. Missing folders are made (SYNTH) when `make`.
 *  0; -ENOENT; -ENOTDIR; -ELOOP; -ENAMETOOLONG; -ENOMEM. */
int cps_graph_walk(struct cps_graph *g, const char *path, size_t len, bool make,
		   uint32_t order, struct cps_gwalk *out);

/** Write the living part as an index file. Inodes are numbered breadth first. */
int cps_graph_write(struct cps_graph *g, const struct cps_digest *key,
		    struct cps_buf *out, struct cps_err *err);

#endif
