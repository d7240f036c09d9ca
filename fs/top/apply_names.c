/* Changes of names: making, linking, removing, renaming. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/apply.h"

/* ---- names ---- */

int cps_check_name(const struct cps_bytes *name)
{
	if (name->len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!cps_name_ok_n(name->data, name->len) || memchr(name->data, 0, name->len))
		return -EINVAL;
	return 0;
}

int cps_check_folder(struct cps_top *top, uint64_t dir)
{
	struct cps_brief brief;
	int rc = cps_top_brief(top, dir, &brief);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(brief.mode))
		return -ENOTDIR;
	return brief.nlink ? 0 : -ENOENT;
}

static int check_free(struct cps_top *top, uint64_t dir, const struct cps_bytes *name)
{
	uint64_t ino;
	bool covers;
	int rc = cps_check_folder(top, dir);

	if (rc == 0)
		rc = cps_check_name(name);
	if (rc < 0)
		return rc;
	rc = cps_top_child(top, dir, name->data, name->len, &ino, &covers);
	return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

int cps_point(struct cps_top *top, struct cps_node *dir, const struct cps_bytes *name,
	      uint64_t ino, uint32_t mode)
{
	const struct cps_dent *d =
		cps_dents_find(cps_node_dents(dir), name->data, name->len);
	bool covers = d && d->covers;
	uint32_t pos;

	if (!d && cps_is_lower(dir->ino))
		covers = cps_tree_lookup(top->root->tree, cps_lower_pos(dir->ino),
					 name->data, name->len, &pos) == 0;
	if (!cps_node_own_dents(dir))
		return -ENOMEM;
	return cps_dents_set(dir->dents, name->data, name->len, ino, IFTODT(mode),
			     covers);
}

static void touch_folder(struct cps_node *dir, const struct cps_change *c)
{
	dir->mtime = dir->ctime = cps_change_time(c);
	dir->flags |= CPS_NODE_ATTRS;
	dir->who = c->who;
}

/* ---- a new inode ---- */

bool cps_change_type_ok(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) ||
	       S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

int cps_change_target_check(const struct cps_bytes *target)
{
	if (target->len == 0)
		return -ENOENT;
	if (target->len >= PATH_MAX)
		return -ENAMETOOLONG;
	return memchr(target->data, 0, target->len) ? -EINVAL : 0;
}

int cps_check_make(struct cps_top *top, const struct cps_change *c)
{
	int rc;

	if (c->ino < top->next_ino || c->ino == UINT64_MAX)
		return -EBADMSG;
	if (!cps_change_type_ok(c->mode) || (!c->dir && !S_ISREG(c->mode)))
		return -EINVAL;
	rc = S_ISLNK(c->mode) ? cps_change_target_check(&c->name2) : 0;
	if (rc < 0)
		return rc;
	if (!cps_xset_valid(c->value.data, c->value.len))
		return -ENOSPC;
	return c->dir ? check_free(top, c->dir, &c->name) : 0;
}

static int fill_made(struct cps_node *n, const struct cps_change *c)
{
	n->mode = c->mode;
	n->uid = c->uid;
	n->gid = c->gid;
	n->rdev = c->rdev;
	n->who = c->who;
	n->atime = n->mtime = n->ctime = cps_change_time(c);
	n->flags = CPS_NODE_ATTRS | CPS_NODE_CONTENT | CPS_NODE_XATTRS;
	if (S_ISLNK(c->mode)) {
		n->target = strndup(c->name2.data, c->name2.len);
		n->size = c->name2.len;
		if (!n->target)
			return -ENOMEM;
	}
	return cps_xset_copy(&n->xattrs, c->value.data, c->value.len);
}

int cps_apply_make(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n, *dir;
	int rc = cps_node_add(top, c->ino, &n);

	if (rc == 0)
		rc = fill_made(n, c);
	top->next_ino = c->ino + 1;
	if (rc < 0 || !c->dir)
		return rc;
	rc = cps_node_get(top, c->dir, &dir);
	if (rc == 0)
		rc = cps_point(top, dir, &c->name, c->ino, c->mode);
	if (rc < 0)
		return rc;
	n->nlink = S_ISDIR(c->mode) ? 2 : 1;
	n->parent = c->dir;
	dir->nlink += S_ISDIR(c->mode);
	touch_folder(dir, c);
	return 0;
}

/* ---- links ---- */

int cps_check_link(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_node *n;
	struct cps_brief brief;
	int rc = cps_top_brief(top, c->ino, &brief);

	if (rc < 0)
		return rc;
	if (S_ISDIR(brief.mode))
		return -EPERM;
	if (brief.nlink == UINT32_MAX)
		return -EMLINK;
	/* As vfs_link() has it: only one that never had a name may get its first. So
	 * replay need not keep what has lost its last. */
	n = cps_node_find(top, c->ino);
	if (n && n->flags & CPS_NODE_UNLINKED)
		return -ENOENT;
	return check_free(top, c->dir, &c->name);
}

int cps_apply_link(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n, *dir;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc == 0)
		rc = cps_node_get(top, c->dir, &dir);
	if (rc == 0)
		rc = cps_point(top, dir, &c->name, c->ino, n->mode);
	if (rc < 0)
		return rc;
	n->nlink++;
	n->ctime = cps_change_time(c);
	touch_folder(dir, c);
	return 0;
}

