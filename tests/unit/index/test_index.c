/* One layer becomes an index, by containerd's applier rules. */
#include "layers.h"

static void the_last_entry_of_a_path_wins(void **state)
{
	(void)state;
	assert_layers("l 644 1 0 /a -> x\n", LAYER("f a", "l a x"));
	assert_layers("f 644 1 0 /a\n", LAYER("d a", "f a/b", "d a/c", "f a"));
	assert_layers("d 711 2 0 /a\n", LAYER("f a", "d a"));
	assert_layers("d 711 2 0 /a\nf 644 1 0 /a/b\n",
		      LAYER("d a", "f a/old", "f a", "d a", "f a/b"));
}

static void a_folder_again_keeps_what_it_holds(void **state)
{
	(void)state;
	assert_layers("d 711 2 0 /a\nf 644 1 0 /a/b\n",
		      LAYER("f a/b", "d a/", "d ./a"));
}

static void parents_that_are_missing_are_made(void **state)
{
	(void)state;
	assert_layers("d 755 3 0 /a\nd 755 2 0 /a/b\nf 644 1 0 /a/b/c\n",
		      LAYER("f a/b/c"));
}

static void names_cannot_leave_the_root(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /a\nf 644 1 0 /b\nf 644 1 0 /c\n",
		      LAYER("f /a", "f ../../b", "f ././/c"));
}

/* containerd cleans a name before anything is looked up. */
static void dot_dot_takes_back_the_word_before_it(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /a\n", LAYER("f x/../a"));
	assert_layers("l 644 1 0 /l -> r/s\nf 644 1 0 /n\nd 755 3 0 /r\n"
		      "d 711 2 0 /r/s\n",
		      LAYER("d r/s", "l l r/s", "f l/../n"));
	assert_layers("", LAYER("d a/.."));
}

static void links_among_parents_are_followed_inside(void **state)
{
	(void)state;
	assert_layers("d 711 2 0 /r\nf 644 1 0 /r/x\nl 644 1 0 /s -> r\n",
		      LAYER("d r", "l s r", "f s/x"));
	assert_layers("d 711 2 0 /r\nf 644 1 0 /r/x\nd 755 2 0 /t\n"
		      "l 644 1 0 /t/s -> /../../r\n",
		      LAYER("d r", "l t/s /../../r", "f t/s/x"));
	assert_layers("d 755 2 0 /gone\nf 644 1 0 /gone/x\nl 644 1 0 /s -> gone\n",
		      LAYER("l s gone", "f s/x"));
	assert_refused(ENTRIES("l a b", "l b a", "f a/x"), "too many symbolic links");
}

static void the_last_word_is_not_followed(void **state)
{
	(void)state;
	assert_layers("d 711 2 0 /r\nf 644 1 0 /s\n", LAYER("d r", "l s r", "f s"));
	assert_layers("d 711 2 0 /r\nd 711 2 0 /s\n", LAYER("d r", "l s r", "d s/"));
}

static void a_file_has_nothing_below_it(void **state)
{
	(void)state;
	assert_refused(ENTRIES("f a", "f a/b"), "'a/b' at byte 1536: its parent");
}

static void the_root_is_a_folder(void **state)
{
	struct layer layer = LAYER("d ./", "f a");
	struct view view = merge(&layer, 1);
	struct cps_inode in;

	(void)state;
	assert_int_equal(cps_tree_inode(view.tree, CPS_TREE_ROOT, &in), 0);
	assert_int_equal(in.mode, S_IFDIR | 0711);
	assert_int_equal(in.layer, 0);
	view_release(&view);
	layer_release(&layer);
	assert_refused(ENTRIES("f ."), "the root must be a directory");
	assert_refused(ENTRIES("l / x"), "the root must be a directory");
}

static void a_name_has_255_bytes_at_most(void **state)
{
	char text[300] = "f ";
	struct layer layer;

	(void)state;
	memset(text + 2, 'n', 256);
	assert_refused(ENTRIES(text), "a name over 255 bytes");
	text[258] = '/';
	text[259] = 'x';
	assert_refused(ENTRIES(text), "too long");
	text[257] = '\0';
	layer = LAYER(text);
	layer_release(&layer);
}

