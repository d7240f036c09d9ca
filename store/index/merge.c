/* Layers applied to a graph, lowest first, by containerd's rules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/log.h"
#include "store/base/path.h"
#include "store/index/format.h"
#include "store/index/read.h"

/** One layer on its way in. */
struct apply {
	struct cps_graph *g;
	const struct cps_table *t;
	uint16_t layer;
	bool raw;        /* whiteouts are shown, not applied */
	uint32_t *inode; /* graph inode of each inode of the index */
	uint32_t *dent;  /* graph dent of each folder of the index */
	uint32_t *links; /* dents of hard links whose target is below */
	size_t link_count, link_cap;
	/* Taken so far. In a sound index each is taken once; a damaged one must not
	 * make us take them over and over. */
	uint64_t dirents, extents;
	struct cps_err *err;
};

static int damaged(struct apply *a)
{
	return cps_err_set(a->err, -EBADMSG, "its index is damaged");
}

/* ---- hiding ---- */

static int note_hidden(struct cps_graph *g, uint32_t dent, uint16_t by, bool deleted)
{
	const struct cps_gnode_inode *in = cps_graph_of(g, dent);
	char path[CPS_PATH_MAX + 1];
	size_t at = sizeof(path);
	int64_t off;

	if (!S_ISREG(in->mode))
		return 0;
	for (uint32_t d = dent; d != 0 && d != CPS_NONE; d = g->dents[d].parent) {
		const struct cps_gnode_dent *e = &g->dents[d];

		if (e->name_len + 1u > at)
			break; /* deeper than any archive can say: the tail will do */
		at -= e->name_len;
		memcpy(path + at, g->strings.data + e->name, e->name_len);
		path[--at] = '/';
	}
	off = cps_graph_string(g, path + at, sizeof(path) - at);
	if (off < 0 || cps_grow(&g->hidden, &g->hidden_cap, g->hidden_count + 1,
				sizeof(*g->hidden)) < 0)
		return -ENOMEM;
	in = cps_graph_of(g, dent);
	g->hidden[g->hidden_count++] = (struct cps_ghidden){
		.dent = g->dents[dent].parent,
		.path = (uint32_t)off,
		.path_len = (uint32_t)(sizeof(path) - at),
		.size = in->size,
		.layer = in->layer,
		.by = by,
		.deleted = deleted,
	};
	return 0;
}

/* Walks without a stack: down to the first child, else on, else up. */
int cps_graph_hide(struct cps_graph *g, uint32_t top, uint16_t by, bool deleted)
{
	uint32_t at = top;

	for (;;) {
		if (!g->dents[at].dead && note_hidden(g, at, by, deleted) < 0)
			return -ENOMEM;
		if (!g->dents[at].dead && g->dents[at].first != CPS_NONE) {
			at = g->dents[at].first;
			continue;
		}
		while (at != top && g->dents[at].next == CPS_NONE)
			at = g->dents[at].parent;
		if (at == top)
			break;
		at = g->dents[at].next;
	}
	cps_graph_unlink(g, top);
	return 0;
}

static int hide_children(struct apply *a, uint32_t dir)
{
	int rc = 0;

	for (uint32_t d = a->g->dents[dir].first; d != CPS_NONE && rc == 0;
	     d = a->g->dents[d].next)
		if (!a->g->dents[d].dead)
			rc = cps_graph_hide(a->g, d, a->layer, true);
	return rc;
}

/* ---- inodes ---- */

static int copy_xattrs(struct apply *a, uint32_t set, uint32_t *out)
{
	struct cps_tar_xattr x;
	size_t name_len, len = 0;
	uint32_t pos = 0;
	int64_t off;
	int rc;

	while ((rc = cps_table_xattr(a->t, set, pos, &x, &name_len, &len)) == 1 &&
	       pos < CPS_TAR_XATTRS_MAX)
		pos++;
	if (rc != 0)
		return damaged(a);
	off = cps_graph_xattr_set(a->g, set ? a->t->xattrs + set - 1 : NULL, len);
	*out = (uint32_t)off;
	return off < 0 ? cps_err_nomem(a->err) : 0;
}

static int copy_extents(struct apply *a, const uint8_t *p, struct cps_gnode_inode *in)
{
	struct cps_graph *g = a->g;
	uint32_t first = cps_le32(p + 48), count = cps_le32(p + 52);
	uint64_t end = 0;

	if (count > a->t->extent_count - a->extents)
		return damaged(a);
	if (cps_grow(&g->extents, &g->extent_cap, g->extent_count + count,
		     sizeof(*g->extents)) < 0)
		return cps_err_nomem(a->err);
	a->extents += count;
	in->ext = (uint32_t)g->extent_count;
	in->ext_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct cps_extent *e = &g->extents[g->extent_count];

		if (cps_table_extent(a->t, (uint64_t)first + i, e) < 0 ||
		    e->logical < end)
			return damaged(a);
		end = e->logical + e->len;
		g->extent_count++;
	}
	return 0;
}