static int check_empty(struct cps_top *top, uint64_t dir)
{
	uint64_t count;
	int rc = cps_top_entries(top, dir, &count);

	return rc < 0 ? rc : count ? -ENOTEMPTY : 0;
}

int cps_check_unlink(struct cps_top *top, const struct cps_change *c)
{
	struct cps_brief brief;
	uint64_t ino;
	bool covers;
	int rc = cps_check_folder(top, c->dir);

	if (rc == 0)
		rc = cps_check_name(&c->name);
	if (rc == 0)
		rc = cps_top_child(top, c->dir, c->name.data, c->name.len, &ino,
				   &covers);
	if (rc == 0)
		rc = cps_top_brief(top, ino, &brief);
	if (rc < 0)
		return rc;
	if (c->flags & CPS_CHANGE_FOLDER)
		return S_ISDIR(brief.mode) ? check_empty(top, ino) : -ENOTDIR;
	return S_ISDIR(brief.mode) ? -EISDIR : 0;
}

/* An inode lost a name in `dir`. */
static void lose_name(struct cps_top *top, struct cps_node *n, struct cps_node *dir,
		      const struct cps_change *c)
{
	n->ctime = cps_change_time(c);
	if (S_ISDIR(n->mode)) {
		n->nlink = 0;
		dir->nlink--;
	} else if (n->nlink) {
		n->nlink--;
	}
	if (!n->nlink)
		n->flags |= CPS_NODE_UNLINKED;
	cps_node_drop_if_dead(top, n);
}

int cps_apply_unlink(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n, *dir;
	uint64_t ino;
	bool covers;
	int rc = cps_top_child(top, c->dir, c->name.data, c->name.len, &ino, &covers);

	if (rc == 0)
		rc = cps_node_get(top, c->dir, &dir);
	if (rc == 0)
		rc = cps_node_get(top, ino, &n);
	if (rc == 0)
		rc = cps_point(top, dir, &c->name, 0, 0);
	if (rc < 0)
		return rc;
	touch_folder(dir, c);
	lose_name(top, n, dir, c);
	return 0;
}

/* ---- renames ---- */

/** The two ends of a rename. */
struct ends {
	uint64_t from, to; /* inodes; `to` 0: nothing is there */
	struct cps_brief from_brief, to_brief;
};

static int find_ends(struct cps_top *top, const struct cps_change *c, struct ends *out)
{
	bool covers;
	int rc = cps_top_child(top, c->dir, c->name.data, c->name.len, &out->from,
			       &covers);

	if (rc == 0)
		rc = cps_top_brief(top, out->from, &out->from_brief);
	if (rc < 0)
		return rc;
	rc = cps_top_child(top, c->dir2, c->name2.data, c->name2.len, &out->to,
			   &covers);
	if (rc == -ENOENT) {
		out->to = 0;
		return 0;
	}
	return rc < 0 ? rc : cps_top_brief(top, out->to, &out->to_brief);
}

