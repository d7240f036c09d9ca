/* A merged view against the tree below it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/pack.h"

/** A folder that is being looked at. The stack of them is on the heap: a tree may be as
 *  deep as a path is long. */
struct frame {
	struct cps_pack_list list;
	size_t next;
	size_t path_len; /* bytes of the folder's own path */
	uint32_t lower;  /* the same folder below, or CPS_PACK_NO_INODE */
};

struct compare {
	const struct cps_pack_view *view;
	const struct cps_tree *tree; /* NULL: nothing is below */
	bool layer;
	struct cps_pack_plan *plan;
	struct cps_buf path;
	struct frame *frames;
	size_t depth, cap;
	struct cps_err *err;
};

int cps_pack_list_add(struct cps_pack_list *list, const struct cps_pack_name *name,
		      size_t name_len)
{
	size_t at = list->text.len;

	if (cps_grow(&list->names, &list->cap, list->count + 1, sizeof(*list->names)) <
		    0 ||
	    cps_buf_append(&list->text, name->name, name_len) < 0 ||
	    cps_buf_append(&list->text, "", 1) < 0)
		return -ENOMEM;
	list->names[list->count] = *name;
	/* The text may move while it grows: an offset until the list is complete. */
	list->names[list->count++].name = (const char *)(uintptr_t)at;
	return 0;
}

static void list_release(struct cps_pack_list *list)
{
	free(list->names);
	cps_buf_release(&list->text);
}