static bool has_text(const struct cps_gnode_inode *in)
{
	return S_ISLNK(in->mode) || (in->flags & (CPS_INODE_LINK | CPS_INODE_INLINE));
}

static int copy_inode(struct apply *a, uint32_t ino, struct cps_gnode_inode *in)
{
	const uint8_t *p = cps_table_inode(a->t, ino);
	const char *text;
	int64_t off;
	int rc;

	*in = (struct cps_gnode_inode){
		.data = cps_le64(p),
		.size = cps_le64(p + 8),
		.mtime_s = (int64_t)cps_le64(p + 16),
		.mtime_ns = cps_le32(p + 24),
		.mode = cps_le16(p + 28),
		.flags = cps_le16(p + 30),
		.uid = cps_le32(p + 32),
		.gid = cps_le32(p + 36),
		.dent = CPS_NONE,
		.layer = a->layer,
	};
	rc = copy_xattrs(a, cps_le32(p + 44), &in->xattr);
	if (rc == 0 && (in->flags & CPS_INODE_SPARSE))
		rc = copy_extents(a, p, in);
	if (rc < 0 || !has_text(in))
		return rc;
	text = cps_table_string(a->t, in->data, in->size);
	if (!text || in->size > CPS_PATH_MAX)
		return damaged(a);
	off = cps_graph_string(a->g, text, in->size);
	in->data = (uint64_t)off;
	return off < 0 ? cps_err_nomem(a->err) : 0;
}

/* The graph inode of an inode of the index: all names of one share it. */
static int64_t graph_inode(struct apply *a, uint32_t ino)
{
	struct cps_gnode_inode in;
	int64_t made;
	int rc;

	if (a->inode[ino] != CPS_NONE)
		return a->inode[ino];
	rc = copy_inode(a, ino, &in);
	if (rc < 0)
		return rc;
	made = cps_graph_inode(a->g, a->layer);
	if (made < 0)
		return cps_err_nomem(a->err);
	in.flags &= (uint16_t) ~(CPS_INODE_SYNTH | CPS_INODE_OPAQUE);
	a->g->inodes[made] = in;
	a->inode[ino] = (uint32_t)made;
	return made;
}

/* ---- names ---- */

static int apply_folder(struct apply *a, uint32_t ino, uint32_t dent)
{
	uint16_t flags = cps_le16(cps_table_inode(a->t, ino) + 30);
	struct cps_gnode_inode in;
	int rc = 0;

	/* A folder has one name; a second is a damaged file's loop. */
	if (a->dent[ino] != CPS_NONE)
		return damaged(a);
	a->dent[ino] = dent;
	if ((flags & CPS_INODE_OPAQUE) && !a->raw)
		rc = hide_children(a, dent);
	if (rc < 0 || (flags & CPS_INODE_SYNTH))
		return rc;
	rc = copy_inode(a, ino, &in);
	if (rc < 0)
		return rc;
	in.flags &= (uint16_t)~CPS_INODE_OPAQUE;
	in.dent = dent;
	*cps_graph_of(a->g, dent) = in;
	return 0;
}

static int64_t new_folder(struct apply *a, uint32_t parent, const struct cps_tdirent *d)
{
	int64_t dent =
		cps_graph_mkdir(a->g, parent, d->name, d->name_len, a->layer, d->order);

	return dent < 0 ? cps_err_nomem(a->err) : dent;
}

static int put_folder(struct apply *a, uint32_t parent, const struct cps_tdirent *d)
{
	uint32_t old = cps_graph_find(a->g, parent, d->name, d->name_len);
	int64_t dent = old;

	if (old != CPS_NONE && !S_ISDIR(cps_graph_of(a->g, old)->mode)) {
		if (cps_graph_hide(a->g, old, a->layer, false) < 0)
			return cps_err_nomem(a->err);
		old = CPS_NONE;
	}
	if (old == CPS_NONE)
		dent = new_folder(a, parent, d);
	else
		a->g->dents[old].order = d->order;
	return dent < 0 ? (int)dent : apply_folder(a, d->ino, (uint32_t)dent);
}

static int put_other(struct apply *a, uint32_t parent, const struct cps_tdirent *d)
{
	uint32_t old = cps_graph_find(a->g, parent, d->name, d->name_len);
	int64_t inode = graph_inode(a, d->ino), dent;

	if (inode < 0)
		return (int)inode;
	if (old != CPS_NONE && cps_graph_hide(a->g, old, a->layer, false) < 0)
		return cps_err_nomem(a->err);
	dent = cps_graph_link(a->g, parent, d->name, d->name_len, (uint32_t)inode,
			      d->order);
	if (dent < 0)
		return cps_err_nomem(a->err);
	if (!(a->g->inodes[inode].flags & CPS_INODE_LINK))
		return 0;
	if (cps_grow(&a->links, &a->link_cap, a->link_count + 1, sizeof(*a->links)) < 0)
		return cps_err_nomem(a->err);
	a->links[a->link_count++] = (uint32_t)dent;
	return 0;
}