/* ---- markers ---- */

static void a_marker_is_never_shown(void **state)
{
	(void)state;
	assert_layers("d 755 2 0 /d\n",
		      LAYER("f .wh.a", "h d/.wh.b .wh.a", "c .wh.c", "d .wh.d2",
			    "l .wh.l x", "f d/.wh..wh..opq", "d .wh..wh.plnk",
			    "f .wh..wh.orph", "h .wh..wh.aufs x"));
}

static void a_whiteout_names_something(void **state)
{
	(void)state;
	assert_refused(ENTRIES("f a/.wh."), "a whiteout that names nothing");
	assert_refused(ENTRIES("f .wh.."), "a whiteout that names nothing");
	assert_refused(ENTRIES("f .wh..."), "a whiteout that names nothing");
}

static void an_entry_wins_over_its_own_whiteout(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /a\nf 644 1 0 /b\n",
		      LAYER("f a", "f .wh.a", "f .wh.b", "f b"));
}

/* ---- hard links ---- */

static void hard_links_join_inodes(void **state)
{
	(void)state;
	assert_layers("f 644 3 0 /a\nf 644 3 0 /b\nd 755 2 0 /d\nf 644 3 0 /d/c\n",
		      LAYER("f a", "h b a", "h d/c /b"));
}

static void a_hard_link_may_come_before_its_target(void **state)
{
	(void)state;
	assert_layers("f 644 3 0 /a\nf 644 3 0 /b\nf 644 3 0 /c\n",
		      LAYER("h a b", "h b ./c", "f c"));
}

static void a_hard_link_is_to_what_was_there(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /a\nl 644 1 0 /b -> x\n",
		      LAYER("l a x", "h b a", "f a"));
}

static void a_hard_link_to_itself_is_nothing(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /a\n", LAYER("f a", "h a ./a"));
}

static void a_hard_link_goes_through_links_of_the_layer(void **state)
{
	(void)state;
	assert_layers("f 644 2 0 /b\nd 711 2 0 /r\nf 644 2 0 /r/x\n"
		      "l 644 1 0 /s -> r\n",
		      LAYER("d r", "l s r", "f r/x", "h b s/x"));
}

static void a_folder_has_one_name(void **state)
{
	(void)state;
	assert_refused(ENTRIES("d a", "h b a"), "a hard link to a directory");
	assert_refused(ENTRIES("h b a", "d a"), "a hard link to a directory");
	assert_refused(ENTRIES("h b /"), "a hard link to a directory");
}

static void the_lowest_layer_has_all_its_targets(void **state)
{
	struct layer upper = LAYER("h b gone");

	(void)state;
	assert_refused(ENTRIES("h b gone"), "'gone', which is not there");
	assert_refused(ENTRIES("h b c", "h c b"), "which is not there");
	assert_int_equal(cps_index_entry_count(upper.index), 1);
	layer_release(&upper);
}

/* A chain in the worst order: each link before the one that it names. */
static void chains_of_hard_links_end_in_time(void **state)
{
	enum { LINKS = 100000 };
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_err err = CPS_ERR_INIT;
	struct cps_digest id = {{1}};
	char text[64];

	(void)state;
	for (unsigned int i = 0; i < LINKS; i++) {
		snprintf(text, sizeof(text), "h %u %u", i, i + 1);
		assert_int_equal(add_entry(b, text, 1, &err), 0);
	}
	snprintf(text, sizeof(text), "f %u", LINKS);
	assert_int_equal(add_entry(b, text, 1, &err), 0);
	assert_int_equal(cps_index_finish(b, &id, true, &out, &err), -EBADMSG);
}

/* ---- attributes ---- */

static const struct cps_tar_xattr some_xattrs[] = {
	{"security.capability", (const uint8_t *)"\1\0\2", 3},
	{"trusted.overlay.opaque", (const uint8_t *)"y", 1},
	{"user.capas.layer", (const uint8_t *)"1", 1},
	{"user.empty", (const uint8_t *)"", 0},
	{"user.overlay.origin", (const uint8_t *)"y", 1},
};

