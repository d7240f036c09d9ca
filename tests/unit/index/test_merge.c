/* Layers over layers, by containerd's rules. */
#include "layers.h"

#include "store/index/format.h"
#include "store/index/read.h"

/* ---- whiteouts ---- */

static void a_whiteout_hides_what_is_below(void **state)
{
	(void)state;
	assert_layers("f 644 1 0 /keep\n",
		      LAYER("f keep", "f a", "l b x", "d c", "f c/d/e", "c n"),
		      LAYER("f .wh.a", "f .wh.b", "f .wh.c", "f .wh.n", "f .wh.none"));
}

static void a_whiteout_spares_its_own_layer(void **state)
{
	(void)state;
	assert_layers("f 644 1 1 /a\nd 711 2 1 /c\nf 644 1 1 /c/new\n",
		      LAYER("f a", "d c", "f c/old"),
		      LAYER("f a", "f .wh.a", "d c", "f c/new", "f .wh.c"));
	assert_layers("d 711 2 1 /c\nf 644 1 1 /c/new\n", LAYER("f c/old"),
		      LAYER("f .wh.c", "d c", "f c/new"));
}

/* Whatever comes between: the lower folder was taken away. */
static void a_whiteout_outlives_what_replaces_its_entry(void **state)
{
	(void)state;
	assert_layers("d 711 2 1 /c\nf 644 1 1 /c/new\n", LAYER("f c/old"),
		      LAYER("f c", "f .wh.c", "d c", "f c/new"));
	assert_layers("d 711 2 1 /c\nf 644 1 1 /c/new\n", LAYER("f c/old"),
		      LAYER("f .wh.c", "f c", "d c", "f c/new"));
}

static void what_was_hidden_may_come_back(void **state)
{
	(void)state;
	assert_layers("d 711 2 2 /c\nf 644 1 2 /c/x\n", LAYER("d c", "f c/y"),
		      LAYER("f .wh.c"), LAYER("d c", "f c/x"));
}

static void an_opaque_folder_hides_lower_content(void **state)
{
	(void)state;
	assert_layers("d 711 2 1 /d\nf 644 1 1 /d/new\n",
		      LAYER("d d", "f d/old", "d d/sub", "f d/sub/x"),
		      LAYER("d d", "f d/new", "f d/.wh..wh..opq"));
	assert_layers("d 711 2 1 /d\nf 644 1 1 /d/new\n", LAYER("d d", "f d/old"),
		      LAYER("f d/.wh..wh..opq", "f d/new", "d d"));
	assert_layers("f 644 1 1 /new\n", LAYER("f a", "d b", "f b/c"),
		      LAYER("f .wh..wh..opq", "f new"));
}

/* image-spec: by the path as it is, not through a link of a lower layer. */
static void an_opaque_marker_follows_no_lower_link(void **state)
{
	(void)state;
	assert_layers("d 755 2 1 /l\nd 711 2 0 /r\nf 644 1 0 /r/x\n",
		      LAYER("d r", "f r/x", "l l r"), LAYER("f l/.wh..wh..opq"));
}

/* ---- folders ---- */

static void a_folder_over_a_folder_replaces_attributes(void **state)
{
	(void)state;
	assert_layers("d 711 2 1 /d\nf 644 1 0 /d/a\nf 644 1 1 /d/b\n", LAYER("f d/a"),
		      LAYER("d d", "f d/b"));
}

static void an_implied_parent_keeps_lower_attributes(void **state)
{
	(void)state;
	assert_layers("d 711 2 0 /d\nf 644 1 0 /d/a\nf 644 1 1 /d/b\n",
		      LAYER("d d", "f d/a"), LAYER("f d/b"));
	assert_layers("d 755 2 1 /d\nf 644 1 1 /d/b\n", LAYER("f d"), LAYER("f d/b"));
	assert_layers("d 755 2 2 /d\nf 644 1 2 /d/b\n", LAYER("d d"), LAYER("f .wh.d"),
		      LAYER("f d/b"));
}

