/* Changes of one inode: attributes, xattrs, content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/top/acl.h"
#include "fs/top/apply.h"

/* ---- attributes ---- */

static int check_inode(struct cps_top *top, const struct cps_change *c)
{
	struct cps_brief brief;

	return cps_top_brief(top, c->ino, &brief);
}

int cps_check_regular(struct cps_top *top, const struct cps_change *c)
{
	struct cps_brief brief;
	int rc = cps_top_brief(top, c->ino, &brief);

	if (rc < 0)
		return rc;
	if (!S_ISREG(brief.mode))
		return S_ISDIR(brief.mode) ? -EISDIR : -EINVAL;
	return c->off > INT64_MAX || c->len > INT64_MAX - c->off || c->size > INT64_MAX
		       ? -EFBIG
		       : 0;
}

/* Is there room for an xattr? What is on record must be possible. */
static int check_room(struct cps_top *top, uint64_t ino, const struct cps_bytes *name,
		      const struct cps_bytes *value)
{
	char text[CPS_NAME_MAX + 1] = "";
	struct cps_bytes old;
	uint64_t bytes;
	int rc = cps_top_xattr_bytes(top, ino, &bytes);

	if (rc < 0)
		return rc;
	memcpy(text, name->data, name->len);
	rc = cps_top_xattr_find(top, ino, text, &old);
	if (rc < 0 && rc != -ENODATA)
		return rc;
	if (value)
		bytes += CPS_XSET_HEAD + name->len + value->len;
	if (rc == 0 && value)
		bytes -= CPS_XSET_HEAD + name->len + old.len;
	return bytes > CPS_XSET_MAX ? -ENOSPC : 0;
}

static const struct cps_bytes acl_name = {CPS_ACL_ACCESS, sizeof(CPS_ACL_ACCESS) - 1};

int cps_check_attr(struct cps_top *top, const struct cps_change *c)
{
	int rc = c->mask & CPS_TOP_SIZE ? cps_check_regular(top, c)
					: check_inode(top, c);

	return rc == 0 && c->value.len ? check_room(top, c->ino, &acl_name, &c->value)
				       : rc;
}

static void kill_mode(struct cps_node *n)
{
	if (S_ISDIR(n->mode))
		return;
	n->mode &= ~(uint32_t)S_ISUID;
	if (n->mode & S_IXGRP)
		n->mode &= ~(uint32_t)S_ISGID;
}

static int put_xattr(struct cps_top *top, struct cps_node *n,
		     const struct cps_bytes *name, const struct cps_bytes *value)
{
	int rc = cps_node_own_xattrs(top, n);

	return rc < 0 ? rc : cps_xset_put(&n->xattrs, name, value);
}

/* File capabilities are of the content that was there (capabilities(7)); a folder's
 * mean nothing, and stay. */
static int drop_caps(struct cps_top *top, struct cps_node *n)
{
	const struct cps_bytes name = {CPS_XATTR_CAPS, strlen(CPS_XATTR_CAPS)};
	struct cps_bytes value;

	if (S_ISDIR(n->mode) ||
	    cps_top_xattr_find(top, n->ino, CPS_XATTR_CAPS, &value) < 0)
		return 0;
	return put_xattr(top, n, &name, NULL);
}

/* The content changes: what hangs on it, and the times unless the kernel tells them. */
static int touch_content(struct cps_top *top, struct cps_node *n,
			 const struct cps_change *c)
{
	if (c->flags & CPS_CHANGE_KILL_PRIV)
		kill_mode(n);
	if (!(c->flags & CPS_CHANGE_KEEP_TIMES))
		n->mtime = n->ctime = cps_change_time(c);
	n->flags |= CPS_NODE_CONTENT | CPS_NODE_ATTRS;
	n->who = c->who;
	return c->flags & CPS_CHANGE_KEEP_CAPS ? 0 : drop_caps(top, n);
}

static void resize(struct cps_top *top, struct cps_node *n, uint64_t size)
{
	uint32_t gen = n->gen;

	if (size < n->size) {
		cps_ranges_cut(&n->ranges, size);
		if (n->base_len > size)
			n->base_len = size;
		cps_node_loosen(top, n, size, CPS_RANGE_END);
	}
	n->size = size;
	if (size)
		return;
	/* It starts anew: small again, and in no file that a reader may still have. An
	 * empty file may own one too, with space set aside. */
	cps_ranges_cut(&n->ranges, 0);
	n->logged = 0;
	n->gen = 0;
	n->flags &= ~(uint32_t)CPS_NODE_LOST;
	if (gen)
		cps_node_doom(top, gen);
}