static const struct cps_extent some_extents[] = {{4096, 700, 100}, {8192, 800, 1}};

static const struct cps_tar_entry rich_entries[] = {
	{.path = "a",
	 .link = "",
	 .type = CPS_TAR_REG,
	 .mode = 06755,
	 .uid = 100000,
	 .gid = UINT32_MAX,
	 .mtime_s = -5,
	 .mtime_ns = 999999999,
	 .size = 1ull << 40,
	 .data_off = 512,
	 .xattrs = some_xattrs,
	 .xattr_count = CPS_ARRAY_LEN(some_xattrs)},
	{.path = "b", .link = "a", .type = CPS_TAR_HARDLINK},
	{.path = "s",
	 .link = "",
	 .type = CPS_TAR_REG,
	 .size = 10000,
	 .sparse = true,
	 .extents = some_extents,
	 .extent_count = 2},
	{.path = "dev/sda1",
	 .link = "",
	 .type = CPS_TAR_BLK,
	 .major = 8,
	 .minor = 1u << 20},
};

static void attributes_come_through(void **state)
{
	struct layer layer = layer_of(rich_entries, CPS_ARRAY_LEN(rich_entries));
	struct view view = merge(&layer, 1);
	struct cps_inode in = inode_of(view.tree, "b");

	(void)state;
	assert_int_equal(in.mode, S_IFREG | 06755);
	assert_int_equal(in.uid, 100000);
	assert_int_equal(in.gid, UINT32_MAX);
	assert_true(in.mtime_s == -5 && in.mtime_ns == 999999999);
	assert_true(in.size == 1ull << 40 && in.data == 512);
	assert_int_equal(in.nlink, 2);
	assert_int_equal(in.flags, CPS_INODE_XATTRS);
	in = inode_of(view.tree, "dev/sda1");
	assert_true(S_ISBLK(in.mode) && in.rdev_major == 8 &&
		    in.rdev_minor == 1u << 20);
	assert_int_equal(cps_tree_total_bytes(view.tree), (1ull << 40) + 10000);
	view_release(&view);
	layer_release(&layer);
}

static void bookkeeping_of_other_tools_is_left_out(void **state)
{
	struct layer layer = layer_of(rich_entries, CPS_ARRAY_LEN(rich_entries));
	struct view view = merge(&layer, 1);
	uint32_t ino = find_in(view.tree, "a");
	struct cps_tar_xattr x;
	size_t len;

	(void)state;
	assert_int_equal(cps_tree_xattr(view.tree, ino, 0, &x, &len), 1);
	assert_string_equal(x.name, "security.capability");
	assert_int_equal(len, strlen(x.name));
	assert_int_equal(x.value_len, 3);
	assert_memory_equal(x.value, "\1\0\2", 3);
	assert_int_equal(cps_tree_xattr(view.tree, ino, 1, &x, &len), 1);
	assert_string_equal(x.name, "user.empty");
	assert_int_equal(x.value_len, 0);
	assert_int_equal(cps_tree_xattr(view.tree, ino, 2, &x, &len), 0);
	view_release(&view);
	layer_release(&layer);
}

static void holes_come_through(void **state)
{
	struct layer layer = layer_of(rich_entries, CPS_ARRAY_LEN(rich_entries));
	struct view view = merge(&layer, 1);
	uint32_t ino = find_in(view.tree, "s");
	struct cps_extent e;

	(void)state;
	assert_int_equal(inode_of(view.tree, "s").flags, CPS_INODE_SPARSE);
	assert_int_equal(cps_tree_extent(view.tree, ino, 1, &e), 1);
	assert_true(e.logical == 8192 && e.stored == 800 && e.len == 1);
	assert_int_equal(cps_tree_extent(view.tree, ino, 2, &e), 0);
	view_release(&view);
	layer_release(&layer);
}

/* ---- the file ---- */

