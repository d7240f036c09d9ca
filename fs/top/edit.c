/* Making, naming and describing inodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/top/acl.h"
#include "fs/top/internal.h"

/* ---- new inodes ---- */

/** What a new inode inherits. */
struct heritage {
	uint32_t mode, gid;
	struct cps_xset xattrs;
};

static int put_acl(struct cps_xset *set, const char *name, const void *acl, size_t len)
{
	const struct cps_bytes key = {name, strlen(name)}, value = {acl, len};

	return cps_xset_put(set, &key, &value);
}

static int inherit_acl(const struct cps_bytes *acl, struct heritage *h)
{
	cps_auto(cps_free) void *copy = malloc(acl->len + 1);
	int rc;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, acl->data, acl->len);
	rc = cps_acl_create(copy, acl->len, &h->mode);
	if (rc == 0)
		rc = put_acl(&h->xattrs, CPS_ACL_ACCESS, copy, acl->len);
	if (rc >= 0 && S_ISDIR(h->mode))
		rc = put_acl(&h->xattrs, CPS_ACL_DEFAULT, acl->data, acl->len);
	return rc < 0 ? rc : 0;
}

/* umask or the folder's default ACL, never both; the group of a setgid folder. */
static int inherit(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		   struct heritage *h)
{
	struct cps_bytes acl;
	struct stat st;
	int rc = cps_top_stat(top, dir, &st);

	if (rc < 0)
		return rc;
	if (st.st_mode & S_ISGID) {
		h->gid = st.st_gid;
		if (S_ISDIR(h->mode))
			h->mode |= S_ISGID;
	}
	if (S_ISLNK(h->mode))
		return 0;
	cps_top_lock(top);
	rc = cps_top_xattr_find(top, dir, CPS_ACL_DEFAULT, &acl);
	if (rc == 0)
		rc = inherit_acl(&acl, h);
	cps_top_unlock(top);
	if (rc != -ENODATA)
		return rc;
	h->mode &= ~(who->umask & 0777u);
	return 0;
}

static int commit_made(struct cps_top *top, const struct cps_top_who *who,
		       struct cps_change *c)
{
	int rc;

	cps_top_lock(top);
	c->ino = top->next_ino;
	rc = cps_top_commit_change(top, who, c);
	cps_top_unlock(top);
	return rc;
}

static int make(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		struct cps_change *c, uint64_t *ino)
{
	struct heritage h = {.mode = c->mode, .gid = who->gid};
	int rc = inherit(top, who, dir, &h);

	if (rc == 0) {
		c->type = CPS_CHANGE_MAKE;
		c->mode = h.mode;
		c->uid = who->uid;
		c->gid = h.gid;
		c->value = (struct cps_bytes){h.xattrs.data, h.xattrs.len};
		rc = commit_made(top, who, c);
		if (rc == -ENOSPC && cps_top_reclaim(top))
			rc = commit_made(top, who, c);
		*ino = c->ino;
	}
	cps_xset_release(&h.xattrs);
	return rc;
}

int cps_top_make(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		 const char *name, mode_t mode, dev_t rdev, const char *target,
		 uint64_t *ino)
{
	struct cps_change c = {
		.dir = dir,
		.mode = mode,
		.rdev = (uint64_t)major(rdev) << 32 | minor(rdev),
		.name = {name, strlen(name)},
		.name2 = {target, target ? strlen(target) : 0},
	};

	return make(top, who, dir, &c, ino);
}

int cps_top_make_nameless(struct cps_top *top, const struct cps_top_who *who,
			  uint64_t dir, mode_t mode, uint64_t *ino)
{
	struct cps_change c = {.mode = mode};

	return make(top, who, dir, &c, ino);
}

/* ---- names ---- */

static int commit(struct cps_top *top, const struct cps_top_who *who,
		  struct cps_change *c)
{
	int rc;

	cps_top_lock(top);
	rc = cps_top_commit_change(top, who, c);
	cps_top_unlock(top);
	return rc;
}

int cps_top_link(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		 uint64_t dir, const char *name)
{
	struct cps_change c = {
		.type = CPS_CHANGE_LINK,
		.ino = ino,
		.dir = dir,
		.name = {name, strlen(name)},
	};

	return commit(top, who, &c);
}

int cps_top_unlink(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		   const char *name, bool folder)
{
	struct cps_change c = {
		.type = CPS_CHANGE_UNLINK,
		.dir = dir,
		.name = {name, strlen(name)},
		.flags = folder ? CPS_CHANGE_FOLDER : 0,
	};

	return commit(top, who, &c);
}

