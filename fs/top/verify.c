/* What compaction wrote is a state, not changes that were checked one by one: is it a
 * tree? Everything after it keeps it one. */
#include <errno.h>

#include "fs/top/verify.h"

/* The way from a folder to the root, which passes folders only. */
static int walk_up(struct cps_top *top, struct cps_node *n)
{
	uint64_t left = top->nodes.count + cps_tree_inode_count(top->root->tree);
	struct cps_node *start = n;
	uint64_t ino = n->ino;

	for (; ino != CPS_TOP_ROOT && !(n && n->placed); left--) {
		struct cps_brief brief;

		if (!left || cps_top_brief(top, ino, &brief) < 0 ||
		    !S_ISDIR(brief.mode) || !brief.nlink)
			return -EBADMSG;
		ino = brief.parent;
		n = cps_node_find(top, ino);
	}
	for (n = start; n && !n->placed; n = cps_node_find(top, n->parent))
		n->placed = true;
	return 0;
}

/* Has the top another word for the lower folder `dir`'s name in its lower parent? */
static int is_covered(struct cps_top *top, const struct cps_node *parent, uint64_t dir)
{
	struct cps_dirent de;
	int rc;

	for (uint32_t i = 0;
	     (rc = cps_tree_readdir(top->root->tree, cps_lower_pos(parent->ino), i,
				    &de)) == 1;
	     i++)
		if (cps_view_number(de.ino) == dir)
			return cps_dents_find(cps_node_dents(parent), de.name,
					      de.name_len) != NULL;
	return rc;
}

/* Is the lower folder gone, with all that it still holds below? A deleted one has no
 * record: a folder above it has another word for the name on the way to it. 1 or 0. */
static int is_gone(struct cps_top *top, uint64_t dir)
{
	uint64_t left = cps_tree_inode_count(top->root->tree);

	/* What has a record is there. */
	while (dir != CPS_TOP_ROOT && left-- && !cps_node_find(top, dir)) {
		const struct cps_node *parent;
		struct cps_inode inode;
		int rc = cps_tree_inode(top->root->tree, cps_lower_pos(dir), &inode);

		if (rc < 0)
			return rc;
		parent = cps_node_find(top, cps_view_number(inode.parent));
		rc = parent ? is_covered(top, parent, dir) : 0;
		if (rc)
			return rc;
		dir = cps_view_number(inode.parent);
	}
	return 0;
}

/* A lower folder that has a name in the top must have lost that below. */
static int check_moved(struct cps_top *top, const struct cps_node *n)
{
	const struct cps_node *parent;
	struct cps_inode inode;
	uint64_t lower_parent;
	int rc;

	if (!cps_is_lower(n->ino) || n->ino == CPS_TOP_ROOT)
		return 0;
	rc = cps_tree_inode(top->root->tree, cps_lower_pos(n->ino), &inode);
	if (rc < 0)
		return rc;
	lower_parent = cps_view_number(inode.parent);
	if (!n->named)
		return n->parent == lower_parent ? 0 : -EBADMSG;
	parent = cps_node_find(top, lower_parent);
	if (parent)
		return cps_node_dents(parent)->covering ? 0 : -EBADMSG;
	rc = is_gone(top, lower_parent);
	return rc < 0 ? rc : rc ? 0 : -EBADMSG;
}

/* No folder that has a name in the top shows its lower one in `dir` as well. */
static int check_covered(struct cps_top *top, const struct cps_node *dir)
{
	struct cps_dirent de;
	int rc = 0;

	if (!cps_is_lower(dir->ino) || !cps_node_dents(dir)->covering)
		return 0;
	for (uint32_t i = 0;
	     (rc = cps_tree_readdir(top->root->tree, cps_lower_pos(dir->ino), i,
				    &de)) == 1;
	     i++) {
		const struct cps_node *n = cps_node_find(top, cps_view_number(de.ino));

		if (n && n->named &&
		    !cps_dents_find(cps_node_dents(dir), de.name, de.name_len))
			return -EBADMSG;
	}
	return rc;
}

int cps_top_verify(struct cps_top *top)
{
	int rc = 0;

	for (size_t i = 0; i < top->nodes.slot_count && rc == 0; i++) {
		struct cps_node *n = top->nodes.slots[i];

		if (!n || !S_ISDIR(n->mode))
			continue;
		rc = walk_up(top, n);
		if (rc == 0)
			rc = check_moved(top, n);
		if (rc == 0)
			rc = check_covered(top, n);
	}
	return rc;
}
