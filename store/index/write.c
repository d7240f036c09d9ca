/* The living part of a graph as an index file. */
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
};

struct writer {
	struct cps_graph *g;
	uint32_t *number; /* of each graph inode in the file, CPS_NONE: none yet */
	uint32_t *queue;  /* dents of the inodes, in the order of their numbers */
	uint32_t count;   /* inodes numbered */
	uint32_t *nlink;  /* by number */
	uint64_t *first;  /* by number: a folder's first dirent */
	uint32_t *children;
	struct child *list;
	size_t list_cap;
	struct cps_buf inodes, dirents, extents;
};

static int by_name(const void *a, const void *b)
{
	const struct child *x = a, *y = b;
	uint32_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, n);

	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
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
		w->list[n++] =
			(struct child){id, g->strings.data + d->name, d->name_len};
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

static int put_dirent(struct writer *w, const struct child *c)
{
	const struct cps_gnode_dent *d = &w->g->dents[c->dent];
	uint32_t number = number_of(w, c->dent);
	uint8_t *p;

	if (cps_buf_zeros(&w->dirents, CPS_DIRENT_BYTES, &p) < 0)
		return -ENOMEM;
	cps_put_le32(p, d->name);
	cps_put_le32(p + 4, number);
	cps_put_le32(p + 8, d->order);
	cps_put_le16(p + 12, (uint16_t)c->name_len);
	p[14] = dirent_type(cps_graph_of(w->g, c->dent));
	w->nlink[number]++;
	return 0;
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
	for (ssize_t i = 0; i < n; i++) {
		w->nlink[number] += S_ISDIR(cps_graph_of(w->g, w->list[i].dent)->mode);
		if (put_dirent(w, &w->list[i]) < 0)
			return -ENOMEM;
	}
	return 0;
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

static int finish(struct writer *w, const struct cps_digest *key, struct cps_buf *out)
{
	struct cps_section_writer file;
	int rc;

	cps_section_begin(&file, CPS_KIND_TOC, key, NULL);
	rc = cps_section_add(&file, CPS_SEC_INODES, CPS_INODE_BYTES, w->inodes.data,
			     w->inodes.len);
	if (rc == 0)
		rc = cps_table_write(&file, &w->dirents, &w->g->strings, &w->g->xattrs,
				     &w->extents, NULL);
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
	return rc;
}

int cps_graph_write(struct cps_graph *g, const struct cps_digest *key,
		    struct cps_buf *out, struct cps_err *err)
{
	size_t n = g->inode_count;
	struct writer w = {
		.g = g,
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
	return rc < 0 ? cps_err_sys(err, rc, "write an index") : 0;
}