/* In a view of one layer a marker is an empty file of its own name. */
static int show_marker(struct apply *a, uint32_t parent, const char *prefix,
		       const struct cps_tdirent *d)
{
	char name[CPS_NAME_MAX + 16];
	int n = snprintf(name, sizeof(name), "%s%.*s", prefix, (int)d->name_len,
			 d->name);
	int64_t inode = cps_graph_inode(a->g, a->layer);

	if (n > CPS_NAME_MAX) {
		cps_warn("a whiteout's name is too long to be shown");
		return 0;
	}
	if (inode < 0)
		return cps_err_nomem(a->err);
	a->g->inodes[inode].mode = S_IFREG;
	a->g->inodes[inode].flags = CPS_INODE_INLINE;
	return cps_graph_link(a->g, parent, name, (size_t)n, (uint32_t)inode,
			      d->order) < 0
		       ? cps_err_nomem(a->err)
		       : 0;
}

static int put_whiteout(struct apply *a, uint32_t parent, const struct cps_tdirent *d)
{
	uint32_t old;

	if (a->raw)
		return show_marker(a, parent, ".wh.", d);
	old = cps_graph_find(a->g, parent, d->name, d->name_len);
	if (old == CPS_NONE)
		return 0;
	return cps_graph_hide(a->g, old, a->layer, true) < 0 ? cps_err_nomem(a->err)
							     : 0;
}

static int put_entry(struct apply *a, uint32_t parent, const struct cps_tdirent *d)
{
	const uint8_t *p = cps_table_inode(a->t, d->ino);
	uint16_t mode = cps_le16(p + 28), flags = cps_le16(p + 30);

	if (flags & CPS_INODE_WHITEOUT)
		return put_whiteout(a, parent, d);
	if (S_ISDIR(mode))
		return put_folder(a, parent, d);
	return put_other(a, parent, d);
}

static int put_children(struct apply *a, uint32_t ino)
{
	const uint8_t *p = cps_table_inode(a->t, ino);
	uint64_t first = cps_le64(p), count = cps_le64(p + 8);
	const struct cps_tdirent opaque = {.name = "", .order = 0};
	int rc = 0;

	if (a->dent[ino] == CPS_NONE || !S_ISDIR(cps_le16(p + 28)))
		return 0;
	if (a->raw && (cps_le16(p + 30) & CPS_INODE_OPAQUE))
		rc = show_marker(a, a->dent[ino], ".wh..wh..opq", &opaque);
	if (count > a->t->dirent_count - a->dirents)
		return damaged(a);
	a->dirents += count;
	for (uint64_t i = 0; i < count && rc == 0; i++) {
		struct cps_tdirent d;

		if (cps_table_dirent(a->t, first + i, &d) < 0)
			return damaged(a);
		rc = put_entry(a, a->dent[ino], &d);
	}
	return rc;
}

/* ---- hard links to lower layers ---- */

static int resolve_link(struct apply *a, uint32_t dent)
{
	struct cps_graph *g = a->g;
	struct cps_gnode_inode *in = cps_graph_of(g, dent);
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(4 * CPS_PATH_MAX);
	uint32_t target = CPS_NONE;
	struct cps_gwalk to;
	int rc;

	if (g->dents[dent].dead)
		return 0;
	rc = cps_graph_walk(g, (const char *)g->strings.data + in->data, in->size,
			    false, 0, 0, &to);
	if (rc == 0 && to.name)
		target = cps_graph_find(g, to.dir, to.name, to.name_len);
	cps_escape(&text, (const char *)g->strings.data + in->data, in->size);
	if (target == CPS_NONE || target == dent ||
	    (cps_graph_of(g, target)->flags & CPS_INODE_LINK))
		return cps_err_set(a->err, -EBADMSG,
				   "a hard link to '%s', which is not there",
				   cps_buf_cstr(&text));
	if (S_ISDIR(cps_graph_of(g, target)->mode))
		return cps_err_set(a->err, -EBADMSG,
				   "a hard link to the directory '%s'",
				   cps_buf_cstr(&text));
	cps_warn("layer %u: a hard link to '%s' of a lower layer", a->layer + 1u,
		 cps_buf_cstr(&text));
	g->dents[dent].inode = g->dents[target].inode;
	return 0;
}

