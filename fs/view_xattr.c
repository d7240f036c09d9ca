#include <errno.h>
#include <string.h>

#include "fs/view.h"

#define ACL_PREFIX "system.posix_acl_"

static ssize_t give(const void *value, size_t len, void *buf, size_t size)
{
	if (size == 0)
		return (ssize_t)len;
	if (len > size)
		return -ERANGE;
	if (len)
		memcpy(buf, value, len);
	return (ssize_t)len;
}

/* Only files and folders may have attributes of users. */
static bool tells_layer(const struct cps_inode *inode)
{
	return inode->layer != CPS_LAYER_NONE &&
	       (S_ISREG(inode->mode) || S_ISDIR(inode->mode));
}

static ssize_t get_layer(const struct cps_root *root, const struct cps_inode *inode,
			 void *buf, size_t size)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_VIEW_XATTR_MAX);
	int rc;

	if (!tells_layer(inode))
		return -ENODATA;
	rc = cps_root_origin(root, inode->layer, &text);
	return rc < 0 ? rc : give(text.data, text.len, buf, size);
}

ssize_t cps_view_xattr_get(const struct cps_root *root, uint32_t ino, const char *name,
			   void *buf, size_t size)
{
	struct cps_inode inode;
	struct cps_tar_xattr xattr;
	size_t want = strlen(name), len;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc < 0)
		return rc;
	if (strcmp(name, CPS_VIEW_LAYER_XATTR) == 0)
		return get_layer(root, &inode, buf, size);
	if (!(inode.flags & CPS_INODE_XATTRS))
		return -ENODATA;
	for (uint32_t i = 0;
	     (rc = cps_tree_xattr(root->tree, ino, i, &xattr, &len)) == 1; i++)
		if (len == want && memcmp(xattr.name, name, len) == 0)
			return give(xattr.value, xattr.value_len, buf, size);
	return rc < 0 ? rc : -ENODATA;
}

static int append_name(struct cps_buf *out, const char *name, size_t len)
{
	int rc = cps_buf_append(out, name, len);

	if (rc == 0)
		rc = cps_buf_append(out, "", 1);
	return rc == -EFBIG ? -E2BIG : rc;
}

static int collect_names(const struct cps_root *root, uint32_t ino, struct cps_buf *out)
{
	const size_t own_len = strlen(CPS_VIEW_LAYER_XATTR);
	struct cps_inode inode;
	struct cps_tar_xattr xattr;
	size_t len;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc == 0 && tells_layer(&inode))
		rc = append_name(out, CPS_VIEW_LAYER_XATTR, own_len);
	if (rc < 0 || !(inode.flags & CPS_INODE_XATTRS))
		return rc;
	for (uint32_t i = 0;
	     (rc = cps_tree_xattr(root->tree, ino, i, &xattr, &len)) == 1; i++) {
		if (len == own_len &&
		    memcmp(xattr.name, CPS_VIEW_LAYER_XATTR, len) == 0)
			continue; /* copied out of another mount; ours hides it */
		rc = append_name(out, xattr.name, len);
		if (rc < 0)
			break;
	}
	return rc;
}

ssize_t cps_view_xattr_list(const struct cps_root *root, uint32_t ino, char *buf,
			    size_t size)
{
	cps_auto(cps_buf) struct cps_buf names = CPS_BUF_INIT(CPS_VIEW_XATTR_MAX);
	int rc = collect_names(root, ino, &names);

	return rc < 0 ? rc : give(names.data, names.len, buf, size);
}

static bool has_acl(const struct cps_tree *tree, uint32_t ino)
{
	const size_t prefix_len = strlen(ACL_PREFIX);
	struct cps_tar_xattr xattr;
	size_t len;

	for (uint32_t i = 0; cps_tree_xattr(tree, ino, i, &xattr, &len) == 1; i++)
		if (len > prefix_len && memcmp(xattr.name, ACL_PREFIX, prefix_len) == 0)
			return true;
	return false;
}

bool cps_view_has_acls(const struct cps_root *root)
{
	uint32_t count = cps_tree_inode_count(root->tree);
	struct cps_inode inode;

	/* Of a large image, looking at every inode takes longer than all the rest of
	 * mounting it. */
	if (!cps_tree_may_have_xattr(root->tree, ACL_PREFIX))
		return false;
	for (uint32_t ino = 0; ino < count; ino++)
		if (cps_tree_inode(root->tree, ino, &inode) == 0 &&
		    (inode.flags & CPS_INODE_XATTRS) && has_acl(root->tree, ino))
			return true;
	return false;
}
