#include "fs/view.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define COOKIE_FIRST 2u /* of the first entry after "." and ".." */

/* ---- stat ---- */

/* Of the file system's units of 512 bytes, those that hold data. */
static int count_blocks(const struct cps_tree *tree, uint32_t ino,
			const struct cps_inode *inode, uint64_t *out)
{
	uint64_t bytes = S_ISREG(inode->mode) ? inode->size : 0;
	struct cps_extent extent;
	int rc = 0;

	if (inode->flags & CPS_INODE_SPARSE) {
		bytes = 0;
		for (uint32_t i = 0; (rc = cps_tree_extent(tree, ino, i, &extent)) == 1;
		     i++)
			bytes += extent.len;
	}
	*out = bytes / 512 + (bytes % 512 != 0);
	return rc;
}

int cps_view_stat(const struct cps_root *root, uint32_t ino, struct stat *out)
{
	struct cps_inode inode;
	uint64_t blocks = 0;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc == 0)
		rc = count_blocks(root->tree, ino, &inode, &blocks);
	if (rc < 0)
		return rc;
	*out = (struct stat){
		.st_ino = cps_view_number(ino),
		.st_mode = inode.mode,
		.st_nlink = inode.nlink,
		.st_uid = inode.uid,
		.st_gid = inode.gid,
		.st_rdev = makedev(inode.rdev_major, inode.rdev_minor),
		.st_size = (off_t)inode.size,
		.st_blksize = CPS_VIEW_BLOCK,
		.st_blocks = (blkcnt_t)blocks,
		.st_mtim = {inode.mtime_s, inode.mtime_ns},
	};
	/* An archive has one time only. */
	out->st_atim = out->st_mtim;
	out->st_ctim = out->st_mtim;
	return 0;
}

void cps_view_statfs(const struct cps_root *root, struct statvfs *out)
{
	uint64_t bytes = cps_tree_total_bytes(root->tree);

	*out = (struct statvfs){
		.f_bsize = CPS_VIEW_BLOCK,
		.f_frsize = CPS_VIEW_BLOCK,
		.f_blocks = bytes / CPS_VIEW_BLOCK + (bytes % CPS_VIEW_BLOCK != 0),
		.f_files = cps_tree_inode_count(root->tree),
		.f_namemax = CPS_NAME_MAX,
	};
}

/* ---- names ---- */

static int parent_of(const struct cps_tree *tree, uint32_t dir, uint32_t *out)
{
	struct cps_inode inode;
	int rc = cps_tree_inode(tree, dir, &inode);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(inode.mode))
		return -ENOTDIR;
	*out = inode.parent;
	return 0;
}

int cps_view_lookup(const struct cps_root *root, uint32_t dir, const char *name,
		    uint32_t *ino)
{
	if (strcmp(name, "..") == 0)
		return parent_of(root->tree, dir, ino);
	if (strcmp(name, ".") == 0) {
		struct cps_inode inode;

		*ino = dir;
		return cps_tree_inode(root->tree, dir, &inode);
	}
	return cps_tree_lookup(root->tree, dir, name, strlen(name), ino);
}

static int read_dot(const struct cps_root *root, uint32_t dir, uint64_t cookie,
		    struct cps_view_entry *out)
{
	uint32_t parent;
	int rc = parent_of(root->tree, dir, &parent);

	if (rc < 0)
		return rc;
	*out = (struct cps_view_entry){
		.ino = cookie == 0 ? dir : parent,
		.type = DT_DIR,
		.next = cookie + 1,
		.dot = true,
	};
	memcpy(out->name, "..", (size_t)cookie + 1);
	return 1;
}

int cps_view_readdir(const struct cps_root *root, uint32_t dir, uint64_t cookie,
		     struct cps_view_entry *out)
{
	struct cps_dirent dirent;
	int rc;

	if (cookie < COOKIE_FIRST)
		return read_dot(root, dir, cookie, out);
	if (cookie - COOKIE_FIRST > UINT32_MAX)
		return 0;
	rc = cps_tree_readdir(root->tree, dir, (uint32_t)(cookie - COOKIE_FIRST),
			      &dirent);
	if (rc != 1)
		return rc;
	if (dirent.name_len > CPS_NAME_MAX)
		return -EIO;
	memcpy(out->name, dirent.name, dirent.name_len);
	out->name[dirent.name_len] = '\0';
	out->ino = dirent.ino;
	out->type = dirent.type;
	out->next = cookie + 1;
	out->dot = false;
	return 1;
}

int cps_view_readlink(const struct cps_root *root, uint32_t ino, char *buf, size_t size)
{
	struct cps_inode inode;
	const char *text;
	size_t len;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc == 0 && !S_ISLNK(inode.mode))
		rc = -EINVAL;
	if (rc == 0)
		rc = cps_tree_inline(root->tree, ino, &text, &len);
	if (rc < 0)
		return rc;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return 0;
}

/* ---- holes ---- */

static int seek_data(const struct cps_tree *tree, uint32_t ino, uint64_t off,
		     uint64_t *out)
{
	struct cps_extent extent;
	uint32_t pos;
	int rc = cps_tree_extent_at(tree, ino, off, &pos, &extent);

	if (rc <= 0)
		return rc < 0 ? rc : -ENXIO;
	*out = extent.logical > off ? extent.logical : off;
	return 0;
}

static int seek_hole(const struct cps_tree *tree, uint32_t ino, uint64_t off,
		     uint64_t *out)
{
	struct cps_extent extent;
	uint32_t pos;
	int rc = cps_tree_extent_at(tree, ino, off, &pos, &extent);

	/* Extents may touch each other. */
	while (rc == 1 && extent.logical <= off) {
		off = extent.logical + extent.len;
		rc = cps_tree_extent(tree, ino, ++pos, &extent);
	}
	*out = off;
	return rc < 0 ? rc : 0;
}

int cps_view_seek(const struct cps_root *root, uint32_t ino, uint64_t off, int whence,
		  uint64_t *out)
{
	struct cps_inode inode;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc < 0)
		return rc;
	if (!S_ISREG(inode.mode) || (whence != SEEK_DATA && whence != SEEK_HOLE))
		return -EINVAL;
	if (off >= inode.size)
		return -ENXIO;
	if (inode.flags & CPS_INODE_SPARSE) {
		rc = whence == SEEK_DATA ? seek_data(root->tree, ino, off, out)
					 : seek_hole(root->tree, ino, off, out);
	} else {
		*out = whence == SEEK_DATA ? off : inode.size;
	}
	/* The end of the file is a hole of its own. */
	if (rc == 0 && *out > inode.size)
		*out = inode.size;
	return rc;
}
