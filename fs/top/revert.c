/* Folders of a top that is only read, made what they are below. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/internal.h"
#include "fs/top/stubs.h"
#include "store/base/path.h"

/** Lower folders that are still to be gone through. */
struct stack {
	uint32_t *items;
	size_t count, cap;
};

static void stack_auto(struct stack *stack)
{
	free(stack->items);
}

static int push(struct stack *stack, uint32_t pos)
{
	if (cps_grow(&stack->items, &stack->cap, stack->count + 1,
		     sizeof(*stack->items)) < 0)
		return -ENOMEM;
	stack->items[stack->count++] = pos;
	return 0;
}

/* A file that has names elsewhere keeps what was done to it through those. `regained`:
 * one of its names was gone. */
static int revert_one(struct cps_top *top, uint32_t pos, bool regained,
		      struct stack *stack)
{
	struct cps_node *n = cps_node_find(top, cps_view_number(pos));
	struct cps_inode inode;
	int rc = cps_tree_inode(top->root->tree, pos, &inode);

	if (rc < 0)
		return rc;
	top->lower_refs[pos] = 0;
	if (S_ISDIR(inode.mode))
		return push(stack, pos);
	if (n && inode.nlink == 1)
		cps_node_forget(top, n);
	else if (n && regained)
		n->nlink++;
	return 0;
}

/* Files that have names elsewhere lose those that they were given in the folder. */
static void unname(struct cps_top *top, const struct cps_node *dir)
{
	const struct cps_dent *d;
	size_t pos = 0;

	while ((d = cps_dents_each(cps_node_dents(dir), &pos))) {
		struct cps_node *n = d->ino ? cps_node_find(top, d->ino) : NULL;

		if (n && !S_ISDIR(n->mode) && n->nlink)
			n->nlink--;
	}
}

static int revert_folder(struct cps_top *top, uint32_t pos, struct stack *stack)
{
	struct cps_node *dir = cps_node_find(top, cps_view_number(pos));
	struct cps_dirent de;
	int rc;

	for (uint32_t i = 0; (rc = cps_tree_readdir(top->root->tree, pos, i, &de)) == 1;
	     i++) {
		const struct cps_dent *d =
			dir ? cps_dents_find(cps_node_dents(dir), de.name, de.name_len)
			    : NULL;

		rc = revert_one(top, de.ino, d && d->ino != cps_view_number(de.ino),
				stack);
		if (rc < 0)
			break;
	}
	if (dir) {
		unname(top, dir);
		cps_node_forget(top, dir);
	}
	return rc;
}

/* ---- what was taken out of it ---- */

/** Lower inodes that have no name but those below one folder; a byte for each. */
struct inmates {
	uint8_t *has; /* owned, by position */
};

static void inmates_auto(struct inmates *in)
{
	free(in->has);
}

static int gather_folder(const struct cps_tree *tree, uint32_t dir, struct inmates *in,
			 struct stack *stack)
{
	struct cps_inode inode;
	struct cps_dirent de;
	int rc;

	for (uint32_t i = 0; (rc = cps_tree_readdir(tree, dir, i, &de)) == 1; i++) {
		rc = cps_tree_inode(tree, de.ino, &inode);
		if (rc == 0 && S_ISDIR(inode.mode))
			rc = push(stack, de.ino);
		if (rc < 0)
			break;
		in->has[de.ino] = S_ISDIR(inode.mode) || inode.nlink == 1;
	}
	return rc;
}

static int gather(const struct cps_tree *tree, uint32_t pos, struct inmates *in)
{
	cps_auto(stack) struct stack stack = {0};
	int rc;

	in->has = calloc(cps_tree_inode_count(tree), 1);
	if (!in->has)
		return -ENOMEM;
	in->has[pos] = true;
	rc = push(&stack, pos);
	while (rc >= 0 && stack.count)
		rc = gather_folder(tree, stack.items[--stack.count], in, &stack);
	return rc;
}

/* Names one of a folder that is not below it now? */
static bool names_one(struct cps_top *top, uint32_t pos, const struct cps_node *dir,
		      const struct inmates *in)
{
	const struct cps_dent *d;
	size_t at = 0;

	while ((d = cps_dents_each(cps_node_dents(dir), &at)))
		if (d->ino && cps_is_lower(d->ino) && in->has[cps_lower_pos(d->ino)])
			return !cps_top_is_ancestor(top, cps_view_number(pos),
						    dir->ino);
	return false;
}

/* Is something that was in the folder now elsewhere? As no mount lay upon the folder
 * then, one could move it. 1; 0; -errno. */
static int has_left(struct cps_top *top, uint32_t pos)
{
	cps_auto(inmates) struct inmates in = {0};
	int rc = gather(top->root->tree, pos, &in);

	for (size_t i = 0; i < top->nodes.slot_count && rc == 0; i++) {
		const struct cps_node *n = top->nodes.slots[i];

		if (n && n->dents && n->nlink)
			rc = names_one(top, pos, n, &in);
	}
	return rc;
}

/* What has left cannot be in two places: then all stays as it is, and nothing of it is
 * lost. */
static int revert_tree(struct cps_top *top, uint32_t pos)
{
	cps_auto(stack) struct stack stack = {0};
	int rc = has_left(top, pos);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = revert_one(top, pos, false, &stack);
	while (rc >= 0 && stack.count)
		rc = revert_folder(top, stack.items[--stack.count], &stack);
	return rc < 0 ? rc : 0;
}

/* The names of `rest` from the folder `dir` on, which the root has. */
static int revert_new(struct cps_top *top, uint64_t dir, const char *rest)
{
	size_t pos = 0, len, left = strlen(rest);
	const char *name;
	bool covers;

	while (cps_path_next(rest, left, &pos, &name, &len)) {
		if (pos == left)
			return cps_top_hide_stub(top, dir, name, len);
		if (cps_top_child(top, dir, name, len, &dir, &covers) < 0)
			break;
	}
	return 0;
}

/* As much of the path as the root has, following its links; then what the top has. */
static int revert_path(struct cps_top *top, char *path)
{
	size_t whole = strlen(path), len = whole;
	uint32_t pos = 0;

	while (cps_root_walk(top->root, path, false, &pos) < 0) {
		while (len > 0 && path[len - 1] != '/')
			len--;
		if (len == 0)
			return 0;
		path[--len] = '\0';
	}
	if (len == whole)
		return revert_tree(top, pos);
	/* Behind the NUL lie the names that were cut off, one after the other. */
	for (size_t i = len; i < whole; i++)
		if (path[i] == '\0')
			path[i] = '/';
	return revert_new(top, cps_view_number(pos), path + len);
}

int cps_top_revert(struct cps_top *top, const char *path)
{
	char clean[CPS_PATH_MAX + 2] = "/";
	int rc;

	if (strlen(path) > CPS_PATH_MAX || top->writable || !top->lower_refs)
		return 0;
	clean[1 + cps_path_clean(path, strlen(path), clean + 1)] = '\0';
	/* The root itself is no volume. */
	if (!clean[1])
		return 0;
	cps_top_lock(top);
	rc = revert_path(top, clean);
	cps_top_unlock(top);
	return rc;
}
