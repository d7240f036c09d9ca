/* The living part of a graph as a section file. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/index/format.h"
#include "store/index/graph.h"

/** A child on its way into the file. */
struct child {
	uint32_t dent;
	const uint8_t *name;
	uint32_t name_len;
	uint64_t key; /* layer and rank in its stream */
};

struct writer {
	struct cps_graph *g;
	uint32_t kind;
	uint32_t *number; /* of each graph inode in the file, CPS_NONE: none yet */
	uint32_t *queue;  /* dents of the inodes, in the order of their numbers */
	uint32_t count;   /* inodes numbered */
	uint32_t *nlink;  /* by number */
	uint64_t *first;  /* by number: a folder's first dirent */
	uint32_t *children;
	struct child *list;
	size_t list_cap;
	struct cps_buf inodes, dirents, extents, hidden;
};

static int by_name(const void *a, const void *b)
{
	const struct child *x = a, *y = b;
	uint32_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, n);

	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

struct rank {
	uint64_t key;
	uint32_t at;
};

static int by_key(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static ssize_t collect(struct writer *w, uint32_t dir)
{
	const struct cps_graph *g = w->g;
	size_t n = 0;

	for (uint32_t id = g->dents[dir].first; id != CPS_NONE;
	     id = g->dents[id].next) {
		const struct cps_gnode_dent *d = &g->dents[id];

		if (d->dead)
			continue;
		if (cps_grow(&w->list, &w->list_cap, n + 1, sizeof(*w->list)) < 0)
			return -ENOMEM;
		w->list[n++] = (struct child){
			id, g->strings.data + d->name, d->name_len,
			(uint64_t)g->inodes[d->inode].layer << 32 | d->order};
	}
	if (n)
		qsort(w->list, n, sizeof(*w->list), by_name);
	return (ssize_t)n;
}

static uint32_t number_of(struct writer *w, uint32_t dent)
{
	uint32_t inode = w->g->dents[dent].inode;

	if (w->number[inode] == CPS_NONE) {
		w->number[inode] = w->count;
		w->queue[w->count++] = dent;
	}
	return w->number[inode];
}

static uint8_t dirent_type(const struct cps_gnode_inode *inode)
{
	return inode->flags & (CPS_INODE_LINK | CPS_INODE_WHITEOUT)
		       ? DT_UNKNOWN
		       : (uint8_t)IFTODT(inode->mode);
}

static int put_dirent(struct writer *w, const struct child *c, uint32_t order)
{
	uint32_t number = number_of(w, c->dent);
	uint8_t *p;

	if (cps_buf_zeros(&w->dirents, CPS_DIRENT_BYTES, &p) < 0)
		return -ENOMEM;
	cps_put_le32(p, w->g->dents[c->dent].name);
	cps_put_le32(p + 4, number);
	cps_put_le32(p + 8, order);
	cps_put_le16(p + 12, (uint16_t)c->name_len);
	p[14] = dirent_type(cps_graph_of(w->g, c->dent));
	w->nlink[number]++;
	return 0;
}

/* In a tree, readdir follows the stream: the permutation is written beside the names.
 */
static int put_sorted(struct writer *w, size_t n)
{
	struct rank *ranks = malloc((n + 1) * sizeof(*ranks));
	int rc = ranks ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++)
		ranks[i] = (struct rank){w->list[i].key, (uint32_t)i};
	if (rc == 0 && n)
		qsort(ranks, n, sizeof(*ranks), by_key);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_dirent(w, &w->list[i],
				w->kind == CPS_KIND_TREE
					? ranks[i].at
					: w->g->dents[w->list[i].dent].order);
	free(ranks);
	return rc;
}

static int put_folder(struct writer *w, uint32_t number)
{
	uint32_t dent = w->queue[number];
	ssize_t n;

	if (!S_ISDIR(cps_graph_of(w->g, dent)->mode))
		return 0;
	n = collect(w, dent);
	if (n < 0)
		return (int)n;
	w->first[number] = w->dirents.len / CPS_DIRENT_BYTES;
	w->children[number] = (uint32_t)n;
	w->nlink[number] = 2;
	for (ssize_t i = 0; i < n; i++)
		w->nlink[number] += S_ISDIR(cps_graph_of(w->g, w->list[i].dent)->mode);
	return put_sorted(w, (size_t)n);
}

