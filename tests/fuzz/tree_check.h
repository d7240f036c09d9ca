#ifndef TEST_FUZZ_TREE_CHECK_H
#define TEST_FUZZ_TREE_CHECK_H

#include <errno.h>
#include <sys/stat.h>

#include "seal.h"
#include "store/base/path.h"
#include "store/tree.h"

static volatile unsigned int tree_touched; /* bytes are read, not only pointed at */

static inline void touch(const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		tree_touched += p[i];
}

static inline void read_folder(const struct cps_tree *tree, uint32_t ino)
{
	struct cps_dirent d;

	for (uint32_t pos = 0; cps_tree_readdir(tree, ino, pos, &d) == 1; pos++) {
		require(d.ino < cps_tree_inode_count(tree));
		require(cps_name_ok_n(d.name, d.name_len));
	}
	for (uint32_t pos = 0; cps_tree_readdir_sorted(tree, ino, pos, &d) == 1;
	     pos++) {
		uint32_t found;
		int rc = cps_tree_lookup(tree, ino, d.name, d.name_len, &found);

		require(rc == 0 || rc == -ENOENT || rc == -EIO);
		require(rc < 0 || found < cps_tree_inode_count(tree));
	}
}

static inline void read_attributes(const struct cps_tree *tree, uint32_t ino)
{
	struct cps_tar_xattr x;
	struct cps_extent e;
	const char *text;
	size_t len;

	for (uint32_t pos = 0; cps_tree_xattr(tree, ino, pos, &x, &len) == 1; pos++) {
		touch(x.name, len + 1);
		touch(x.value, x.value_len);
	}
	for (uint32_t pos = 0; cps_tree_extent(tree, ino, pos, &e) == 1; pos++)
		require(e.logical + e.len >= e.logical && e.stored + e.len >= e.stored);
	if (cps_tree_inline(tree, ino, &text, &len) == 0)
		touch(text, len);
}

/** Every accessor over every inode. */
static inline void read_tree(const struct cps_tree *tree)
{
	uint32_t count = cps_tree_inode_count(tree), pos = 0;
	struct cps_hidden hidden;
	struct cps_inode inode;

	cps_tree_total_bytes(tree);
	for (uint32_t ino = 0; ino < count; ino++) {
		if (cps_tree_inode(tree, ino, &inode) == 0) {
			require(inode.size <= INT64_MAX);
			require(!S_ISDIR(inode.mode) || inode.parent < count);
		}
		read_folder(tree, ino);
		read_attributes(tree, ino);
	}
	require(cps_tree_inode(tree, count, &inode) == -ENOENT);
	while (cps_tree_hidden(tree, &pos, &hidden) == 1) {
		require(hidden.dir < count);
		touch(hidden.path, hidden.path_len);
	}
}

#endif
