/* What each change means. The running driver and replay both come through here: check,
 * then apply. Names and links; attributes and content are in apply_inode.c. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/apply.h"

struct timespec cps_change_time(const struct cps_change *c)
{
	struct timespec t = {c->time_ns / 1000000000, c->time_ns % 1000000000};

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += 1000000000;
	}
	return t;
}

/* ---- names ---- */

static int check_name(const struct cps_bytes *name)
{
	if (name->len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!cps_name_ok_n(name->data, name->len) || memchr(name->data, 0, name->len))
		return -EINVAL;
	return 0;
}

/* A folder that is still somewhere: entries can be made in it. */
static int check_folder(struct cps_top *top, uint64_t dir)
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
	int rc = check_folder(top, dir);

	if (rc == 0)
		rc = check_name(name);
	if (rc < 0)
		return rc;
	rc = cps_top_child(top, dir, name->data, name->len, &ino, &covers);
	return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

/* The name means `ino` (0: nothing) from now on. */
static int point(struct cps_top *top, struct cps_node *dir,
		 const struct cps_bytes *name, uint64_t ino, uint32_t mode)
{
	const struct cps_dent *d = cps_dents_find(&dir->dents, name->data, name->len);
	bool covers = d && d->covers;
	uint32_t pos;

	if (!d && cps_is_lower(dir->ino))
		covers = cps_tree_lookup(top->root->tree, cps_lower_pos(dir->ino),
					 name->data, name->len, &pos) == 0;
	return cps_dents_set(&dir->dents, name->data, name->len, ino, IFTODT(mode),
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

static int check_make(struct cps_top *top, const struct cps_change *c)
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

static int apply_make(struct cps_top *top, const struct cps_change *c)
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
		rc = point(top, dir, &c->name, c->ino, c->mode);
	if (rc < 0)
		return rc;
	n->nlink = S_ISDIR(c->mode) ? 2 : 1;
	n->parent = c->dir;
	dir->nlink += S_ISDIR(c->mode);
	touch_folder(dir, c);
	return 0;
}

/* ---- links ---- */

static int check_link(struct cps_top *top, const struct cps_change *c)
{
	struct cps_brief brief;
	int rc = cps_top_brief(top, c->ino, &brief);

	if (rc < 0)
		return rc;
	if (S_ISDIR(brief.mode))
		return -EPERM;
	if (brief.nlink == UINT32_MAX)
		return -EMLINK;
	return check_free(top, c->dir, &c->name);
}

static int apply_link(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n, *dir;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc == 0)
		rc = cps_node_get(top, c->dir, &dir);
	if (rc == 0)
		rc = point(top, dir, &c->name, c->ino, n->mode);
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

static int check_unlink(struct cps_top *top, const struct cps_change *c)
{
	struct cps_brief brief;
	uint64_t ino;
	bool covers;
	int rc = check_folder(top, c->dir);

	if (rc == 0)
		rc = check_name(&c->name);
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
	cps_node_drop_if_dead(top, n);
}

static int apply_unlink(struct cps_top *top, const struct cps_change *c)
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
		rc = point(top, dir, &c->name, 0, 0);
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
	int rc = check_folder(top, c->dir);

	if (rc == 0)
		rc = check_folder(top, c->dir2);
	if (rc == 0)
		rc = check_name(&c->name);
	return rc < 0 ? rc : check_name(&c->name2);
}

static int check_rename(struct cps_top *top, const struct cps_change *c)
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
		rc = point(top, dir, &c->name, b->ino, b->mode);
	if (rc == 0)
		rc = point(top, dir2, &c->name2, a->ino, a->mode);
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
		rc = point(top, dir, &c->name, 0, 0);
	if (rc == 0)
		rc = point(top, dir2, &c->name2, n->ino, n->mode);
	if (rc < 0)
		return rc;
	if (old)
		lose_name(top, old, dir2, c);
	move_folder(n, dir, dir2);
	n->ctime = cps_change_time(c);
	return 0;
}

static int apply_rename(struct cps_top *top, const struct cps_change *c)
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

/* ---- what compaction wrote ---- */