static int check_target(struct cps_top *top, uint64_t dir, const char *name)
{
	uint64_t ino;
	int rc = cps_top_lookup(top, dir, name, &ino);

	return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

int cps_top_rename(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		   const char *name, uint64_t to_dir, const char *to_name,
		   unsigned int flags)
{
	struct cps_change c = {
		.type = CPS_CHANGE_RENAME,
		.dir = dir,
		.dir2 = to_dir,
		.name = {name, strlen(name)},
		.name2 = {to_name, strlen(to_name)},
		.flags = flags & RENAME_EXCHANGE ? CPS_CHANGE_EXCHANGE : 0,
	};
	int rc = 0;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	/* Only the kernel's requests come here, and it holds both folders meanwhile. */
	if (flags & RENAME_NOREPLACE)
		rc = check_target(top, to_dir, to_name);
	return rc < 0 ? rc : commit(top, who, &c);
}

/* ---- attributes ---- */

/* chmod(2) of an inode with an ACL changes that too, with the same record. */
static int fit_acl(struct cps_top *top, struct cps_change *c, void **copy)
{
	struct cps_bytes acl;
	int rc = cps_top_xattr_find(top, c->ino, CPS_ACL_ACCESS, &acl);

	if (rc < 0)
		return rc == -ENODATA ? 0 : rc;
	*copy = malloc(acl.len + 1);
	if (!*copy)
		return -ENOMEM;
	memcpy(*copy, acl.data, acl.len);
	c->value = (struct cps_bytes){*copy, acl.len};
	return cps_acl_chmod(*copy, acl.len, c->mode);
}

static bool loses_plain_sgid(const struct cps_top_who *who, const struct cps_node *node)
{
	return S_ISREG(node->mode) && (node->mode & (S_ISGID | S_IXGRP)) == S_ISGID &&
	       !cps_who_in_group(who->pid, node->gid);
}

int cps_top_kill_plain_sgid(struct cps_top *top, const struct cps_top_who *who,
			    const struct cps_node *node)
{
	struct cps_change c = {
		.type = CPS_CHANGE_ATTR,
		.ino = node->ino,
		.mask = CPS_TOP_MODE,
		.mode = node->mode & 07777 & ~(uint32_t)S_ISGID,
	};

	return loses_plain_sgid(who, node) ? cps_top_commit_change(top, who, &c) : 0;
}

static void describe(struct cps_change *c, unsigned int mask, const struct stat *st)
{
	c->mask = mask & ~(unsigned int)CPS_TOP_KILL_PRIV;
	c->flags = mask & CPS_TOP_KILL_PRIV ? CPS_CHANGE_KILL_PRIV : 0;
	if (mask & CPS_TOP_MODE)
		c->mode = st->st_mode & 07777;
	if (mask & CPS_TOP_UID)
		c->uid = st->st_uid;
	if (mask & CPS_TOP_GID)
		c->gid = st->st_gid;
	if (mask & CPS_TOP_SIZE)
		c->size = (uint64_t)st->st_size;
	if (mask & CPS_TOP_ATIME)
		c->atime = st->st_atim;
	if (mask & CPS_TOP_MTIME)
		c->mtime = st->st_mtim;
	if (mask & CPS_TOP_CTIME)
		c->ctime = st->st_ctim;
}

/* A change of size by someone who may not keep setuid. */
static int fit_mode(struct cps_top *top, const struct cps_top_who *who,
		    struct cps_change *c)
{
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc < 0 || !loses_plain_sgid(who, n))
		return rc;
	c->mask |= CPS_TOP_MODE;
	c->mode = n->mode & 07777 & ~(uint32_t)(S_ISUID | S_ISGID);
	return 0;
}

int cps_top_setattr(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		    unsigned int mask, const struct stat *st)
{
	struct cps_change c = {.type = CPS_CHANGE_ATTR, .ino = ino};
	cps_auto(cps_free) void *acl = NULL;
	int rc = 0;

	describe(&c, mask, st);
	cps_top_lock(top);
	if (!top->writable)
		rc = -EROFS;
	else if (mask & CPS_TOP_MODE)
		rc = fit_acl(top, &c, &acl);
	else if (mask & CPS_TOP_KILL_PRIV && mask & CPS_TOP_SIZE)
		rc = fit_mode(top, who, &c);
	if (rc == 0)
		rc = cps_top_commit_change(top, who, &c);
	cps_top_unlock(top);
	return rc;
}
