/* What compaction writes: inodes and names as they are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/apply.h"

/* ---- inodes ---- */

/* A lower inode stays of its type, and shows no more content than it has. */
static int check_node_lower(struct cps_top *top, const struct cps_change *c)
{
	struct cps_inode inode;
	int rc = cps_tree_inode(top->root->tree, cps_lower_pos(c->ino), &inode);

	if (rc < 0)
		return rc;
	if ((c->mode ^ inode.mode) & S_IFMT || c->name2.len)
		return -EBADMSG;
	return c->base_len > (S_ISREG(c->mode) ? inode.size : 0) ? -EBADMSG : 0;
}

static int check_node_fresh(struct cps_top *top, const struct cps_change *c)
{
	if (c->base_len || c->ino == UINT64_MAX || !cps_change_type_ok(c->mode))
		return -EBADMSG;
	if (!S_ISLNK(c->mode))
		return c->name2.len ? -EBADMSG : 0;
	return c->size == c->name2.len ? cps_change_target_check(&c->name2) : -EBADMSG;
}

/* It is said once, and again after its content. */
int cps_check_node(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_node *n = cps_node_find(top, c->ino);

	if (!cps_xset_valid(c->value.data, c->value.len) || c->size > INT64_MAX ||
	    c->base_len > c->size || c->ino == 0 || c->nlink == 0)
		return -EBADMSG;
	if (c->gen == CPS_IN_LOG || c->gen == UINT32_MAX)
		return -EBADMSG;
	if (n && (c->mode ^ n->mode) & S_IFMT)
		return -EBADMSG;
	return cps_is_lower(c->ino) ? check_node_lower(top, c)
				    : check_node_fresh(top, c);
}

static void fill_node(struct cps_node *n, const struct cps_change *c)
{
	n->mode = c->mode;
	n->uid = c->uid;
	n->gid = c->gid;
	n->nlink = c->nlink;
	n->rdev = c->rdev;
	n->size = c->size;
	n->base_len = c->base_len;
	n->parent = c->dir;
	n->atime = c->atime;
	n->mtime = c->mtime;
	n->ctime = c->ctime;
	n->gen = c->gen;
	n->who = c->who;
	n->flags = (c->flags & CPS_CHANGE_CONTENT ? CPS_NODE_CONTENT : 0) |
		   (c->flags & CPS_CHANGE_ATTRS ? CPS_NODE_ATTRS : 0) |
		   (c->flags & CPS_CHANGE_XATTRS ? CPS_NODE_XATTRS : 0) |
		   (c->flags & CPS_CHANGE_LOST ? CPS_NODE_LOST : 0);
}

int cps_apply_node(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n = cps_node_find(top, c->ino);
	bool again = n != NULL;
	int rc = n ? 0 : cps_node_add(top, c->ino, &n);

	if (rc < 0)
		return rc;
	fill_node(n, c);
	if (!again)
		n->due = (uint32_t)c->len;
	if (c->gen)
		cps_use_gen(top, c->gen);
	if (!cps_is_lower(c->ino) && c->ino >= top->next_ino)
		top->next_ino = c->ino + 1;
	if (c->name2.len) {
		free(n->target);
		n->target = strndup(c->name2.data, c->name2.len);
		if (!n->target)
			return -ENOMEM;
	}
	return cps_xset_copy(&n->xattrs, c->value.data, c->value.len);
}

/* ---- names ---- */

/* The nodes were before, so all is there; each name is said once. */
int cps_check_dirent(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_node *dir = cps_node_find(top, c->dir), *n;
	int rc = cps_check_folder(top, c->dir);

	if (rc == 0)
		rc = cps_check_name(&c->name);
	if (rc < 0)
		return rc;
	if (!dir || cps_dents_find(cps_node_dents(dir), c->name.data, c->name.len))
		return -EBADMSG;
	if (!c->ino)
		return 0;
	n = cps_node_find(top, c->ino);
	if (!n || !n->nlink)
		return -EBADMSG;
	return S_ISDIR(n->mode) && (n->parent != c->dir || n->named) ? -EBADMSG : 0;
}

int cps_apply_dirent(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *dir = cps_node_find(top, c->dir);
	struct cps_node *n = c->ino ? cps_node_find(top, c->ino) : NULL;

	if (n)
		n->named = S_ISDIR(n->mode);
	return cps_point(top, dir, &c->name, c->ino, n ? n->mode : 0);
}

/* ---- lower inodes that lost their last name ---- */

int cps_check_gone(struct cps_top *top, const struct cps_change *c)
{
	uint64_t count = cps_tree_inode_count(top->root->tree);

	/* In order, so that many of them take no longer than the tree is large. */
	if (c->ino <= CPS_TOP_ROOT || c->ino < top->gone_end || c->ino > count)
		return -EBADMSG;
	return c->len == 0 || c->len > count - c->ino + 1 ? -EBADMSG : 0;
}

int cps_apply_gone(struct cps_top *top, const struct cps_change *c)
{
	for (uint64_t i = 0; top->lower_refs && i < c->len; i++)
		top->lower_refs[cps_lower_pos(c->ino + i)] |= CPS_LOWER_DEAD;
	top->gone_end = c->ino + c->len;
	return 0;
}
