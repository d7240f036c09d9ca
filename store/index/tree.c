/* Reading a tree. Nothing is copied and nothing is believed. */
#include "store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/index/format.h"
#include "store/index/read.h"

struct cps_tree {
	struct cps_table table;
};

int cps_tree_open(const void *data, size_t len, const struct cps_digest *key,
		  struct cps_tree **out, struct cps_err *err)
{
	cps_auto(cps_tree_close) struct cps_tree *tree = calloc(1, sizeof(*tree));
	int rc;

	if (!tree)
		return cps_err_nomem(err);
	rc = cps_table_open(data, len, CPS_KIND_TREE, key, &tree->table, err);
	if (rc < 0)
		return rc;
	if (!S_ISDIR(cps_le16(cps_table_inode(&tree->table, CPS_TREE_ROOT) + 28)))
		return cps_err_set(err, -EBADMSG, "the tree's root is no directory");
	*out = CPS_TAKE(tree);
	return 0;
}

int cps_tree_verify(const struct cps_tree *tree, struct cps_err *err)
{
	return cps_sections_verify(&tree->table.file, err);
}

void cps_tree_close(struct cps_tree *tree)
{
	free(tree);
}

uint32_t cps_tree_inode_count(const struct cps_tree *tree)
{
	return (uint32_t)tree->table.inode_count;
}

uint64_t cps_tree_total_bytes(const struct cps_tree *tree)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < tree->table.inode_count; i++) {
		const uint8_t *p = cps_table_inode(&tree->table, i);

		if (S_ISREG(cps_le16(p + 28)) &&
		    __builtin_add_overflow(total, cps_le64(p + 8), &total))
			return UINT64_MAX;
	}
	return total;
}

