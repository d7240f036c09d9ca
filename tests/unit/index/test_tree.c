/* A tree file is read by position, and not believed. */
#include <dirent.h>

#include "layers.h"
#include "store/index/format.h"
#include "tests/fuzz/seal.h"

/* Where a section of a file lies. */
static uint8_t *section_of(struct cps_buf *file, uint32_t type)
{
	for (uint32_t i = 0; i < cps_le32(file->data + 40); i++) {
		const uint8_t *e = file->data + CPS_SECTION_HEADER_SIZE +
				   (size_t)i * CPS_SECTION_ENTRY_SIZE;

		if (cps_le32(e) == type)
			return file->data + cps_le64(e + 8);
	}
	fail_msg("no section");
	return NULL;
}

static uint8_t *inode_record(struct cps_buf *file, uint32_t ino)
{
	return section_of(file, CPS_SEC_INODES) + (size_t)ino * CPS_INODE_BYTES;
}

static uint8_t *dirent_record(struct cps_buf *file, size_t at)
{
	return section_of(file, CPS_SEC_DIRENTS) + at * CPS_DIRENT_BYTES;
}

/* ---- what is there ---- */

static void a_name_is_found_among_many(void **state)
{
	enum { COUNT = 3000 };
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();
	struct layer layer;
	struct view view;
	uint32_t dir, ino;
	char text[32];

	(void)state;
	for (unsigned int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "f d/%u", i * 7919 % COUNT);
		assert_int_equal(add_entry(b, text, i + 1, NULL), 0);
	}
	layer = finish_layer(b);
	view = merge(&layer, 1);
	dir = find_in(view.tree, "d");
	for (unsigned int i = 0; i < COUNT; i++) {
		int n = snprintf(text, sizeof(text), "%ux", i);

		assert_int_equal(cps_tree_lookup(view.tree, dir, text, (size_t)n, &ino),
				 -ENOENT);
		assert_int_equal(
			cps_tree_lookup(view.tree, dir, text, (size_t)n - 1, &ino), 0);
	}
	assert_int_equal(cps_tree_lookup(view.tree, dir, "", 0, &ino), -ENOENT);
	assert_int_equal(cps_tree_lookup(view.tree, ino, "x", 1, &ino), -ENOTDIR);
	view_release(&view);
	layer_release(&layer);
}

static void a_folder_is_listed_in_the_order_of_the_streams(void **state)
{
	struct layer layers[] = {LAYER("f d/z", "f d/b", "f d/a", "f d/y"),
				 LAYER("f d/x", "f d/b", "f d/c", "f d/.wh.a")};
	struct view view = merge(layers, 2);
	uint32_t dir = find_in(view.tree, "d"), pos = 0;
	char names[16] = "";
	struct cps_dirent d;

	(void)state;
	for (; cps_tree_readdir(view.tree, dir, pos, &d) == 1; pos++)
		strncat(names, d.name, d.name_len);
	assert_string_equal(names, "zyxbc");
	assert_int_equal(cps_tree_readdir(view.tree, dir, pos, &d), 0);
	assert_int_equal(cps_tree_readdir(view.tree, dir, UINT32_MAX, &d), 0);
	assert_int_equal(cps_tree_readdir_sorted(view.tree, dir, pos, &d), 0);
	assert_int_equal(cps_tree_readdir(view.tree, d.ino, 0, &d), -ENOTDIR);
	view_release(&view);
	layer_release(&layers[0]);
	layer_release(&layers[1]);
}