/* May what is moved replace what is there? */
static int check_displace(struct cps_top *top, const struct ends *e)
{
	if (!S_ISDIR(e->from_brief.mode))
		return S_ISDIR(e->to_brief.mode) ? -EISDIR : 0;
	return S_ISDIR(e->to_brief.mode) ? check_empty(top, e->to) : -ENOTDIR;
}

static int check_names(struct cps_top *top, const struct cps_change *c)
{
	int rc = cps_check_folder(top, c->dir);

	if (rc == 0)
		rc = cps_check_folder(top, c->dir2);
	if (rc == 0)
		rc = cps_check_name(&c->name);
	return rc < 0 ? rc : cps_check_name(&c->name2);
}

int cps_check_rename(struct cps_top *top, const struct cps_change *c)
{
	struct ends e;
	int rc = check_names(top, c);

	if (rc == 0)
		rc = find_ends(top, c, &e);
	if (rc < 0)
		return rc;
	if (S_ISDIR(e.from_brief.mode) && cps_top_is_ancestor(top, e.from, c->dir2))
		return -EINVAL;
	if (!(c->flags & CPS_CHANGE_EXCHANGE))
		return e.to && e.to != e.from ? check_displace(top, &e) : 0;
	if (!e.to)
		return -ENOENT;
	return S_ISDIR(e.to_brief.mode) && cps_top_is_ancestor(top, e.to, c->dir)
		       ? -EINVAL
		       : 0;
}

/* A folder goes from one parent to another. */
static void move_folder(struct cps_node *n, struct cps_node *from, struct cps_node *to)
{
	if (!S_ISDIR(n->mode))
		return;
	n->parent = to->ino;
	from->nlink--;
	to->nlink++;
}

static int apply_exchange(struct cps_top *top, const struct cps_change *c,
			  const struct ends *e, struct cps_node *dir,
			  struct cps_node *dir2)
{
	struct cps_node *a, *b;
	int rc = cps_node_get(top, e->from, &a);

	if (rc == 0)
		rc = cps_node_get(top, e->to, &b);
	if (rc == 0)
		rc = cps_point(top, dir, &c->name, b->ino, b->mode);
	if (rc == 0)
		rc = cps_point(top, dir2, &c->name2, a->ino, a->mode);
	if (rc < 0)
		return rc;
	move_folder(a, dir, dir2);
	move_folder(b, dir2, dir);
	a->ctime = b->ctime = cps_change_time(c);
	return 0;
}

static int apply_move(struct cps_top *top, const struct cps_change *c,
		      const struct ends *e, struct cps_node *dir, struct cps_node *dir2)
{
	struct cps_node *n, *old = NULL;
	int rc = cps_node_get(top, e->from, &n);

	if (rc == 0 && e->to)
		rc = cps_node_get(top, e->to, &old);
	if (rc == 0)
		rc = cps_point(top, dir, &c->name, 0, 0);
	if (rc == 0)
		rc = cps_point(top, dir2, &c->name2, n->ino, n->mode);
	if (rc < 0)
		return rc;
	if (old)
		lose_name(top, old, dir2, c);
	move_folder(n, dir, dir2);
	n->ctime = cps_change_time(c);
	return 0;
}

int cps_apply_rename(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *dir, *dir2;
	struct ends e;
	int rc = find_ends(top, c, &e);

	/* rename(2): two names of one inode, nothing happens. */
	if (rc < 0 || (e.from == e.to && !(c->flags & CPS_CHANGE_EXCHANGE)))
		return rc;
	rc = cps_node_get(top, c->dir, &dir);
	if (rc == 0)
		rc = cps_node_get(top, c->dir2, &dir2);
	if (rc < 0)
		return rc;
	touch_folder(dir, c);
	touch_folder(dir2, c);
	return c->flags & CPS_CHANGE_EXCHANGE ? apply_exchange(top, c, &e, dir, dir2)
					      : apply_move(top, c, &e, dir, dir2);
}