static bool has_device(uint32_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

int cps_tree_inode(const struct cps_tree *tree, uint32_t ino, struct cps_inode *out)
{
	const uint8_t *p = cps_table_inode(&tree->table, ino);
	uint64_t data;

	if (!p)
		return -ENOENT;
	data = cps_le64(p);
	*out = (struct cps_inode){
		.size = cps_le64(p + 8),
		.data = data,
		.mtime_s = (int64_t)cps_le64(p + 16),
		.mtime_ns = cps_le32(p + 24),
		.mode = cps_le16(p + 28),
		.flags = cps_le16(p + 30) &
			 (CPS_INODE_SPARSE | CPS_INODE_INLINE | CPS_INODE_XATTRS),
		.uid = cps_le32(p + 32),
		.gid = cps_le32(p + 36),
		.nlink = cps_le32(p + 40),
		.parent = cps_le32(p + 56),
		.layer = cps_le16(p + 60),
	};
	if (S_ISDIR(out->mode)) {
		if (out->size > tree->table.dirent_count ||
		    out->parent >= tree->table.inode_count)
			return -EIO;
		out->children = (uint32_t)out->size;
		out->size = 4096;
	} else if (has_device(out->mode)) {
		out->rdev_major = (uint32_t)(data >> 32);
		out->rdev_minor = (uint32_t)data;
		out->size = 0;
	} else if (out->size > INT64_MAX) {
		return -EIO;
	}
	return out->mtime_ns > 999999999 ? -EIO : 0;
}

static int folder(const struct cps_tree *tree, uint32_t dir, uint64_t *first,
		  uint64_t *count)
{
	const uint8_t *p = cps_table_inode(&tree->table, dir);

	if (!p)
		return -ENOENT;
	if (!S_ISDIR(cps_le16(p + 28)))
		return -ENOTDIR;
	*first = cps_le64(p);
	*count = cps_le64(p + 8);
	if (*count > tree->table.dirent_count ||
	    *first > tree->table.dirent_count - *count)
		return -EIO;
	return 0;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

int cps_tree_lookup(const struct cps_tree *tree, uint32_t dir, const char *name,
		    size_t len, uint32_t *ino)
{
	uint64_t low = 0, high, first;
	int rc = folder(tree, dir, &first, &high);

	if (rc < 0)
		return rc;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct cps_tdirent d;
		int c;

		rc = cps_table_dirent(&tree->table, first + mid, &d);
		if (rc < 0)
			return rc;
		c = compare(name, len, d.name, d.name_len);
		if (c == 0) {
			*ino = d.ino;
			return 0;
		}
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -ENOENT;
}

static int dirent_at(const struct cps_tree *tree, uint64_t at, struct cps_dirent *out)
{
	struct cps_tdirent d;
	int rc = cps_table_dirent(&tree->table, at, &d);

	if (rc < 0)
		return rc;
	*out = (struct cps_dirent){d.name, d.name_len, d.type, d.ino};
	return 1;
}

int cps_tree_readdir(const struct cps_tree *tree, uint32_t dir, uint32_t pos,
		     struct cps_dirent *out)
{
	uint64_t first, count;
	int rc = folder(tree, dir, &first, &count);
	struct cps_tdirent d;

	if (rc < 0)
		return rc;
	if (pos >= count)
		return 0;
	rc = cps_table_dirent(&tree->table, first + pos, &d);
	if (rc < 0)
		return rc;
	return d.order >= count ? -EIO : dirent_at(tree, first + d.order, out);
}

int cps_tree_readdir_sorted(const struct cps_tree *tree, uint32_t dir, uint32_t pos,
			    struct cps_dirent *out)
{
	uint64_t first, count;
	int rc = folder(tree, dir, &first, &count);

	if (rc < 0)
		return rc;
	return pos >= count ? 0 : dirent_at(tree, first + pos, out);
}

int cps_tree_inline(const struct cps_tree *tree, uint32_t ino, const char **text,
		    size_t *len)
{
	const uint8_t *p = cps_table_inode(&tree->table, ino);

	if (!p)
		return -ENOENT;
	if (!S_ISLNK(cps_le16(p + 28)) && !(cps_le16(p + 30) & CPS_INODE_INLINE))
		return -EINVAL;
	*text = cps_table_string(&tree->table, cps_le64(p), cps_le64(p + 8));
	*len = cps_le64(p + 8);
	return *text ? 0 : -EIO;
}

int cps_tree_xattr(const struct cps_tree *tree, uint32_t ino, uint32_t pos,
		   struct cps_tar_xattr *out, size_t *name_len)
{
	const uint8_t *p = cps_table_inode(&tree->table, ino);

	if (!p)
		return -ENOENT;
	return cps_table_xattr(&tree->table, cps_le32(p + 44), pos, out, name_len,
			       NULL);
}

bool cps_tree_may_have_xattr(const struct cps_tree *tree, const char *prefix)
{
	/* A value that holds these bytes is taken for a name. */
	return tree->table.xattr_bytes > 0 &&
	       memmem(tree->table.xattrs, tree->table.xattr_bytes, prefix,
		      strlen(prefix)) != NULL;
}

int cps_tree_extent(const struct cps_tree *tree, uint32_t ino, uint32_t pos,
		    struct cps_extent *out)
{
	const uint8_t *p = cps_table_inode(&tree->table, ino);
	int rc;

	if (!p)
		return -ENOENT;
	if (pos >= cps_le32(p + 52))
		return 0;
	rc = cps_table_extent(&tree->table, (uint64_t)cps_le32(p + 48) + pos, out);
	return rc < 0 ? rc : 1;
}

int cps_tree_extent_at(const struct cps_tree *tree, uint32_t ino, uint64_t off,
		       uint32_t *pos, struct cps_extent *out)
{
	const uint8_t *p = cps_table_inode(&tree->table, ino);
	uint32_t low = 0, high = p ? cps_le32(p + 52) : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int rc = cps_tree_extent(tree, ino, middle, out);

		if (rc < 0)
			return rc;
		if (out->logical + out->len > off)
			high = middle;
		else
			low = middle + 1;
	}
	*pos = low;
	return cps_tree_extent(tree, ino, low, out);
}

int cps_tree_hidden(const struct cps_tree *tree, uint32_t *pos, struct cps_hidden *out)
{
	const uint8_t *p;

	if (*pos >= tree->table.hidden_count)
		return 0;
	p = tree->table.hidden + (uint64_t)*pos * CPS_HIDDEN_BYTES;
	*out = (struct cps_hidden){
		.path = cps_table_string(&tree->table, cps_le32(p), cps_le32(p + 4)),
		.path_len = cps_le32(p + 4),
		.size = cps_le64(p + 8),
		.dir = cps_le32(p + 16),
		.layer = cps_le16(p + 20),
		.by = cps_le16(p + 22),
		.deleted = cps_le32(p + 24) != 0,
	};
	(*pos)++;
	return out->path && out->dir < tree->table.inode_count ? 1 : -EIO;
}
