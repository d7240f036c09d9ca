/* Nodes: inodes that are new or changed, and what can be said of any inode. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/internal.h"

#define SLOTS_LEAST 64u

/* ---- the table ---- */

static size_t home_of(const struct cps_nodes *nodes, uint64_t ino)
{
	return (size_t)((ino * 0x9e3779b97f4a7c15ull) >> 32) & (nodes->slot_count - 1);
}

static size_t slot_of(const struct cps_nodes *nodes, uint64_t ino)
{
	size_t slot = home_of(nodes, ino);

	while (nodes->slots[slot] && nodes->slots[slot]->ino != ino)
		slot = (slot + 1) & (nodes->slot_count - 1);
	return slot;
}

struct cps_node *cps_node_find(const struct cps_top *top, uint64_t ino)
{
	const struct cps_nodes *nodes = &top->nodes;
	struct cps_node *n = nodes->count ? nodes->slots[slot_of(nodes, ino)] : NULL;

	/* Who is looked at for a record may be changed by it. */
	if (n && top->applying)
		n->touched = top->applying;
	return n;
}

static int grow(struct cps_nodes *nodes)
{
	struct cps_nodes wider = {
		.count = nodes->count,
		.slot_count = nodes->slot_count ? nodes->slot_count * 2 : SLOTS_LEAST,
	};

	if ((nodes->count + 1) * 2 <= nodes->slot_count)
		return 0;
	wider.slots = calloc(wider.slot_count, sizeof(*wider.slots));
	if (!wider.slots)
		return -ENOMEM;
	for (size_t i = 0; i < nodes->slot_count; i++)
		if (nodes->slots[i])
			wider.slots[slot_of(&wider, nodes->slots[i]->ino)] =
				nodes->slots[i];
	free(nodes->slots);
	*nodes = wider;
	return 0;
}

int cps_node_add(struct cps_top *top, uint64_t ino, struct cps_node **out)
{
	struct cps_node *n;

	if (grow(&top->nodes) < 0)
		return -ENOMEM;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->ino = ino;
	n->touched = top->applying;
	top->nodes.slots[slot_of(&top->nodes, ino)] = n;
	top->nodes.count++;
	*out = n;
	return 0;
}

struct cps_dents *cps_node_own_dents(struct cps_node *n)
{
	if (!n->dents)
		n->dents = calloc(1, sizeof(*n->dents));
	return n->dents;
}

static void free_node(struct cps_node *n)
{
	cps_xset_release(&n->xattrs);
	if (n->dents)
		cps_dents_release(n->dents);
	free(n->dents);
	cps_ranges_release(&n->ranges);
	free(n->target);
	free(n);
}

/* Take it out, and let those that had to go past it move up. */
static void take_out(struct cps_nodes *nodes, uint64_t ino)
{
	size_t mask = nodes->slot_count - 1, hole = slot_of(nodes, ino);

	for (size_t i = (hole + 1) & mask; nodes->slots[i]; i = (i + 1) & mask) {
		size_t home = home_of(nodes, nodes->slots[i]->ino);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		nodes->slots[hole] = nodes->slots[i];
		hole = i;
	}
	nodes->slots[hole] = NULL;
	nodes->count--;
}

static uint64_t refs_of(const struct cps_top *top, const struct cps_node *n)
{
	if (!cps_is_lower(n->ino))
		return n->refs;
	return top->lower_refs
		       ? top->lower_refs[cps_lower_pos(n->ino)] & ~CPS_LOWER_DEAD
		       : 0;
}

static void bury(struct cps_top *top, struct cps_node *n)
{
	if (top->lower_refs && cps_is_lower(n->ino))
		top->lower_refs[cps_lower_pos(n->ino)] |= CPS_LOWER_DEAD;
	take_out(&top->nodes, n->ino);
	free_node(n);
}

void cps_node_doom(struct cps_top *top, uint32_t gen)
{
	if (!top->replaying && gen >= top->frozen_gen)
		cps_files_doom(&top->files, gen);
}

void cps_node_loosen(struct cps_top *top, const struct cps_node *n, uint64_t off,
		     uint64_t end)
{
	const struct cps_loose loose = {n->ino, off, end, n->gen};

	if (!top->replaying && n->gen && n->gen >= top->frozen_gen)
		cps_files_loosen(&top->files, &loose);
}

/* What only this inode's content is in. A mark's files stay. */
static void doom_files(struct cps_top *top, const struct cps_node *n)
{
	uint32_t last = n->gen;

	if (n->gen)
		cps_node_doom(top, n->gen);
	for (size_t i = 0; i < n->ranges.count; i++) {
		uint32_t in = n->ranges.items[i].in;

		if (in >= CPS_IN_FILES && in != last)
			cps_node_doom(top, in);
		last = in;
	}
}

void cps_node_drop_if_dead(struct cps_top *top, struct cps_node *n)
{
	if (n->nlink || refs_of(top, n))
		return;
	doom_files(top, n);
	bury(top, n);
}

void cps_nodes_drop_dead(struct cps_top *top)
{
	for (size_t i = 0; i < top->nodes.slot_count; i++)
		/* What moves up into the slot is looked at as well. */
		while (top->nodes.slots[i] && !top->nodes.slots[i]->nlink)
			bury(top, top->nodes.slots[i]);
}