/* The nodes were before, so all is there; each name is said once. */
static int check_dirent(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_node *dir = cps_node_find(top, c->dir), *n;
	int rc = check_folder(top, c->dir);

	if (rc == 0)
		rc = check_name(&c->name);
	if (rc < 0)
		return rc;
	if (!dir || cps_dents_find(&dir->dents, c->name.data, c->name.len))
		return -EBADMSG;
	if (!c->ino)
		return 0;
	n = cps_node_find(top, c->ino);
	if (!n || !n->nlink)
		return -EBADMSG;
	return S_ISDIR(n->mode) && (n->parent != c->dir || n->named) ? -EBADMSG : 0;
}

static int apply_dirent(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *dir = cps_node_find(top, c->dir);
	struct cps_node *n = c->ino ? cps_node_find(top, c->ino) : NULL;

	if (n)
		n->named = S_ISDIR(n->mode);
	return point(top, dir, &c->name, c->ino, n ? n->mode : 0);
}

/* ---- the log's own ---- */

static int check_start(struct cps_top *top, const struct cps_change *c)
{
	return c->ino == UINT64_MAX || c->gen == UINT32_MAX ? -EBADMSG : 0;
}

static int check_mark(struct cps_top *top, const struct cps_change *c)
{
	return c->gen > top->next_gen ? -EBADMSG : 0;
}

static int apply_start(struct cps_top *top, const struct cps_change *c)
{
	if (c->ino > top->next_ino)
		top->next_ino = c->ino;
	if (c->gen > top->next_gen)
		top->next_gen = c->gen;
	return 0;
}

static int check_who(struct cps_top *top, const struct cps_change *c)
{
	return c->gen == UINT32_MAX || top->whos.count == UINT32_MAX ? -EBADMSG : 0;
}

static int apply_who(struct cps_top *top, const struct cps_change *c)
{
	if (c->gen >= top->whos.count)
		top->whos.count = c->gen;
	top->whos.count++;
	return 0;
}

static int apply_mark(struct cps_top *top, const struct cps_change *c)
{
	if (c->gen > top->frozen_gen)
		top->frozen_gen = c->gen;
	if (c->name.len && c->gen > top->named_gen)
		top->named_gen = c->gen;
	return 0;
}

/** A kind of change: is it possible, and do it. */
static const struct kind {
	int (*check)(struct cps_top *top, const struct cps_change *c);
	int (*apply)(struct cps_top *top, const struct cps_change *c);
} kinds[CPS_CHANGE_TYPES] = {
	[CPS_CHANGE_START] = {check_start, apply_start},
	[CPS_CHANGE_WHO] = {check_who, apply_who},
	[CPS_CHANGE_MAKE] = {check_make, apply_make},
	[CPS_CHANGE_LINK] = {check_link, apply_link},
	[CPS_CHANGE_UNLINK] = {check_unlink, apply_unlink},
	[CPS_CHANGE_RENAME] = {check_rename, apply_rename},
	[CPS_CHANGE_ATTR] = {cps_check_attr, cps_apply_attr},
	[CPS_CHANGE_XATTR] = {cps_check_xattr, cps_apply_xattr},
	[CPS_CHANGE_DATA] = {cps_check_data, cps_apply_data},
	[CPS_CHANGE_OWN] = {cps_check_own, cps_apply_own},
	[CPS_CHANGE_SPILL] = {cps_check_own, cps_apply_spill},
	[CPS_CHANGE_ZERO] = {cps_check_regular, cps_apply_zero},
	[CPS_CHANGE_MARK] = {check_mark, apply_mark},
	[CPS_CHANGE_NODE] = {cps_check_node, cps_apply_node},
	[CPS_CHANGE_DIRENT] = {check_dirent, apply_dirent},
};

int cps_change_check(struct cps_top *top, const struct cps_change *c)
{
	if (c->type >= CPS_CHANGE_TYPES || !kinds[c->type].check)
		return -EBADMSG;
	return kinds[c->type].check(top, c);
}

int cps_change_apply(struct cps_top *top, const struct cps_change *c)
{
	return kinds[c->type].apply(top, c);
}