static int put_inode(struct writer *w, uint32_t number)
{
	const struct cps_graph *g = w->g;
	uint32_t dent = w->queue[number], parent = g->dents[dent].parent;
	const struct cps_gnode_inode *in = cps_graph_of(g, dent);
	bool dir = S_ISDIR(in->mode);
	uint32_t ext = (uint32_t)(w->extents.len / CPS_EXTENT_BYTES);
	uint8_t *p;

	if (cps_buf_zeros(&w->inodes, CPS_INODE_BYTES, &p) < 0)
		return -ENOMEM;
	cps_put_le64(p, dir ? w->first[number] : in->data);
	cps_put_le64(p + 8, dir ? w->children[number] : in->size);
	cps_put_le64(p + 16, (uint64_t)in->mtime_s);
	cps_put_le32(p + 24, in->mtime_ns);
	cps_put_le16(p + 28, in->mode);
	cps_put_le16(p + 30, in->flags);
	cps_put_le32(p + 32, in->uid);
	cps_put_le32(p + 36, in->gid);
	cps_put_le32(p + 40, w->nlink[number]);
	cps_put_le32(p + 44, in->xattr);
	cps_put_le32(p + 48, ext);
	cps_put_le32(p + 52, in->ext_count);
	cps_put_le32(p + 56,
		     parent == CPS_NONE ? 0 : w->number[g->dents[parent].inode]);
	cps_put_le16(p + 60, in->layer);
	for (uint32_t i = 0; i < in->ext_count; i++) {
		const struct cps_extent *e = &g->extents[in->ext + i];
		uint8_t *x;

		if (cps_buf_zeros(&w->extents, CPS_EXTENT_BYTES, &x) < 0)
			return -ENOMEM;
		cps_put_le64(x, e->logical);
		cps_put_le64(x + 8, e->stored);
		cps_put_le64(x + 16, e->len);
	}
	return 0;
}

/* The nearest folder above that still lives. */
static uint32_t living_folder(const struct writer *w, uint32_t dent)
{
	while (dent != CPS_NONE && (w->g->dents[dent].dead ||
				    w->number[w->g->dents[dent].inode] == CPS_NONE))
		dent = w->g->dents[dent].parent;
	return dent == CPS_NONE ? 0 : w->number[w->g->dents[dent].inode];
}

static int put_hidden(struct writer *w)
{
	for (size_t i = 0; i < w->g->hidden_count; i++) {
		const struct cps_ghidden *h = &w->g->hidden[i];
		uint8_t *p;

		if (cps_buf_zeros(&w->hidden, CPS_HIDDEN_BYTES, &p) < 0)
			return -ENOMEM;
		cps_put_le32(p, h->path);
		cps_put_le32(p + 4, h->path_len);
		cps_put_le64(p + 8, h->size);
		cps_put_le32(p + 16, living_folder(w, h->dent));
		cps_put_le16(p + 20, h->layer);
		cps_put_le16(p + 22, h->by);
		cps_put_le32(p + 24, h->deleted);
	}
	return 0;
}

static int finish(struct writer *w, const struct cps_digest *key, struct cps_buf *out)
{
	struct cps_section_writer file;
	const struct {
		uint32_t type, size;
		const struct cps_buf *buf;
	} sections[] = {
		{CPS_SEC_INODES, CPS_INODE_BYTES, &w->inodes},
		{CPS_SEC_DIRENTS, CPS_DIRENT_BYTES, &w->dirents},
		{CPS_SEC_STRINGS, 1, &w->g->strings},
		{CPS_SEC_XATTRS, 1, &w->g->xattrs},
		{CPS_SEC_EXTENTS, CPS_EXTENT_BYTES, &w->extents},
		{CPS_SEC_HIDDEN, CPS_HIDDEN_BYTES, &w->hidden},
	};
	int rc = 0;

	cps_section_begin(&file, w->kind, key, NULL);
	for (size_t i = 0; i < CPS_ARRAY_LEN(sections) && rc == 0; i++)
		rc = cps_section_add(&file, sections[i].type, sections[i].size,
				     sections[i].buf->data, sections[i].buf->len);
	return rc < 0 ? rc : cps_section_finish(&file, out);
}

static int run(struct writer *w)
{
	int rc = 0;

	for (uint32_t i = 0; i < w->g->inode_count; i++)
		w->number[i] = CPS_NONE;
	number_of(w, 0);
	if (cps_buf_reserve(&w->dirents, w->g->dent_count * CPS_DIRENT_BYTES) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->count && rc == 0; i++)
		rc = put_folder(w, i);
	if (rc == 0)
		rc = cps_buf_reserve(&w->inodes, (size_t)w->count * CPS_INODE_BYTES);
	for (uint32_t i = 0; i < w->count && rc == 0; i++)
		rc = put_inode(w, i);
	return rc < 0 ? rc : put_hidden(w);
}

int cps_graph_write(struct cps_graph *g, uint32_t kind, const struct cps_digest *key,
		    struct cps_buf *out, struct cps_err *err)
{
	size_t n = g->inode_count;
	struct writer w = {
		.g = g,
		.kind = kind,
		.number = malloc(n * sizeof(uint32_t)),
		.queue = malloc(n * sizeof(uint32_t)),
		.nlink = calloc(n, sizeof(uint32_t)),
		.first = calloc(n, sizeof(uint64_t)),
		.children = calloc(n, sizeof(uint32_t)),
	};
	int rc = -ENOMEM;

	if (w.number && w.queue && w.nlink && w.first && w.children)
		rc = run(&w);
	if (rc == 0)
		rc = finish(&w, key, out);
	free(w.number);
	free(w.queue);
	free(w.nlink);
	free(w.first);
	free(w.children);
	free(w.list);
	cps_buf_release(&w.inodes);
	cps_buf_release(&w.dirents);
	cps_buf_release(&w.extents);
	cps_buf_release(&w.hidden);
	return rc < 0 ? cps_err_sys(err, rc, "write an index") : 0;
}