static void beyond_the_last_inode_there_is_none(void **state)
{
	struct layer layer = LAYER("f a");
	struct view view = merge(&layer, 1);
	uint32_t pos = 0, none[] = {2, 1000, UINT32_MAX};
	struct cps_tar_xattr xattr;
	struct cps_hidden hidden;
	struct cps_extent extent;
	struct cps_dirent dirent;
	struct cps_inode inode;
	const char *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(none); i++) {
		struct cps_tree *t = view.tree;
		uint32_t n = none[i];

		assert_int_equal(cps_tree_inode(t, n, &inode), -ENOENT);
		assert_int_equal(cps_tree_lookup(t, n, "a", 1, &n), -ENOENT);
		assert_int_equal(cps_tree_readdir(t, n, 0, &dirent), -ENOENT);
		assert_int_equal(cps_tree_inline(t, n, &text, &len), -ENOENT);
		assert_int_equal(cps_tree_xattr(t, n, 0, &xattr, &len), -ENOENT);
		assert_int_equal(cps_tree_extent(t, n, 0, &extent), -ENOENT);
	}
	assert_int_equal(cps_tree_inline(view.tree, 1, &text, &len), -EINVAL);
	assert_int_equal(cps_tree_hidden(view.tree, &pos, &hidden), 0);
	view_release(&view);
	layer_release(&layer);
}

static void a_tree_is_of_its_chain_only(void **state)
{
	const struct cps_digest key = {{3}}, other = {{4}};
	struct view view = {0};

	(void)state;
	assert_int_equal(cps_tree_merge(NULL, 0, &key, &view.file, NULL), 0);
	assert_int_equal(
		cps_tree_open(view.file.data, view.file.len, &other, &view.tree, NULL),
		-EBADMSG);
	assert_int_equal(
		cps_tree_open(view.file.data, view.file.len, &key, &view.tree, NULL),
		0);
	view_release(&view);
}

/* ---- what lies ---- */

static void a_tree_that_lies_gives_errors(void **state)
{
	struct layer layer = LAYER("f a", "l b x", "d c", "f c/d");
	struct view view = merge(&layer, 1);
	uint32_t a = find_in(view.tree, "a"), b = find_in(view.tree, "b");
	uint32_t c = find_in(view.tree, "c"), ino;
	struct cps_tar_xattr xattr;
	struct cps_dirent dirent;
	struct cps_inode inode;
	const char *text;
	size_t len;

	(void)state;
	cps_put_le32(inode_record(&view.file, a) + 24, 1000000000);
	assert_int_equal(cps_tree_inode(view.tree, a, &inode), -EIO);
	cps_put_le32(inode_record(&view.file, a) + 44, 5);
	assert_int_equal(cps_tree_xattr(view.tree, a, 0, &xattr, &len), -EIO);
	cps_put_le64(inode_record(&view.file, b), UINT64_MAX);
	assert_int_equal(cps_tree_inline(view.tree, b, &text, &len), -EIO);
	cps_put_le32(inode_record(&view.file, c) + 56, 77);
	assert_int_equal(cps_tree_inode(view.tree, c, &inode), -EIO);
	cps_put_le64(inode_record(&view.file, c), UINT64_MAX - 1);
	assert_int_equal(cps_tree_readdir(view.tree, c, 0, &dirent), -EIO);
	assert_int_equal(cps_tree_lookup(view.tree, c, "d", 1, &ino), -EIO);
	cps_put_le32(dirent_record(&view.file, 0) + 4, 1000);
	assert_int_equal(cps_tree_lookup(view.tree, 0, "a", 1, &ino), -EIO);
	cps_put_le32(dirent_record(&view.file, 1) + 8, 3);
	assert_int_equal(cps_tree_readdir(view.tree, 0, 1, &dirent), -EIO);
	view_release(&view);
	layer_release(&layer);
}

static void no_dirent_has_a_name_that_the_kernel_refuses(void **state)
{
	static const char bad[] = {'.', '/', '\0'};
	struct layer layer = LAYER("f a", "f b");
	struct view view = merge(&layer, 1);
	struct cps_dirent d;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++) {
		uint32_t name = cps_le32(dirent_record(&view.file, 0));

		section_of(&view.file, CPS_SEC_STRINGS)[name] = (uint8_t)bad[i];
		assert_int_equal(cps_tree_readdir_sorted(view.tree, 0, 0, &d), -EIO);
	}
	view_release(&view);
	layer_release(&layer);
}

