/* An index file from anybody: reading its tables, and every view that is made of it.
 * What a merge accepts becomes a tree that can be read. */
#include <stdint.h>

#include "store/index/read.h"
#include "tree_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_table(const struct cps_table *t)
{
	struct cps_tar_xattr x;
	struct cps_tdirent d;
	struct cps_extent e;
	size_t name_len, set_len;

	for (uint64_t i = 0; i <= t->dirent_count; i++)
		if (cps_table_dirent(t, i, &d) == 0)
			touch(d.name, d.name_len);
	for (uint64_t i = 0; i <= t->extent_count; i++)
		cps_table_extent(t, i, &e);
	for (uint32_t set = 0; set <= t->xattr_bytes + 1; set++) {
		if (cps_table_xattr(t, set, 0, &x, &name_len, &set_len) != 1)
			continue;
		require(set_len <= t->xattr_bytes);
		touch(x.name, name_len + 1);
		touch(x.value, x.value_len);
	}
	require(!cps_table_inode(t, (uint32_t)t->inode_count));
}

static void read_made(const struct cps_buf *made)
{
	cps_auto(cps_tree_close) struct cps_tree *tree = NULL;

	require(cps_tree_open(made->data, made->len, NULL, &tree, NULL) == 0);
	require(cps_tree_verify(tree, NULL) == 0);
	read_tree(tree);
}

static void make_views(const struct cps_index *index)
{
	const struct cps_tree_note note = {"digest", "sha256:0\n"};
	const struct cps_tree_layer layer = {.index = index};
	const struct cps_tree_layer both[] = {layer, layer};
	const struct cps_tree_frame frames[] = {{"1", layer, &note, 1},
						{"2", layer, &note, 1}};
	cps_auto(cps_buf) struct cps_buf merged = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf single = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf all = CPS_BUF_INIT(0);

	if (cps_tree_merge(both, 2, NULL, &merged, NULL) == 0)
		read_made(&merged);
	if (cps_tree_single(&layer, 3, &single, NULL) == 0)
		read_made(&single);
	if (cps_tree_frames(frames, 2, &all, NULL) == 0)
		read_made(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_index_close) struct cps_index *index = NULL;
	cps_auto(cps_free) uint8_t *file = sealed_copy(data, size);

	if (!file || cps_index_open(file, size, NULL, &index, NULL) < 0)
		return 0;
	cps_index_verify(index, NULL);
	cps_index_entry_count(index);
	read_table(cps_index_table(index));
	make_views(index);
	return 0;
}