static void a_lower_link_does_not_redirect_upper_names(void **state)
{
	(void)state;
	assert_layers("d 755 2 1 /lib\nf 644 1 1 /lib/x\nd 755 3 0 /usr\n"
		      "d 711 2 0 /usr/lib\n",
		      LAYER("d usr/lib", "l lib usr/lib"), LAYER("f lib/x"));
}

static void other_kinds_replace_each_other(void **state)
{
	(void)state;
	assert_layers("f 644 1 1 /a\nd 711 2 1 /b\nl 644 1 1 /c -> y\np 644 1 1 /d\n",
		      LAYER("d a", "f a/x", "f b", "l c x", "d d", "d d/e"),
		      LAYER("f a", "d b", "l c y", "p d"));
}

/* ---- hard links ---- */

static void one_name_less_one_link_less(void **state)
{
	(void)state;
	assert_layers("f 644 2 0 /b\nf 644 2 0 /c\n", LAYER("f a", "h b a", "h c a"),
		      LAYER("f .wh.a"));
	assert_layers("f 644 1 1 /a\nf 644 1 0 /b\n", LAYER("f a", "h b a"),
		      LAYER("f a"));
}

static void a_link_finds_its_target_in_a_lower_layer(void **state)
{
	(void)state;
	assert_layers("f 644 3 0 /b\nd 755 2 0 /d\nf 644 3 0 /d/a\nf 644 3 0 /e\n",
		      LAYER("f d/a"), LAYER("h b d/a", "h e /d/a"));
}

static void a_link_wants_its_target(void **state)
{
	struct layer layers[] = {LAYER("f a", "d d"), LAYER("h b a", "f .wh.a"),
				 LAYER("h c d"), LAYER("h c c")};
	struct cps_err err = CPS_ERR_INIT;
	struct view view;

	(void)state;
	assert_int_equal(try_merge(layers, 2, &view, &err), -EBADMSG);
	assert_string_equal(err.msg, "layer 2: a hard link to 'a', which is not there");
	layer_release(&layers[1]);
	layers[1] = layers[2];
	assert_int_equal(try_merge(layers, 2, &view, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "a hard link to the directory 'd'"));
	assert_int_equal(try_merge(&layers[3], 1, &view, &err), -EBADMSG);
	layer_release(&layers[0]);
	layer_release(&layers[2]);
	layer_release(&layers[3]);
}

/* Whatever order they come in: b, c and d of layer 2 are one chain to a of layer 1. */
static void links_to_links_end_in_a_lower_layer(void **state)
{
	(void)state;
	assert_layers("f 644 4 0 /a\nf 644 4 0 /b\nf 644 4 0 /c\nf 644 4 0 /d\n",
		      LAYER("f a"), LAYER("h b c", "h c d", "h d a"));
}

/* ".." and links on the way to a target are those of the merged layers. */
static void a_link_walks_merged_folders(void **state)
{
	(void)state;
	assert_layers("d 755 2 0 /d\nf 644 2 1 /d/a\nl 644 1 0 /l -> d\n"
		      "f 644 2 1 /n\n",
		      LAYER("l l d", "f d/x"), LAYER("f .wh.d", "f d/a"),
		      LAYER("h n l/../d/./a"));
}

static void folders_count_their_folders(void **state)
{
	struct layer layers[] = {LAYER("d a", "d b", "f c"), LAYER("f .wh.a", "d d/e")};
	struct view view = merge(layers, 2);
	struct cps_inode root;

	(void)state;
	assert_int_equal(cps_tree_inode(view.tree, CPS_TREE_ROOT, &root), 0);
	assert_int_equal(root.nlink, 4);
	assert_int_equal(root.children, 3);
	assert_int_equal(inode_of(view.tree, "d").nlink, 3);
	view_release(&view);
	layer_release(&layers[0]);
	layer_release(&layers[1]);
}

/* ---- damage ---- */

