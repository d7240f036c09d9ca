#include "store/index/graph.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "store/base/path.h"
#include "store/index/intern.h"

#define LINKS_MAX   40 /* symlinks in one walk */
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
	inode = cps_graph_inode(g, CPS_LAYER_NONE);
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
	free(g->hidden);
	cps_intern_free(g->names);
	cps_intern_free(g->sets);
	cps_buf_release(&g->strings);
	cps_buf_release(&g->xattrs);
	*g = (struct cps_graph){0};
}

int64_t cps_graph_inode(struct cps_graph *g, uint16_t layer)
{
	if (g->inode_count >= CPS_NONE - 1 ||
	    cps_grow(&g->inodes, &g->inode_cap, g->inode_count + 1,
		     sizeof(*g->inodes)) < 0)
		return -ENOMEM;
	g->inodes[g->inode_count] =
		(struct cps_gnode_inode){.layer = layer, .dent = CPS_NONE};
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

int cps_graph_reserve(struct cps_graph *g, size_t inodes, size_t dents)
{
	size_t buckets = g->bucket_count;

	if (cps_grow(&g->inodes, &g->inode_cap, g->inode_count + inodes,
		     sizeof(*g->inodes)) < 0 ||
	    cps_grow(&g->dents, &g->dent_cap, g->dent_count + dents,
		     sizeof(*g->dents)) < 0)
		return -ENOMEM;
	while (buckets < g->dent_count + dents)
		buckets *= 2;
	return buckets > g->bucket_count ? set_buckets(g, buckets) : 0;
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
			size_t len, uint16_t layer, uint32_t order)
{
	int64_t inode = cps_graph_inode(g, layer);

	if (inode < 0)
		return inode;
	g->inodes[inode].mode = S_IFDIR | 0755;
	g->inodes[inode].flags = CPS_INODE_SYNTH;
	return cps_graph_link(g, parent, name, len, (uint32_t)inode, order);
}

/* ---- paths ---- */

struct walk {
	struct cps_graph *g;
	char *todo; /* owned */
	size_t pos, len;
	uint32_t at;
	unsigned int links;
	bool make;
	uint16_t layer;
	uint32_t order;
};

static int follow(struct walk *w, const struct cps_gnode_inode *link)
{
	size_t rest = w->len - w->pos, len = link->size + 1 + rest;
	char *todo;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (len > 4 * CPS_PATH_MAX)
		return -ENAMETOOLONG;
	todo = malloc(len + 1);
	if (!todo)
		return -ENOMEM;
	memcpy(todo, w->g->strings.data + link->data, link->size);
	todo[link->size] = '/';
	memcpy(todo + link->size + 1, w->todo + w->pos, rest);
	if (todo[0] == '/')
		w->at = 0;
	free(w->todo);
	w->todo = todo;
	w->pos = 0;
	w->len = len;
	return 0;
}

static int step(struct walk *w, const char *name, size_t len)
{
	const struct cps_gnode_inode *inode;
	uint32_t next;
	int64_t made;

	if (len == 2 && name[0] == '.' && name[1] == '.') {
		if (w->at)
			w->at = w->g->dents[w->at].parent;
		return 0;
	}
	if (len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	next = cps_graph_find(w->g, w->at, name, len);
	if (next == CPS_NONE ||
	    (cps_graph_of(w->g, next)->flags & CPS_INODE_WHITEOUT)) {
		if (!w->make)
			return -ENOENT;
		made = cps_graph_mkdir(w->g, w->at, name, len, w->layer, w->order);
		if (made < 0)
			return (int)made;
		if (next != CPS_NONE) { /* the whiteout and the folder are one */
			cps_graph_unlink(w->g, next);
			cps_graph_of(w->g, (uint32_t)made)->flags |= CPS_INODE_OPAQUE;
		}
		w->at = (uint32_t)made;
		return 0;
	}
	inode = cps_graph_of(w->g, next);
	if (S_ISLNK(inode->mode))
		return follow(w, inode);
	if (!S_ISDIR(inode->mode))
		return -ENOTDIR;
	w->at = next;
	return 0;
}

/* Split the last component off; ".." cannot be one, it is walked instead. */
static size_t last_component(const char *path, size_t len, const char **name)
{
	while (len && (path[len - 1] == '/' ||
		       (path[len - 1] == '.' && (len == 1 || path[len - 2] == '/'))))
		len--;
	*name = path + len;
	while (*name > path && (*name)[-1] != '/')
		(*name)--;
	return len - (size_t)(*name - path);
}

int cps_graph_walk(struct cps_graph *g, const char *path, size_t len, bool make,
		   uint16_t layer, uint32_t order, struct cps_gwalk *out)
{
	const char *last, *name;
	size_t last_len = last_component(path, len, &last), name_len;
	bool climbs = last_len == 2 && last[0] == '.' && last[1] == '.';
	struct walk w = {.g = g, .make = make, .layer = layer, .order = order};
	int rc = 0;

	w.len = (size_t)(last - path) + (climbs ? last_len : 0);
	w.todo = malloc(w.len + 1);
	if (!w.todo)
		return -ENOMEM;
	memcpy(w.todo, path, w.len);
	while (rc == 0 && cps_path_next(w.todo, w.len, &w.pos, &name, &name_len))
		rc = step(&w, name, name_len);
	free(w.todo);
	out->dir = w.at;
	out->name = last_len && !climbs ? last : NULL;
	out->name_len = climbs ? 0 : last_len;
	return rc;
}
