#include "store/index/graph.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "store/base/path.h"
#include "store/index/intern.h"
#include "store/index/walk.h"

#define BUCKETS_MIN 1024

int cps_graph_init(struct cps_graph *g)
{
	int64_t inode;

	*g = (struct cps_graph){.seed = cps_hash_seed()};
	g->names = cps_intern_new(&g->strings);
	g->sets = cps_intern_new(&g->xattrs);
	g->buckets = malloc(BUCKETS_MIN * sizeof(*g->buckets));
	if (!g->names || !g->sets || !g->buckets)
		return -ENOMEM;
	g->bucket_count = BUCKETS_MIN;
	memset(g->buckets, 0xff, BUCKETS_MIN * sizeof(*g->buckets));
	inode = cps_graph_inode(g);
	if (inode < 0 || cps_graph_link(g, CPS_NONE, "", 0, 0, 0) < 0)
		return -ENOMEM;
	g->inodes[0].mode = S_IFDIR | 0755;
	g->inodes[0].flags = CPS_INODE_SYNTH;
	return 0;
}

void cps_graph_release(struct cps_graph *g)
{
	free(g->inodes);
	free(g->dents);
	free(g->buckets);
	free(g->extents);
	cps_intern_free(g->names);
	cps_intern_free(g->sets);
	cps_buf_release(&g->strings);
	cps_buf_release(&g->xattrs);
	*g = (struct cps_graph){0};
}

int64_t cps_graph_inode(struct cps_graph *g)
{
	if (g->inode_count >= CPS_NONE - 1 ||
	    cps_grow(&g->inodes, &g->inode_cap, g->inode_count + 1,
		     sizeof(*g->inodes)) < 0)
		return -ENOMEM;
	g->inodes[g->inode_count] = (struct cps_gnode_inode){.dent = CPS_NONE};
	return (int64_t)g->inode_count++;
}

int64_t cps_graph_string(struct cps_graph *g, const char *text, size_t len)
{
	return cps_intern_add(g->names, text, len);
}

int64_t cps_graph_xattr_set(struct cps_graph *g, const void *set, size_t len)
{
	int64_t off = len ? cps_intern_add(g->sets, set, len) : -1;

	return len && off < 0 ? off : off + 1;
}

/* ---- names ---- */

static size_t bucket_of(const struct cps_graph *g, uint32_t parent, const char *name,
			size_t len)
{
	return XXH3_64bits_withSeed(name, len, g->seed + parent) &
	       (g->bucket_count - 1);
}

