/* Mountpoints that a sandbox made, hidden from those who only look. */
#include "fs/top/stubs.h"

#include <errno.h>
#include <string.h>

#define FILE_MODE   (S_IFREG | 0644)
#define FOLDER_MODE (S_IFDIR | 0755)

/* The name that it was made with. */
static bool made_as(const struct cps_node *n, struct cps_bytes *name)
{
	const struct cps_bytes mark = {CPS_TOP_STUB_XATTR, strlen(CPS_TOP_STUB_XATTR)};

	return !cps_is_lower(n->ino) && cps_xset_find(&n->xattrs, &mark, name);
}

/* Is it a stub, and has its name still? */
static bool is_stub(const struct cps_node *n, const struct cps_bytes *name)
{
	struct cps_bytes made;

	return made_as(n, &made) && made.len == name->len &&
	       memcmp(made.data, name->data, made.len) == 0;
}

/* Has it the mark alone? */
static bool is_bare(const struct cps_node *n)
{
	struct cps_bytes name, value;
	uint32_t pos = 0;

	return cps_xset_next(&n->xattrs, &pos, &name, &value) &&
	       !cps_xset_next(&n->xattrs, &pos, &name, &value);
}

static bool is_untouched(const struct cps_node *n, const struct cps_bytes *name)
{
	if (!is_stub(n, name) || !is_bare(n) || n->uid || n->gid || n->size)
		return false;
	if (n->mode == FOLDER_MODE)
		return cps_node_dents(n)->live == 0;
	return n->mode == FILE_MODE && n->nlink == 1;
}

/* A folder whose attributes were set back to what they are below was not changed. */
static int unmodify(struct cps_top *top, struct cps_node *dir)
{
	struct cps_inode inode;
	int rc;

	if (!cps_is_lower(dir->ino) || dir->flags != CPS_NODE_ATTRS)
		return 0;
	rc = cps_tree_inode(top->root->tree, cps_lower_pos(dir->ino), &inode);
	if (rc < 0 || inode.mode != dir->mode || inode.uid != dir->uid ||
	    inode.gid != dir->gid || inode.mtime_s != dir->mtime.tv_sec ||
	    inode.mtime_ns != (uint32_t)dir->mtime.tv_nsec)
		return rc;
	dir->atime = dir->ctime = dir->mtime;
	dir->flags = 0;
	return 0;
}

/* Take the name from the folder. The node stays until all have been looked at. */
static int hide(struct cps_top *top, struct cps_node *dir, struct cps_node *n,
		const struct cps_dent *d)
{
	int rc = cps_dents_set(dir->dents, d->name, d->name_len, 0, 0, d->covers);

	if (rc < 0)
		return rc;
	if (S_ISDIR(n->mode))
		dir->nlink--;
	n->nlink = 0;
	n->flags |= CPS_NODE_UNLINKED;
	return unmodify(top, dir);
}

/* A folder that was a stub too, and has lost the last it held. */
static int hide_upwards(struct cps_top *top, struct cps_node *n)
{
	struct cps_bytes name;
	int rc = 0;

	while (rc == 0 && n->nlink && made_as(n, &name) && is_untouched(n, &name)) {
		struct cps_node *dir = cps_node_find(top, n->parent);
		const struct cps_dent *d =
			dir ? cps_dents_find(cps_node_dents(dir), name.data, name.len)
			    : NULL;

		if (!d || d->ino != n->ino)
			break;
		rc = hide(top, dir, n, d);
		n = dir;
	}
	return rc;
}

static int hide_in(struct cps_top *top, struct cps_node *dir)
{
	const struct cps_dent *d;
	size_t pos = 0;
	int rc = 0;

	while (rc == 0 && (d = cps_dents_each(cps_node_dents(dir), &pos))) {
		const struct cps_bytes name = {d->name, d->name_len};
		struct cps_node *n = d->ino ? cps_node_find(top, d->ino) : NULL;
		size_t count = dir->dents->count;

		if (n && is_untouched(n, &name))
			rc = hide(top, dir, n, d);
		/* The names have moved together. */
		if (dir->dents->count < count)
			pos = 0;
	}
	return rc < 0 ? rc : hide_upwards(top, dir);
}

int cps_top_hide_stubs(struct cps_top *top)
{
	int rc = 0;

	for (size_t i = 0; i < top->nodes.slot_count && rc == 0; i++) {
		struct cps_node *n = top->nodes.slots[i];

		if (n && S_ISDIR(n->mode) && n->dents && n->nlink)
			rc = hide_in(top, n);
	}
	if (rc == 0)
		cps_nodes_drop_dead(top);
	return rc;
}

int cps_top_hide_stub(struct cps_top *top, uint64_t ino, const char *text, size_t len)
{
	const struct cps_bytes name = {text, len};
	struct cps_node *dir = cps_node_find(top, ino), *n = NULL;
	const struct cps_dent *d =
		dir ? cps_dents_find(cps_node_dents(dir), text, len) : NULL;
	int rc = 0;

	if (d && d->ino)
		n = cps_node_find(top, d->ino);
	if (n && is_stub(n, &name))
		rc = hide(top, dir, n, d);
	return rc < 0 || !n ? rc : hide_upwards(top, dir);
}
