/* Extended attributes of a top's inodes. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/top/acl.h"
#include "fs/top/internal.h"

static ssize_t give(const struct cps_bytes *value, void *buf, size_t size)
{
	if (size == 0)
		return (ssize_t)value->len;
	if (value->len > size)
		return -ERANGE;
	if (value->len)
		memcpy(buf, value->data, value->len);
	return (ssize_t)value->len;
}

/* Of an inode whose xattrs are still those below. */
static int find_lower(struct cps_top *top, uint64_t ino, const struct cps_bytes *name,
		      struct cps_bytes *out)
{
	struct cps_tar_xattr xattr;
	size_t len;
	int rc;

	for (uint32_t i = 0; (rc = cps_tree_xattr(top->root->tree, cps_lower_pos(ino),
						  i, &xattr, &len)) == 1;
	     i++)
		if (len == name->len && memcmp(xattr.name, name->data, len) == 0) {
			*out = (struct cps_bytes){xattr.value, xattr.value_len};
			return 0;
		}
	return rc < 0 ? rc : -ENODATA;
}

int cps_top_xattr_find(struct cps_top *top, uint64_t ino, const char *name,
		       struct cps_bytes *out)
{
	const struct cps_bytes wanted = {name, strlen(name)};
	const struct cps_node *n = cps_node_find(top, ino);

	if (n && (n->flags & CPS_NODE_XATTRS))
		return cps_xset_find(&n->xattrs, &wanted, out) ? 0 : -ENODATA;
	return ino && cps_is_lower(ino) ? find_lower(top, ino, &wanted, out) : -ENOENT;
}

int cps_top_xattr_bytes(struct cps_top *top, uint64_t ino, uint64_t *out)
{
	const struct cps_node *n = cps_node_find(top, ino);
	struct cps_tar_xattr xattr;
	size_t len;
	int rc;

	*out = n ? n->xattrs.len : 0;
	if ((n && n->flags & CPS_NODE_XATTRS) || ino == 0 || !cps_is_lower(ino))
		return 0;
	for (uint32_t i = 0; (rc = cps_tree_xattr(top->root->tree, cps_lower_pos(ino),
						  i, &xattr, &len)) == 1;
	     i++)
		*out += CPS_XSET_HEAD + len + xattr.value_len;
	return rc;
}

static bool is_acl(const char *name)
{
	return strcmp(name, CPS_ACL_ACCESS) == 0 || strcmp(name, CPS_ACL_DEFAULT) == 0;
}

/* As other file systems have it: a name is of one of the kernel's classes, or none. */
static int check_class(const char *name)
{
	static const char *const classes[] = {"user.", "trusted.", "security."};

	for (size_t i = 0; i < CPS_ARRAY_LEN(classes); i++) {
		size_t len = strlen(classes[i]);

		if (strncmp(name, classes[i], len) == 0)
			return name[len] ? 0 : -EINVAL;
	}
	return is_acl(name) ? 0 : -EOPNOTSUPP;
}

static bool is_ours(const char *name)
{
	return strcmp(name, CPS_VIEW_LAYER_XATTR) == 0;
}

ssize_t cps_top_xattr_get(struct cps_top *top, uint64_t ino, const char *name,
			  void *buf, size_t size)
{
	struct cps_bytes value;
	ssize_t rc;

	if (is_ours(name) && cps_is_lower(ino) && ino)
		return cps_view_xattr_get(top->root, cps_lower_pos(ino), name, buf,
					  size);
	cps_top_lock(top);
	rc = cps_top_xattr_find(top, ino, name, &value);
	if (rc == 0)
		rc = give(&value, buf, size);
	cps_top_unlock(top);
	/* Below there may be any name; what is not there has to be of a class. */
	if (rc == -ENODATA && check_class(name) < 0)
		rc = check_class(name);
	return rc;
}

/** Names as they are collected; with no room, only counted. */
struct names {
	char *buf;
	size_t size, used;
};

static int add_name(struct names *out, const void *name, size_t len)
{
	if (out->size && out->used + len + 1 > out->size)
		return -ERANGE;
	if (out->size) {
		memcpy(out->buf + out->used, name, len);
		out->buf[out->used + len] = '\0';
	}
	out->used += len + 1;
	return 0;
}

static int list_own(const struct cps_node *n, struct names *out)
{
	struct cps_bytes name, value;
	uint32_t pos = 0;
	int rc = 0;

	while (rc == 0 && cps_xset_next(&n->xattrs, &pos, &name, &value))
		rc = add_name(out, name.data, name.len);
	return rc;
}