static void set_attributes(struct cps_node *n, const struct cps_change *c)
{
	if (c->mask & CPS_TOP_MODE)
		n->mode = (n->mode & S_IFMT) | (c->mode & 07777);
	if (c->mask & CPS_TOP_UID)
		n->uid = c->uid;
	if (c->mask & CPS_TOP_GID)
		n->gid = c->gid;
	if (c->mask & CPS_TOP_ATIME)
		n->atime = c->atime;
	if (c->mask & CPS_TOP_MTIME)
		n->mtime = c->mtime;
	n->ctime = c->mask & CPS_TOP_CTIME ? c->ctime : cps_change_time(c);
}

int cps_apply_attr(struct cps_top *top, const struct cps_change *c)
{
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc < 0)
		return rc;
	n->flags |= CPS_NODE_ATTRS;
	n->who = c->who;
	if (c->mask & CPS_TOP_SIZE) {
		resize(top, n, c->size);
		rc = touch_content(top, n, c);
	}
	if (c->mask & (CPS_TOP_UID | CPS_TOP_GID))
		kill_mode(n);
	/* One that sets nothing is the kernel's wish that capabilities go. */
	if (rc == 0 && (!c->mask || c->mask & (CPS_TOP_UID | CPS_TOP_GID)))
		rc = drop_caps(top, n);
	if (rc == 0 && c->value.len)
		rc = put_xattr(top, n, &acl_name, &c->value);
	if (rc == 0)
		set_attributes(n, c);
	return rc;
}

int cps_check_xattr(struct cps_top *top, const struct cps_change *c)
{
	int rc = check_inode(top, c);

	if (rc < 0)
		return rc;
	if (!c->name.len || c->name.len > CPS_NAME_MAX)
		return -ERANGE;
	if (memchr(c->name.data, 0, c->name.len))
		return -EINVAL;
	return check_room(top, c->ino, &c->name,
			  c->flags & CPS_CHANGE_REMOVE ? NULL : &c->value);
}

int cps_apply_xattr(struct cps_top *top, const struct cps_change *c)
{
	bool remove = c->flags & CPS_CHANGE_REMOVE;
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc == 0)
		rc = put_xattr(top, n, &c->name, remove ? NULL : &c->value);
	if (rc < 0)
		return rc;
	if (c->mask & CPS_TOP_MODE)
		n->mode = (n->mode & S_IFMT) | (c->mode & 07777);
	n->ctime = cps_change_time(c);
	n->flags |= CPS_NODE_ATTRS;
	n->who = c->who;
	return 0;
}

/* ---- content ---- */

static int own(struct cps_node *n, const struct cps_range *range)
{
	int rc = cps_ranges_reserve(&n->ranges);

	if (rc == 0 && range->len)
		cps_ranges_set(&n->ranges, range);
	return rc;
}

static int apply_content(struct cps_top *top, const struct cps_change *c,
			 const struct cps_range *range)
{
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc == 0)
		rc = own(n, range);
	if (rc < 0)
		return rc;
	if (n->size < range->off + range->len)
		n->size = range->off + range->len;
	if (range->in == CPS_IN_LOG)
		n->logged += (uint32_t)range->len;
	return touch_content(top, n, c);
}

int cps_check_data(struct cps_top *top, const struct cps_change *c)
{
	if (c->bulk.len == 0 || c->bulk.len > CPS_INLINE_MAX ||
	    c->off > INT64_MAX - c->bulk.len)
		return -EFBIG;
	return cps_check_regular(top, c);
}

int cps_apply_data(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_range range = {c->off, c->bulk.len, c->bulk_pos, CPS_IN_LOG};

	return apply_content(top, c, &range);
}

int cps_check_own(struct cps_top *top, const struct cps_change *c)
{
	if (c->gen < CPS_IN_FILES || c->gen == UINT32_MAX)
		return -EBADMSG;
	return cps_check_regular(top, c);
}

void cps_use_gen(struct cps_top *top, uint32_t gen)
{
	if (gen >= top->next_gen)
		top->next_gen = gen + 1;
}

int cps_apply_own(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_range range = {c->off, c->len, 0, c->gen};

	cps_use_gen(top, c->gen);
	return apply_content(top, c, &range);
}

int cps_apply_spill(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_range whole = {0, CPS_RANGE_END, 0, c->gen};
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc < 0)
		return rc;
	cps_use_gen(top, c->gen);
	n->gen = c->gen;
	n->flags |= CPS_NODE_CONTENT;
	if (c->flags & CPS_CHANGE_WHOLE)
		return own(n, &whole);
	for (size_t i = 0; i < n->ranges.count; i++)
		if (n->ranges.items[i].in == CPS_IN_LOG)
			n->ranges.items[i].in = c->gen;
	return 0;
}

int cps_apply_zero(struct cps_top *top, const struct cps_change *c)
{
	const struct cps_range hole = {c->off, c->len, 0, CPS_IN_HOLE};
	struct cps_node *n;
	int rc = cps_node_get(top, c->ino, &n);

	if (rc == 0)
		rc = own(n, &hole);
	if (rc < 0)
		return rc;
	if (c->size > n->size)
		n->size = c->size;
	return touch_content(top, n, c);
}