static int resolve_links(struct apply *a)
{
	int rc = 0;

	for (size_t i = 0; i < a->link_count && rc == 0; i++) {
		if (a->raw) {
			struct cps_gnode_inode *in = cps_graph_of(a->g, a->links[i]);

			/* Alone, the layer has no content to show for it. */
			in->mode = S_IFREG;
			in->flags = CPS_INODE_INLINE;
			in->data = in->size = 0;
			continue;
		}
		rc = resolve_link(a, a->links[i]);
	}
	return rc;
}

static int apply_layer(struct cps_graph *g, const struct cps_tree_layer *layer,
		       uint16_t ordinal, uint32_t root, bool raw, struct cps_err *err)
{
	const struct cps_table *t = cps_index_table(layer->index);
	struct apply a = {
		.g = g,
		.t = t,
		.layer = ordinal,
		.raw = raw,
		.inode = malloc(t->inode_count * sizeof(uint32_t)),
		.dent = malloc(t->inode_count * sizeof(uint32_t)),
		.err = err,
	};
	int rc = a.inode && a.dent ? 0 : cps_err_nomem(err);

	if (rc == 0) {
		memset(a.inode, 0xff, t->inode_count * sizeof(uint32_t));
		memset(a.dent, 0xff, t->inode_count * sizeof(uint32_t));
		rc = S_ISDIR(cps_le16(cps_table_inode(t, 0) + 28))
			     ? apply_folder(&a, 0, root)
			     : damaged(&a);
	}
	/* Breadth first: a folder's dent is known before its children come. */
	for (uint32_t i = 0; i < t->inode_count && rc == 0; i++)
		rc = put_children(&a, i);
	if (rc == 0)
		rc = resolve_links(&a);
	free(a.inode);
	free(a.dent);
	free(a.links);
	return rc;
}

/* ---- the three views ---- */

int cps_tree_merge(const struct cps_tree_layer *layers, size_t count,
		   const struct cps_digest *key, struct cps_buf *out,
		   struct cps_err *err)
{
	struct cps_graph g;
	int rc = cps_graph_init(&g) < 0 ? cps_err_nomem(err) : 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = apply_layer(&g, &layers[i], (uint16_t)i, 0, false, err);
		if (rc < 0)
			cps_err_wrap(err, rc, "layer %zu", i + 1);
	}
	if (rc == 0)
		rc = cps_graph_write(&g, CPS_KIND_TREE, key, out, err);
	cps_graph_release(&g);
	return rc;
}

int cps_tree_single(const struct cps_tree_layer *layer, uint16_t ordinal,
		    struct cps_buf *out, struct cps_err *err)
{
	struct cps_graph g;
	int rc = cps_graph_init(&g) < 0 ? cps_err_nomem(err) : 0;

	if (rc == 0)
		rc = apply_layer(&g, layer, ordinal, 0, true, err);
	if (rc == 0)
		rc = cps_graph_write(&g, CPS_KIND_TREE, NULL, out, err);
	cps_graph_release(&g);
	return rc;
}

static int put_note(struct cps_graph *g, uint32_t dir, const struct cps_tree_note *note)
{
	int64_t inode = cps_graph_inode(g, CPS_LAYER_NONE);
	int64_t off = cps_graph_string(g, note->text, strlen(note->text));

	if (inode < 0 || off < 0)
		return -ENOMEM;
	g->inodes[inode].mode = S_IFREG | 0444;
	g->inodes[inode].flags = CPS_INODE_INLINE;
	g->inodes[inode].data = (uint64_t)off;
	g->inodes[inode].size = strlen(note->text);
	return cps_graph_link(g, dir, note->name, strlen(note->name), (uint32_t)inode,
			      0) < 0
		       ? -ENOMEM
		       : 0;
}

static int put_frame(struct cps_graph *g, const struct cps_tree_frame *f,
		     uint16_t ordinal, struct cps_err *err)
{
	int64_t dir = cps_graph_mkdir(g, 0, f->name, strlen(f->name), CPS_LAYER_NONE,
				      ordinal);
	int64_t files =
		dir < 0 ? dir
			: cps_graph_mkdir(g, (uint32_t)dir, "files", 5, ordinal, 1);
	int rc = files < 0 ? (int)files : 0;

	for (size_t i = 0; i < f->note_count && rc == 0; i++)
		rc = put_note(g, (uint32_t)dir, &f->notes[i]);
	if (rc < 0)
		return cps_err_nomem(err);
	return apply_layer(g, &f->layer, ordinal, (uint32_t)files, true, err);
}

int cps_tree_frames(const struct cps_tree_frame *frames, size_t count,
		    struct cps_buf *out, struct cps_err *err)
{
	struct cps_graph g;
	int rc = cps_graph_init(&g) < 0 ? cps_err_nomem(err) : 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = put_frame(&g, &frames[i], (uint16_t)i, err);
	if (rc == 0)
		rc = cps_graph_write(&g, CPS_KIND_TREE, NULL, out, err);
	cps_graph_release(&g);
	return rc;
}