static int by_name(const void *a, const void *b)
{
	const struct cps_pack_name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void list_finish(struct cps_pack_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->names[i].name =
			(const char *)list->text.data + (uintptr_t)list->names[i].name;
	if (list->count)
		qsort(list->names, list->count, sizeof(*list->names), by_name);
}

/* ---- paths ---- */

static int path_push(struct compare *c, const char *name, size_t len)
{
	int rc = c->path.len ? cps_buf_append(&c->path, "/", 1) : 0;

	if (rc == 0)
		rc = cps_buf_append(&c->path, name, len);
	return rc < 0 ? cps_err_nomem(c->err) : 0;
}

static void path_cut(struct compare *c, size_t len)
{
	c->path.len = len;
	if (c->path.data)
		c->path.data[len] = '\0';
}

static int add(struct compare *c, enum cps_pack_kind kind, unsigned int flags,
	       uint64_t handle)
{
	return cps_pack_add(c->plan, c->path.len ? cps_buf_cstr(&c->path) : ".", kind,
			    flags, handle, c->err);
}

/* ---- names that are gone ---- */

static int damaged(struct compare *c, int rc)
{
	return cps_err_sys(c->err, rc, "'%s' in the lower tree",
			   cps_buf_cstr(&c->path));
}

static int whiteout(struct compare *c, const struct cps_dirent *d, unsigned int flags)
{
	size_t keep = c->path.len;
	int rc = path_push(c, d->name, d->name_len);

	if (rc == 0)
		rc = add(c, CPS_PACK_WHITEOUT, flags, 0);
	path_cut(c, keep);
	return rc;
}

static int order_of(const char *name, const struct cps_dirent *d)
{
	size_t len = strlen(name);
	int order = memcmp(name, d->name, len < d->name_len ? len : d->name_len);

	return order ? order : (len > d->name_len) - (len < d->name_len);
}

/* Both sides are sorted. A socket has no form in tar, so what it replaced must be
 * hidden by itself; a diff tells of the socket alone. */
static int whiteouts(struct compare *c, const struct frame *f)
{
	struct cps_dirent d;
	size_t at = 0;
	int rc;

	if (f->lower == CPS_PACK_NO_INODE)
		return 0;
	for (uint32_t pos = 0;
	     (rc = cps_tree_readdir_sorted(c->tree, f->lower, pos, &d)) == 1; pos++) {
		const struct cps_pack_name *n = f->list.names;

		while (at < f->list.count && order_of(n[at].name, &d) < 0)
			at++;
		if (at == f->list.count || order_of(n[at].name, &d) != 0)
			rc = whiteout(c, &d, CPS_PACK_BELOW);
		else if (S_ISSOCK(n[at].mode))
			rc = whiteout(c, &d, CPS_PACK_BELOW | CPS_PACK_FORCED);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? damaged(c, rc) : 0;
}

/* ---- names that are there ---- */

static int push_frame(struct compare *c, uint64_t handle, uint32_t lower)
{
	struct frame *f;
	int rc;

	if (cps_grow(&c->frames, &c->cap, c->depth + 1, sizeof(*c->frames)) < 0)
		return cps_err_nomem(c->err);
	f = &c->frames[c->depth++];
	*f = (struct frame){.lower = lower, .path_len = c->path.len};
	rc = c->view->list(c->view->ctx, handle, &f->list, c->err);
	if (rc < 0)
		return cps_err_wrap(c->err, rc, "read folder '/%s'",
				    cps_buf_cstr(&c->path));
	list_finish(&f->list);
	return whiteouts(c, f);
}

static int refuse_name(struct compare *c, const struct cps_pack_name *n)
{
	if (!c->layer || strncmp(n->name, ".wh.", 4) != 0)
		return 0;
	return cps_err_set(c->err, -EINVAL,
			   "'/%s': a layer cannot hold names that begin with '.wh.'; "
			   "rename or remove it",
			   cps_buf_cstr(&c->path));
}

static int emit(struct compare *c, const struct cps_pack_name *n, unsigned int flags)
{
	if (S_ISSOCK(n->mode)) {
		cps_warn("'/%s': sockets are left out", cps_buf_cstr(&c->path));
		return add(c, CPS_PACK_SOCKET, flags, n->handle);
	}
	if (S_ISDIR(n->mode))
		flags |= CPS_PACK_FOLDER;
	else if (n->nlink > 1)
		flags |= CPS_PACK_LINKED;
	return add(c, CPS_PACK_ENTRY, flags, n->handle);
}

/* The path is n's own. `below` is what the lower tree has of that name. */
static int take_changed(struct compare *c, const struct cps_pack_name *n,
			uint32_t below, unsigned int flags)
{
	struct cps_inode in = {0};
	bool same = n->lower == below && !n->modified;
	int rc = cps_tree_inode(c->tree, below, &in);

	if (rc < 0)
		return damaged(c, rc);
	if (!same)
		rc = emit(c, n, flags);
	else if (c->layer && !S_ISDIR(n->mode) && n->nlink > 1)
		rc = add(c, CPS_PACK_SPARE, flags | CPS_PACK_LINKED, n->handle);
	if (rc < 0 || !S_ISDIR(n->mode))
		return rc;
	/* A folder over a file hides it; there is nothing to compare. */
	return push_frame(c, n->handle, S_ISDIR(in.mode) ? below : CPS_PACK_NO_INODE);
}

static int take(struct compare *c, uint32_t dir, const struct cps_pack_name *n)
{
	uint32_t below = CPS_PACK_NO_INODE;
	int rc = refuse_name(c, n);

	if (rc == 0 && dir != CPS_PACK_NO_INODE)
		rc = cps_tree_lookup(c->tree, dir, n->name, strlen(n->name), &below);
	if (rc < 0 && rc != -ENOENT)
		return rc == -EINVAL ? rc : damaged(c, rc);
	if (below != CPS_PACK_NO_INODE)
		return take_changed(c, n, below, CPS_PACK_BELOW);
	rc = emit(c, n, 0);
	if (rc == 0 && S_ISDIR(n->mode))
		rc = push_frame(c, n->handle, CPS_PACK_NO_INODE);
	return rc;
}

static int walk(struct compare *c)
{
	int rc = 0;

	while (rc == 0 && c->depth) {
		struct frame *f = &c->frames[c->depth - 1];

		path_cut(c, f->path_len);
		if (f->next == f->list.count) {
			list_release(&f->list);
			c->depth--;
			continue;
		}
		/* The frames may move while the name is taken; its text does not. */
		struct cps_pack_name n = f->list.names[f->next++];

		rc = path_push(c, n.name, strlen(n.name));
		if (rc == 0)
			rc = take(c, f->lower, &n);
	}
	return rc;
}

int cps_pack_compare(const struct cps_pack_view *view, const struct cps_tree *lower,
		     bool layer, struct cps_pack_plan *out, struct cps_err *err)
{
	struct compare c = {
		.view = view, .tree = lower, .layer = layer, .plan = out, .err = err};
	const struct cps_pack_name *root = &view->root;
	int rc = 0;

	*out = (struct cps_pack_plan){0};
	if (!lower || root->modified || root->lower != CPS_TREE_ROOT)
		rc = emit(&c, root, lower ? CPS_PACK_BELOW : 0);
	if (rc == 0)
		rc = push_frame(&c, root->handle,
				lower ? CPS_TREE_ROOT : CPS_PACK_NO_INODE);
	if (rc == 0)
		rc = walk(&c);
	while (c.depth)
		list_release(&c.frames[--c.depth].list);
	free(c.frames);
	cps_buf_release(&c.path);
	if (rc == 0)
		rc = cps_pack_join(out, err);
	if (rc < 0)
		cps_pack_release(out);
	return rc;
}