/* A merge goes through sorted names; of others it would make a tree that lacks some. */
static void names_out_of_order_are_damage(void **state)
{
	struct layer layer = LAYER("f a", "f b");
	const struct cps_table *t = cps_index_table(layer.index);
	uint8_t *dirents = layer.file.data + (t->dirents - layer.file.data);
	uint8_t first[CPS_DIRENT_BYTES];
	struct cps_err err = CPS_ERR_INIT;
	struct view view;

	(void)state;
	memcpy(first, dirents, sizeof(first));
	memcpy(dirents, dirents + CPS_DIRENT_BYTES, sizeof(first));
	assert_int_equal(try_merge(&layer, 1, &view, &err), -EBADMSG);
	memcpy(dirents + CPS_DIRENT_BYTES, first, sizeof(first));
	assert_int_equal(try_merge(&layer, 1, &view, &err), -EBADMSG);
	assert_string_equal(err.msg, "layer 1: its index is damaged");
	layer_release(&layer);
}

/* ---- what is hidden ---- */

static void assert_hidden(struct layer *layers, size_t count, const char *expected)
{
	struct view view = merge(layers, count);
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_hidden h;
	uint32_t pos = 0;

	while (cps_tree_hidden(view.tree, &pos, &h) == 1)
		cps_buf_printf(&out, "%.*s %llu %u by %u%s in %u\n", (int)h.path_len,
			       h.path, (unsigned long long)h.size, h.layer, h.by,
			       h.deleted ? " deleted" : "", h.dir);
	assert_string_equal(cps_buf_cstr(&out), expected);
	view_release(&view);
	for (size_t i = 0; i < count; i++)
		layer_release(&layers[i]);
}

static void what_is_hidden_is_remembered(void **state)
{
	struct layer replaced[] = {LAYER("f a", "f b"), LAYER("f a"), LAYER("d b")};
	struct layer deleted[] = {LAYER("d k", "f k/d/x", "f k/d/y"),
				  LAYER("f k/.wh.d")};
	struct layer opaque[] = {LAYER("f d/x", "d d/e", "f d/e/y"),
				 LAYER("f d/.wh..wh..opq", "f d/x")};

	(void)state;
	assert_hidden(replaced, 3, "/a 1 0 by 1 in 0\n/b 2 0 by 2 in 0\n");
	assert_hidden(deleted, 2,
		      "/k/d/x 2 0 by 1 deleted in 1\n/k/d/y 3 0 by 1 deleted in 1\n");
	assert_hidden(opaque, 2,
		      "/d/x 1 0 by 1 deleted in 1\n/d/e/y 3 0 by 1 deleted in 1\n");
}

/* ---- many ---- */

static void a_hundred_and_twenty_eight_layers_merge(void **state)
{
	enum { COUNT = 128 };
	struct layer layers[COUNT];
	char own[32], shared[32], gone[32], step[32];
	struct view view;

	(void)state;
	for (unsigned int i = 0; i < COUNT; i++) {
		snprintf(own, sizeof(own), "f d/%03u", i);
		snprintf(gone, sizeof(gone), "f d/.wh.%03u", i - 1);
		snprintf(shared, sizeof(shared), "f s/x%u", i % 4);
		snprintf(step, sizeof(step), "h l%03u d/%03u", i, i);
		layers[i] = i % 2 ? LAYER(own, gone, shared, step) : LAYER(own, shared);
	}
	view = merge(layers, COUNT);
	assert_int_equal(inode_of(view.tree, "d").children, COUNT / 2);
	assert_int_equal(inode_of(view.tree, "s/x3").layer, COUNT - 1);
	assert_int_equal(inode_of(view.tree, "s/x0").layer, COUNT - 4);
	assert_int_equal(inode_of(view.tree, "d/001").nlink, 2);
	assert_int_equal(inode_of(view.tree, "l127").layer, COUNT - 1);
	assert_int_equal(find_in(view.tree, "l127"), find_in(view.tree, "d/127"));
	/* Root, d, s, 64 files in d, 4 in s: an inode lives while it has a name. */
	assert_int_equal(cps_tree_inode_count(view.tree), 3 + COUNT / 2 + 4);
	view_release(&view);
	for (unsigned int i = 0; i < COUNT; i++)
		layer_release(&layers[i]);
}

static void no_layer_is_an_empty_root(void **state)
{
	struct view view = merge(NULL, 0);
	struct cps_inode root;

	(void)state;
	assert_dump(view.tree, "");
	assert_int_equal(cps_tree_inode(view.tree, CPS_TREE_ROOT, &root), 0);
	assert_int_equal(root.mode, S_IFDIR | 0755);
	assert_int_equal(root.layer, CPS_LAYER_NONE);
	view_release(&view);
}