static void the_same_entries_give_the_same_bytes(void **state)
{
	struct layer a = LAYER("d x", "f x/b", "f x/a", "h y x/a", "f .wh.z");
	struct layer b = LAYER("d x", "f x/b", "f x/a", "h y x/a", "f .wh.z");

	(void)state;
	assert_int_equal(a.file.len, b.file.len);
	assert_memory_equal(a.file.data, b.file.data, a.file.len);
	layer_release(&a);
	layer_release(&b);
}

static void an_index_is_of_its_layer_only(void **state)
{
	const struct cps_digest other = {{8}};
	struct layer a = LAYER("f x");
	struct cps_index *index = NULL;
	struct cps_err err = CPS_ERR_INIT;

	(void)state;
	assert_int_equal(cps_index_open(a.file.data, a.file.len, &other, &index, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.msg, "belongs to something else"));
	layer_release(&a);
}

static void any_flipped_bit_of_an_index_is_noticed(void **state)
{
	struct layer a = layer_of(rich_entries, CPS_ARRAY_LEN(rich_entries));
	size_t missed = 0;

	(void)state;
	for (size_t at = 0; at < a.file.len; at++) {
		struct cps_index *index = NULL;
		int rc;

		a.file.data[at] ^= 16;
		rc = cps_index_open(a.file.data, a.file.len, NULL, &index, NULL);
		if (rc == 0)
			rc = cps_index_verify(index, NULL);
		a.file.data[at] ^= 16;
		cps_index_close(index);
		assert_true(rc == 0 || rc == -EBADMSG);
		missed += rc == 0;
	}
	/* The minor version, and what fills sections up to a multiple of eight. */
	assert_in_range(missed, 2, 2 + 6 * 7);
	layer_release(&a);
}

static void an_index_cut_short_is_refused(void **state)
{
	struct layer a = LAYER("f x", "d y");
	struct cps_index *index = NULL;

	(void)state;
	for (size_t len = 0; len < a.file.len; len++) {
		cps_auto(cps_free) uint8_t *cut = malloc(len + 1);

		memcpy(cut, a.file.data, len);
		assert_int_equal(cps_index_open(cut, len, NULL, &index, NULL),
				 -EBADMSG);
	}
	layer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_entry_of_a_path_wins),
		cmocka_unit_test(a_folder_again_keeps_what_it_holds),
		cmocka_unit_test(parents_that_are_missing_are_made),
		cmocka_unit_test(names_cannot_leave_the_root),
		cmocka_unit_test(dot_dot_takes_back_the_word_before_it),
		cmocka_unit_test(links_among_parents_are_followed_inside),
		cmocka_unit_test(the_last_word_is_not_followed),
		cmocka_unit_test(a_file_has_nothing_below_it),
		cmocka_unit_test(the_root_is_a_folder),
		cmocka_unit_test(a_name_has_255_bytes_at_most),
		cmocka_unit_test(a_marker_is_never_shown),
		cmocka_unit_test(a_whiteout_names_something),
		cmocka_unit_test(an_entry_wins_over_its_own_whiteout),
		cmocka_unit_test(hard_links_join_inodes),
		cmocka_unit_test(a_hard_link_may_come_before_its_target),
		cmocka_unit_test(a_hard_link_is_to_what_was_there),
		cmocka_unit_test(a_hard_link_to_itself_is_nothing),
		cmocka_unit_test(a_hard_link_goes_through_links_of_the_layer),
		cmocka_unit_test(a_folder_has_one_name),
		cmocka_unit_test(the_lowest_layer_has_all_its_targets),
		cmocka_unit_test(chains_of_hard_links_end_in_time),
		cmocka_unit_test(attributes_come_through),
		cmocka_unit_test(bookkeeping_of_other_tools_is_left_out),
		cmocka_unit_test(holes_come_through),
		cmocka_unit_test(the_same_entries_give_the_same_bytes),
		cmocka_unit_test(an_index_is_of_its_layer_only),
		cmocka_unit_test(any_flipped_bit_of_an_index_is_noticed),
		cmocka_unit_test(an_index_cut_short_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
