#include "small_root.h"

#include <dirent.h>
#include <sys/sysmacros.h>

#include "fs/view.h"

static uint32_t find(struct cps_root *root, const char *path)
{
	uint32_t ino;

	assert_int_equal(cps_root_walk(root, path, true, &ino), 0);
	return ino;
}

static void stat_tells_what_the_layer_says(void **state)
{
	struct cps_root *root = *state;
	struct stat st;

	assert_int_equal(cps_view_stat(root, find(root, "dir/plain"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(st.st_size, PLAIN_BYTES);
	assert_int_equal(st.st_blocks, 20);
	assert_int_equal(st.st_mtim.tv_sec, MTIME_S);
	assert_int_equal(st.st_ctim.tv_sec, MTIME_S);
	assert_int_equal(cps_view_stat(root, find(root, "null"), &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(cps_view_stat(root, CPS_TREE_ROOT, &st), 0);
	assert_int_equal(st.st_ino, 1);
	assert_int_equal(cps_view_stat(root, 1000, &st), -ENOENT);
}

static void blocks_of_a_sparse_file_are_its_data(void **state)
{
	struct cps_root *root = *state;
	struct stat st;

	assert_int_equal(cps_view_stat(root, find(root, "hole"), &st), 0);
	assert_int_equal(st.st_size, HOLE_BYTES);
	assert_int_equal(st.st_blocks, 2 * DATA_HALF / 512);
}

static void dots_find_the_folder_and_its_parent(void **state)
{
	struct cps_root *root = *state;
	uint32_t dir = find(root, "dir"), file = find(root, "dir/plain"), ino;

	assert_int_equal(cps_view_lookup(root, dir, ".", &ino), 0);
	assert_int_equal(ino, dir);
	assert_int_equal(cps_view_lookup(root, dir, "..", &ino), 0);
	assert_int_equal(ino, CPS_TREE_ROOT);
	assert_int_equal(cps_view_lookup(root, file, ".", &ino), 0);
	assert_int_equal(ino, file);
	assert_int_equal(cps_view_lookup(root, file, "..", &ino), -ENOTDIR);
	assert_int_equal(cps_view_lookup(root, dir, "plain", &ino), 0);
	assert_int_equal(cps_view_lookup(root, dir, "absent", &ino), -ENOENT);
}

static void a_listing_goes_on_at_any_cookie(void **state)
{
	struct cps_root *root = *state;
	struct cps_view_entry entry, again;
	uint64_t cookie = 0;
	int count = 0;

	for (; cps_view_readdir(root, CPS_TREE_ROOT, cookie, &entry) == 1; count++) {
		assert_int_equal(cps_view_readdir(root, CPS_TREE_ROOT, cookie, &again),
				 1);
		assert_string_equal(entry.name, again.name);
		if (count < 2)
			assert_string_equal(entry.name, count ? ".." : ".");
		assert_int_equal(entry.dot, count < 2);
		cookie = entry.next;
	}
	assert_int_equal(count, 6);
	assert_int_equal(cps_view_readdir(root, CPS_TREE_ROOT, UINT64_MAX, &entry), 0);
	assert_int_equal(cps_view_readdir(root, find(root, "hole"), 0, &entry),
			 -ENOTDIR);
}

static void a_link_is_read_whole_or_not(void **state)
{
	struct cps_root *root = *state;
	uint32_t link = find(root, "link");
	char text[10];

	assert_int_equal(cps_view_readlink(root, link, text, sizeof(text)), 0);
	assert_string_equal(text, "dir/plain");
	assert_int_equal(cps_view_readlink(root, link, text, 9), -ENAMETOOLONG);
	assert_int_equal(cps_view_readlink(root, CPS_TREE_ROOT, text, 10), -EINVAL);
}

static void an_xattr_is_probed_then_read(void **state)
{
	struct cps_root *root = *state;
	uint32_t ino = find(root, "dir/plain");
	char value[16];

	assert_int_equal(cps_view_xattr_get(root, ino, "user.color", NULL, 0), 4);
	assert_int_equal(cps_view_xattr_get(root, ino, "user.color", value, 3),
			 -ERANGE);
	assert_int_equal(cps_view_xattr_get(root, ino, "user.color", value, 4), 4);
	assert_memory_equal(value, "blue", 4);
	assert_int_equal(cps_view_xattr_get(root, ino, "user.colo", value, 16),
			 -ENODATA);
}

static void the_layer_is_ours_to_tell(void **state)
{
	struct cps_root *root = *state;
	uint32_t ino = find(root, "dir/plain"), link = find(root, "link");
	char names[64], value[256] = "";

	assert_int_equal(cps_view_xattr_list(root, ino, names, sizeof(names)), 28);
	assert_memory_equal(names, "user.capas.layer\0user.color", 28);
	assert_int_equal(cps_view_xattr_list(root, ino, NULL, 0), 28);
	assert_int_equal(cps_view_xattr_list(root, ino, names, 27), -ERANGE);
	assert_true(cps_view_xattr_get(root, ino, CPS_VIEW_LAYER_XATTR, value, 255) >
		    0);
	assert_non_null(strstr(value, "COPY . /"));
	assert_int_equal(cps_view_xattr_list(root, link, names, sizeof(names)), 0);
	assert_int_equal(
		cps_view_xattr_get(root, link, CPS_VIEW_LAYER_XATTR, value, 255),
		-ENODATA);
	assert_false(cps_view_has_acls(root));
}

/* What is said of a root whose only file has that xattr. */
static bool acl_noticed(const struct cps_tar_xattr *xattr)
{
	const struct cps_tar_entry entry = {
		.path = "file",
		.link = "",
		.type = CPS_TAR_REG,
		.xattrs = xattr,
		.xattr_count = xattr ? 1 : 0,
	};
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf mem = CPS_BUF_INIT(0);
	cps_auto(cps_index_builder_free) struct cps_index_builder *builder =
		cps_index_builder_new();
	struct cps_digest none = {0};
	struct cps_tree_layer layer = {0};
	struct cps_index *open = NULL;
	struct cps_root root = {0};
	bool noticed;

	assert_int_equal(cps_index_add(builder, &entry, NULL), 0);
	assert_int_equal(cps_index_finish(builder, &none, true, &index, NULL), 0);
	assert_int_equal(cps_index_open(index.data, index.len, NULL, &open, NULL), 0);
	layer.index = open;
	assert_int_equal(cps_tree_merge(&layer, 1, &none, &mem, NULL), 0);
	assert_int_equal(cps_tree_open(mem.data, mem.len, NULL, &root.tree, NULL), 0);
	noticed = cps_view_has_acls(&root);
	cps_tree_close(root.tree);
	cps_index_close(open);
	return noticed;
}

static void an_acl_is_noticed(void **state)
{
	static const uint8_t value[] = "system.posix_acl_access";
	const struct cps_tar_xattr acl = {"system.posix_acl_access", value, 4};
	const struct cps_tar_xattr word = {"user.note", value, sizeof(value) - 1};

	(void)state;
	assert_true(acl_noticed(&acl));
	assert_false(acl_noticed(&word));
	assert_false(acl_noticed(NULL));
}

static uint64_t sought(struct cps_root *root, const char *path, uint64_t off,
		       int whence)
{
	uint64_t at;

	assert_int_equal(cps_view_seek(root, find(root, path), off, whence, &at), 0);
	return at;
}

static void holes_are_found(void **state)
{
	struct cps_root *root = *state;
	const uint64_t end = DATA_AT + 2 * DATA_HALF;
	uint32_t hole = find(root, "hole");
	uint64_t at;

	assert_int_equal(sought(root, "hole", 0, SEEK_HOLE), 0);
	assert_int_equal(sought(root, "hole", 0, SEEK_DATA), DATA_AT);
	assert_int_equal(sought(root, "hole", DATA_AT + 5, SEEK_DATA), DATA_AT + 5);
	assert_int_equal(sought(root, "hole", DATA_AT, SEEK_HOLE), end);
	assert_int_equal(sought(root, "hole", end, SEEK_HOLE), end);
	assert_int_equal(cps_view_seek(root, hole, end, SEEK_DATA, &at), -ENXIO);
	assert_int_equal(cps_view_seek(root, hole, HOLE_BYTES, SEEK_HOLE, &at), -ENXIO);
	assert_int_equal(sought(root, "dir/plain", 9, SEEK_DATA), 9);
	assert_int_equal(sought(root, "dir/plain", 9, SEEK_HOLE), PLAIN_BYTES);
	assert_int_equal(cps_view_seek(root, hole, 0, SEEK_SET, &at), -EINVAL);
}

static int make(void **state)
{
	*state = small_root();
	return 0;
}

static int end(void **state)
{
	cps_root_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_tells_what_the_layer_says),
		cmocka_unit_test(blocks_of_a_sparse_file_are_its_data),
		cmocka_unit_test(dots_find_the_folder_and_its_parent),
		cmocka_unit_test(a_listing_goes_on_at_any_cookie),
		cmocka_unit_test(a_link_is_read_whole_or_not),
		cmocka_unit_test(an_xattr_is_probed_then_read),
		cmocka_unit_test(the_layer_is_ours_to_tell),
		cmocka_unit_test(an_acl_is_noticed),
		cmocka_unit_test(holes_are_found),
	};

	return cmocka_run_group_tests(tests, make, end);
}