/* ---- layers as they are ---- */

static void open_made(struct view *view)
{
	assert_int_equal(
		cps_tree_open(view->file.data, view->file.len, NULL, &view->tree, NULL),
		0);
}

static void a_single_layer_shows_its_markers(void **state)
{
	struct layer layer = LAYER("f .wh.a", "f d/.wh..wh..opq", "f d/x", "h h gone");
	const struct cps_tree_layer one = {.index = layer.index};
	struct view view = {0};

	(void)state;
	assert_int_equal(cps_tree_single(&one, 5, &view.file, NULL), 0);
	open_made(&view);
	assert_dump(view.tree, "f 0 1 5 /.wh.a\nd 755 2 5 /d\nf 0 1 5 /d/.wh..wh..opq\n"
			       "f 644 1 5 /d/x\nf 0 1 5 /h\n");
	assert_int_equal(inode_of(view.tree, ".wh.a").size, 0);
	assert_int_equal(inode_of(view.tree, ".wh.a").flags, CPS_INODE_INLINE);
	view_release(&view);
	layer_release(&layer);
}

static void each_layer_has_a_frame(void **state)
{
	static const struct cps_tree_note notes[] = {{"digest", "sha256:1\n"},
						     {"instruction", "RUN x\n"}};
	struct layer low = LAYER("f a"), high = LAYER("f .wh.a", "f b");
	const struct cps_tree_frame frames[] = {{"1", {.index = low.index}, notes, 2},
						{"2", {.index = high.index}, notes, 1}};
	struct view view = {0};
	const char *text;
	size_t len;

	(void)state;
	assert_int_equal(cps_tree_frames(frames, 2, &view.file, NULL), 0);
	open_made(&view);
	assert_dump(view.tree, "d 755 3 - /1\nf 444 1 - /1/digest\nd 755 2 0 /1/files\n"
			       "f 644 1 0 /1/files/a\nf 444 1 - /1/instruction\n"
			       "d 755 3 - /2\nf 444 1 - /2/digest\nd 755 2 1 /2/files\n"
			       "f 0 1 1 /2/files/.wh.a\nf 644 1 1 /2/files/b\n");
	assert_int_equal(
		cps_tree_inline(view.tree, find_in(view.tree, "2/digest"), &text, &len),
		0);
	assert_int_equal(len, 9);
	assert_memory_equal(text, "sha256:1\n", len);
	view_release(&view);
	layer_release(&low);
	layer_release(&high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whiteout_hides_what_is_below),
		cmocka_unit_test(a_whiteout_spares_its_own_layer),
		cmocka_unit_test(a_whiteout_outlives_what_replaces_its_entry),
		cmocka_unit_test(what_was_hidden_may_come_back),
		cmocka_unit_test(an_opaque_folder_hides_lower_content),
		cmocka_unit_test(an_opaque_marker_follows_no_lower_link),
		cmocka_unit_test(a_folder_over_a_folder_replaces_attributes),
		cmocka_unit_test(an_implied_parent_keeps_lower_attributes),
		cmocka_unit_test(a_lower_link_does_not_redirect_upper_names),
		cmocka_unit_test(other_kinds_replace_each_other),
		cmocka_unit_test(one_name_less_one_link_less),
		cmocka_unit_test(a_link_finds_its_target_in_a_lower_layer),
		cmocka_unit_test(a_link_wants_its_target),
		cmocka_unit_test(links_to_links_end_in_a_lower_layer),
		cmocka_unit_test(a_link_walks_merged_folders),
		cmocka_unit_test(folders_count_their_folders),
		cmocka_unit_test(names_out_of_order_are_damage),
		cmocka_unit_test(what_is_hidden_is_remembered),
		cmocka_unit_test(a_hundred_and_twenty_eight_layers_merge),
		cmocka_unit_test(no_layer_is_an_empty_root),
		cmocka_unit_test(a_single_layer_shows_its_markers),
		cmocka_unit_test(each_layer_has_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