/* `count` is a power of two. */
static int set_buckets(struct cps_graph *g, size_t count)
{
	uint32_t *buckets = malloc(count * sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	memset(buckets, 0xff, count * sizeof(*buckets));
	free(g->buckets);
	g->buckets = buckets;
	g->bucket_count = count;
	for (size_t i = 1; i < g->dent_count; i++) {
		struct cps_gnode_dent *d = &g->dents[i];
		size_t b =
			bucket_of(g, d->parent, (const char *)g->strings.data + d->name,
				  d->name_len);

		d->chain = buckets[b];
		buckets[b] = (uint32_t)i;
	}
	return 0;
}

static int grow_buckets(struct cps_graph *g)
{
	return g->dent_count < g->bucket_count ? 0
					       : set_buckets(g, g->bucket_count * 4);
}

int64_t cps_graph_link(struct cps_graph *g, uint32_t parent, const char *name,
		       size_t len, uint32_t inode, uint32_t order)
{
	int64_t off = cps_graph_string(g, name, len);
	uint32_t id = (uint32_t)g->dent_count;
	struct cps_gnode_dent *d;

	if (off < 0 || id >= CPS_NONE - 1 || grow_buckets(g) < 0 ||
	    cps_grow(&g->dents, &g->dent_cap, g->dent_count + 1, sizeof(*g->dents)) < 0)
		return -ENOMEM;
	d = &g->dents[g->dent_count++];
	*d = (struct cps_gnode_dent){
		.parent = parent,
		.inode = inode,
		.name = (uint32_t)off,
		.name_len = (uint32_t)len,
		.first = CPS_NONE,
		.next = CPS_NONE,
		.chain = CPS_NONE,
		.order = order,
	};
	if (parent != CPS_NONE) {
		size_t b = bucket_of(g, parent, name, len);

		d->chain = g->buckets[b];
		g->buckets[b] = id;
		d->next = g->dents[parent].first;
		g->dents[parent].first = id;
	}
	g->inodes[inode].dent = id;
	return id;
}

uint32_t cps_graph_find(const struct cps_graph *g, uint32_t parent, const char *name,
			size_t len)
{
	uint32_t id = g->buckets[bucket_of(g, parent, name, len)];

	for (; id != CPS_NONE; id = g->dents[id].chain) {
		const struct cps_gnode_dent *d = &g->dents[id];

		if (!d->dead && d->parent == parent && d->name_len == len &&
		    memcmp(g->strings.data + d->name, name, len) == 0)
			return id;
	}
	return CPS_NONE;
}

void cps_graph_unlink(struct cps_graph *g, uint32_t dent)
{
	/* What is below cannot be reached any more: a new folder of this name is a new
	 * dent, and the walk that writes the graph starts at the root. */
	g->dents[dent].dead = true;
}

int64_t cps_graph_mkdir(struct cps_graph *g, uint32_t parent, const char *name,
			size_t len, uint32_t order)
{
	int64_t inode = cps_graph_inode(g);

	if (inode < 0)
		return inode;
	g->inodes[inode].mode = S_IFDIR | 0755;
	g->inodes[inode].flags = CPS_INODE_SYNTH;
	return cps_graph_link(g, parent, name, len, (uint32_t)inode, order);
}

/* ---- paths ---- */

/** A walk in a graph. */
struct gwalk {
	struct cps_graph *g;
	uint32_t at;
	bool make;
	uint32_t order;
};

static void up(void *ctx)
{
	struct gwalk *w = ctx;

	if (w->at)
		w->at = w->g->dents[w->at].parent;
}

static void to_root(void *ctx)
{
	struct gwalk *w = ctx;

	w->at = 0;
}

/* `old` is a whiteout of that name, or CPS_NONE. */
static int make_folder(struct gwalk *w, const char *name, size_t len, uint32_t old)
{
	int64_t made = cps_graph_mkdir(w->g, w->at, name, len, w->order);

	if (made < 0)
		return (int)made;
	if (old != CPS_NONE) { /* the whiteout and the folder are one */
		cps_graph_unlink(w->g, old);
		cps_graph_of(w->g, (uint32_t)made)->flags |= CPS_INODE_OPAQUE;
	}
	w->at = (uint32_t)made;
	return 0;
}

static int enter(void *ctx, const char *name, size_t len, const char **link,
		 size_t *link_len)
{
	struct gwalk *w = ctx;
	uint32_t next = cps_graph_find(w->g, w->at, name, len);
	const struct cps_gnode_inode *inode;

	if (next == CPS_NONE || (cps_graph_of(w->g, next)->flags & CPS_INODE_WHITEOUT))
		return w->make ? make_folder(w, name, len, next) : -ENOENT;
	inode = cps_graph_of(w->g, next);
	if (S_ISLNK(inode->mode)) {
		*link = (const char *)w->g->strings.data + inode->data;
		*link_len = inode->size;
		return 1;
	}
	if (!S_ISDIR(inode->mode))
		return -ENOTDIR;
	w->at = next;
	return 0;
}

int cps_graph_walk(struct cps_graph *g, const char *path, size_t len, bool make,
		   uint32_t order, struct cps_gwalk *out)
{
	struct gwalk w = {.g = g, .make = make, .order = order};
	const struct cps_walk walk = {&w, enter, up, to_root};
	int rc = cps_walk_path(&walk, path, len, &out->name, &out->name_len);

	out->dir = w.at;
	return rc;
}