/* Without ours: what is listed is copied, and set on the copy. */
static int list_lower(struct cps_top *top, uint64_t ino, struct names *out)
{
	struct cps_tar_xattr xattr;
	size_t len;
	int rc = 0;

	for (uint32_t i = 0;
	     rc >= 0 && (rc = cps_tree_xattr(top->root->tree, cps_lower_pos(ino), i,
					     &xattr, &len)) == 1;
	     i++)
		if (len != strlen(CPS_VIEW_LAYER_XATTR) ||
		    memcmp(xattr.name, CPS_VIEW_LAYER_XATTR, len) != 0)
			rc = add_name(out, xattr.name, len);
	return rc;
}

ssize_t cps_top_xattr_list(struct cps_top *top, uint64_t ino, char *buf, size_t size)
{
	struct names out = {.buf = buf, .size = size};
	const struct cps_node *n;
	int rc = -ENOENT;

	if (!top->writable && ino && cps_is_lower(ino) && !cps_top_modified(top, ino))
		return cps_view_xattr_list(top->root, cps_lower_pos(ino), buf, size);
	cps_top_lock(top);
	n = cps_node_find(top, ino);
	if (n && (n->flags & CPS_NODE_XATTRS))
		rc = list_own(n, &out);
	else if (ino && cps_is_lower(ino))
		rc = list_lower(top, ino, &out);
	cps_top_unlock(top);
	return rc < 0 ? rc : (ssize_t)out.used;
}

/* ---- changing ---- */

static int check_flags(struct cps_top *top, uint64_t ino, const char *name, int flags)
{
	struct cps_bytes old;
	int rc = cps_top_xattr_find(top, ino, name, &old);

	if (rc < 0 && rc != -ENODATA)
		return rc;
	if (rc == 0)
		return flags & XATTR_CREATE ? -EEXIST : 0;
	return flags & XATTR_REPLACE ? -ENODATA : 0;
}

/* The access ACL says what the mode is; one that says no more is not kept. */
static int fit_access_acl(struct cps_top *top, bool kill_sgid, struct cps_change *c)
{
	struct cps_brief brief;
	int rc = cps_top_brief(top, c->ino, &brief);

	if (rc < 0)
		return rc;
	c->mask = CPS_TOP_MODE;
	c->mode = brief.mode;
	rc = cps_acl_mode(c->value.data, c->value.len, &c->mode);
	if (rc < 0)
		return rc;
	if (rc == 1)
		c->flags |= CPS_CHANGE_REMOVE;
	if (kill_sgid)
		c->mode &= ~(uint32_t)S_ISGID;
	return 0;
}

int cps_top_xattr_set(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		      const char *name, const void *value, size_t len, int flags,
		      bool kill_sgid)
{
	struct cps_change c = {
		.type = CPS_CHANGE_XATTR,
		.ino = ino,
		.name = {name, strlen(name)},
		.value = {value, len},
	};
	int rc = check_class(name);

	if (rc < 0 || is_ours(name))
		return rc < 0 ? rc : -EPERM;
	if (len > CPS_TAR_XATTR_MAX)
		return -E2BIG;
	cps_top_lock(top);
	rc = check_flags(top, ino, name, flags);
	if (rc == 0 && strcmp(name, CPS_ACL_ACCESS) == 0)
		rc = fit_access_acl(top, kill_sgid, &c);
	if (rc == 0)
		rc = cps_top_commit_change(top, who, &c);
	cps_top_unlock(top);
	return rc;
}

int cps_top_xattr_remove(struct cps_top *top, const struct cps_top_who *who,
			 uint64_t ino, const char *name)
{
	struct cps_change c = {
		.type = CPS_CHANGE_XATTR,
		.ino = ino,
		.name = {name, strlen(name)},
		.flags = CPS_CHANGE_REMOVE,
	};
	struct cps_bytes old;
	int rc = check_class(name);

	if (rc < 0 || is_ours(name))
		return rc < 0 ? rc : -EPERM;
	cps_top_lock(top);
	rc = cps_top_xattr_find(top, ino, name, &old);
	if (rc == 0)
		rc = cps_top_commit_change(top, who, &c);
	else if (rc == -ENODATA && is_acl(name))
		rc = 0; /* as elsewhere: it has none then */
	cps_top_unlock(top);
	return rc;
}