void cps_node_forget(struct cps_top *top, struct cps_node *n)
{
	take_out(&top->nodes, n->ino);
	free_node(n);
}

void cps_nodes_release(struct cps_top *top)
{
	for (size_t i = 0; i < top->nodes.slot_count; i++)
		if (top->nodes.slots[i])
			free_node(top->nodes.slots[i]);
	free(top->nodes.slots);
	top->nodes = (struct cps_nodes){0};
}

/* ---- lower inodes ---- */

static void fill_from_lower(struct cps_node *n, const struct cps_inode *inode)
{
	n->mode = inode->mode;
	n->uid = inode->uid;
	n->gid = inode->gid;
	n->nlink = inode->nlink;
	n->size = inode->size;
	n->base_len = S_ISREG(inode->mode) ? inode->size : 0;
	n->rdev = (uint64_t)inode->rdev_major << 32 | inode->rdev_minor;
	n->parent = cps_view_number(inode->parent);
	n->mtime = (struct timespec){inode->mtime_s, inode->mtime_ns};
	n->atime = n->ctime = n->mtime;
}

int cps_node_get(struct cps_top *top, uint64_t ino, struct cps_node **out)
{
	struct cps_inode inode;
	int rc;

	*out = cps_node_find(top, ino);
	if (*out)
		return 0;
	if (ino == 0 || !cps_is_lower(ino) || cps_is_dead(top, ino))
		return -ENOENT;
	rc = cps_tree_inode(top->root->tree, cps_lower_pos(ino), &inode);
	if (rc == 0)
		rc = cps_node_add(top, ino, out);
	if (rc == 0)
		fill_from_lower(*out, &inode);
	if (rc == 0 && S_ISREG(inode.mode))
		(*out)->told = cps_node_blocks(top, *out);
	return rc;
}

int cps_node_own_xattrs(struct cps_top *top, struct cps_node *n)
{
	const size_t layer_len = strlen(CPS_VIEW_LAYER_XATTR);
	struct cps_tar_xattr xattr;
	size_t len;
	int rc = 0;

	if (n->flags & CPS_NODE_XATTRS)
		return 0;
	for (uint32_t i = 0;
	     cps_is_lower(n->ino) && rc >= 0 &&
	     (rc = cps_tree_xattr(top->root->tree, cps_lower_pos(n->ino), i, &xattr,
				  &len)) == 1;
	     i++) {
		struct cps_bytes name = {xattr.name, len};
		struct cps_bytes value = {xattr.value, xattr.value_len};

		if (len == layer_len &&
		    memcmp(xattr.name, CPS_VIEW_LAYER_XATTR, len) == 0)
			continue;
		rc = cps_xset_put(&n->xattrs, &name, &value);
	}
	if (rc >= 0)
		n->flags |= CPS_NODE_XATTRS;
	return rc < 0 ? rc : 0;
}

/* ---- any inode ---- */

int cps_top_brief(struct cps_top *top, uint64_t ino, struct cps_brief *out)
{
	const struct cps_node *n = cps_node_find(top, ino);
	struct cps_inode inode;
	int rc;

	if (n) {
		*out = (struct cps_brief){n->mode, n->nlink, n->parent};
		return 0;
	}
	if (ino == 0 || !cps_is_lower(ino) || cps_is_dead(top, ino))
		return -ENOENT;
	rc = cps_tree_inode(top->root->tree, cps_lower_pos(ino), &inode);
	if (rc == 0)
		*out = (struct cps_brief){inode.mode, inode.nlink,
					  cps_view_number(inode.parent)};
	return rc;
}

int cps_top_child(struct cps_top *top, uint64_t dir, const char *name, size_t len,
		  uint64_t *ino, bool *covers)
{
	const struct cps_node *n = cps_node_find(top, dir);
	const struct cps_dent *d =
		n ? cps_dents_find(cps_node_dents(n), name, len) : NULL;
	uint32_t pos;
	int rc;

	*covers = false;
	if (d) {
		*covers = d->covers;
		*ino = d->ino;
		return d->ino ? 0 : -ENOENT;
	}
	if (!cps_is_lower(dir))
		return n && !S_ISDIR(n->mode) ? -ENOTDIR : -ENOENT;
	rc = cps_tree_lookup(top->root->tree, cps_lower_pos(dir), name, len, &pos);
	if (rc == 0) {
		*covers = true;
		*ino = cps_view_number(pos);
	}
	return rc;
}

int cps_top_entries(struct cps_top *top, uint64_t dir, uint64_t *count)
{
	const struct cps_node *n = cps_node_find(top, dir);
	struct cps_inode inode;
	int rc;

	*count = n ? cps_node_dents(n)->live : 0;
	if (!cps_is_lower(dir))
		return 0;
	rc = cps_tree_inode(top->root->tree, cps_lower_pos(dir), &inode);
	if (rc == 0)
		*count += inode.children - (n ? cps_node_dents(n)->covering : 0);
	return rc;
}

bool cps_top_is_ancestor(struct cps_top *top, uint64_t dir, uint64_t below)
{
	struct cps_brief brief;

	while (below != dir) {
		if (below == CPS_TOP_ROOT || cps_top_brief(top, below, &brief) < 0 ||
		    brief.parent == below)
			return false;
		below = brief.parent;
	}
	return true;
}