static void a_root_that_is_no_folder_is_refused(void **state)
{
	struct view view = merge(NULL, 0);
	struct cps_tree *tree = NULL;

	(void)state;
	cps_put_le16(inode_record(&view.file, 0) + 28, S_IFREG);
	assert_int_equal(
		cps_tree_open(view.file.data, view.file.len, NULL, &tree, NULL),
		-EBADMSG);
	view_release(&view);
}

/* ---- indexes that lie to a merge ---- */

static void assert_damaged(struct layer *layer)
{
	struct cps_err err = CPS_ERR_INIT;
	struct view view;

	seal(layer->file.data, layer->file.len);
	assert_int_equal(try_merge(layer, 1, &view, &err), -EBADMSG);
	assert_string_equal(err.msg, "layer 1: its index is damaged");
	view_release(&view);
	layer_release(layer);
}

static void a_folder_of_two_names_is_damage(void **state)
{
	struct layer layer = LAYER("d a", "d b");

	(void)state;
	cps_put_le32(dirent_record(&layer.file, 1) + 4, 1);
	assert_damaged(&layer);
	layer = LAYER("d a", "d b");
	cps_put_le32(dirent_record(&layer.file, 1) + 4, 0);
	assert_damaged(&layer);
}

/* Else a file of n folders and n names would be a tree of n * n. */
static void names_that_two_folders_share_are_damage(void **state)
{
	struct layer layer = LAYER("d a", "d b", "f b/x", "f b/y");

	(void)state;
	cps_put_le64(inode_record(&layer.file, 1), 2);
	cps_put_le64(inode_record(&layer.file, 1) + 8, 2);
	assert_damaged(&layer);
}

static void extents_that_two_files_share_are_damage(void **state)
{
	static const struct cps_extent extents[] = {
		{0, 0, 5}, {10, 10, 5}, {20, 20, 5}};
	const struct cps_tar_entry entries[] = {
		{.path = "a",
		 .link = "",
		 .size = 100,
		 .sparse = true,
		 .extents = extents,
		 .extent_count = 3},
		{.path = "b",
		 .link = "",
		 .size = 100,
		 .sparse = true,
		 .extents = extents,
		 .extent_count = 2},
	};
	struct layer layer = layer_of(entries, 2);

	(void)state;
	/* The file b takes the three of a. */
	cps_put_le32(inode_record(&layer.file, 2) + 48, 0);
	cps_put_le32(inode_record(&layer.file, 2) + 52, 3);
	assert_damaged(&layer);
}

static void a_target_longer_than_any_path_is_damage(void **state)
{
	cps_auto(cps_free) char *text = malloc(CPS_PATH_MAX + 10);
	struct layer layer;

	(void)state;
	snprintf(text, CPS_PATH_MAX + 10, "l a %0*d", CPS_PATH_MAX, 0);
	layer = LAYER(text, "f b");
	cps_put_le64(inode_record(&layer.file, 1) + 8, CPS_PATH_MAX + 1);
	assert_damaged(&layer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_found_among_many),
		cmocka_unit_test(a_folder_is_listed_in_the_order_of_the_streams),
		cmocka_unit_test(beyond_the_last_inode_there_is_none),
		cmocka_unit_test(a_tree_is_of_its_chain_only),
		cmocka_unit_test(a_tree_that_lies_gives_errors),
		cmocka_unit_test(no_dirent_has_a_name_that_the_kernel_refuses),
		cmocka_unit_test(a_root_that_is_no_folder_is_refused),
		cmocka_unit_test(a_folder_of_two_names_is_damage),
		cmocka_unit_test(names_that_two_folders_share_are_damage),
		cmocka_unit_test(extents_that_two_files_share_are_damage),
		cmocka_unit_test(a_target_longer_than_any_path_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
