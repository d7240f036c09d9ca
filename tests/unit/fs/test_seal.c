/* Sealing: what was seen over an image is what the committed image shows. */
#include "sealed.h"

static void nothing_changed_is_empty(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;

	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err), 0);
	assert_true(cps_seal_is_empty(seal));
	diff_is(fx, "");
	round_trip(fx, "same", CPS_CODEC_NONE);
}

static void new_names_go_in_with_their_folders(void **state)
{
	struct fixture *fx = *state;

	make(fx, "dir/new", S_IFREG | 0640);
	make(fx, "made", S_IFDIR | 0700);
	make(fx, "made/in", S_IFLNK | 0777);
	layer_is(fx, "./\ndir/\ndir/new\nmade/\nmade/in\n");
	diff_is(fx, "C /dir\nA /dir/new\nA /made\nA /made/in\n");
	round_trip(fx, "new", CPS_CODEC_NONE);
}

static void a_change_of_attributes_takes_one_entry(void **state)
{
	struct fixture *fx = *state;

	chmod_path(fx, "dir/sub/deep", 0600);
	layer_is(fx, "dir/sub/deep\n");
	diff_is(fx, "C /dir\nC /dir/sub\nC /dir/sub/deep\n");
	round_trip(fx, "mode", CPS_CODEC_NONE);
}

static void a_removed_name_is_a_whiteout(void **state)
{
	struct fixture *fx = *state;

	unlink_path(fx, "file", false);
	unlink_path(fx, "empty", true);
	layer_is(fx, "./\n.wh.empty\n.wh.file\n");
	diff_is(fx, "D /empty\nD /file\n");
	round_trip(fx, "gone", CPS_CODEC_NONE);
}

static void every_name_of_a_changed_inode_goes_in(void **state)
{
	struct fixture *fx = *state;

	write_to(fx, "other/hard", "FIRST", 0);
	layer_is(fx, "dir/a\ndir/hard = dir/a\nother/hard = dir/a\n");
	round_trip(fx, "hard", CPS_CODEC_NONE);
}

static void a_new_link_brings_the_old_names_along(void **state)
{
	struct fixture *fx = *state;

	link_path(fx, "dir/hard", "zz");
	layer_is(fx, "./\ndir/a\ndir/hard = dir/a\nother/hard = dir/a\nzz = dir/a\n");
	/* Only the new name is a change. */
	diff_is(fx, "A /zz\n");
	round_trip(fx, "link", CPS_CODEC_NONE);
}

static void a_lost_link_leaves_the_others_below(void **state)
{
	struct fixture *fx = *state;

	unlink_path(fx, "dir/a", false);
	layer_is(fx, "dir/\ndir/.wh.a\n");
	round_trip(fx, "unlink", CPS_CODEC_NONE);
}

static void a_renamed_folder_goes_in_whole(void **state)
{
	struct fixture *fx = *state;

	rename_path(fx, "dir/sub", "moved", 0);
	layer_is(fx, "./\ndir/\ndir/.wh.sub\nmoved/\nmoved/deep\n");
	diff_is(fx, "C /dir\nD /dir/sub\nA /moved\nA /moved/deep\n");
	round_trip(fx, "moved", CPS_CODEC_NONE);
}

static void exchanged_folders_are_compared_by_name(void **state)
{
	struct fixture *fx = *state;

	rename_path(fx, "dir", "other", RENAME_EXCHANGE);
	layer_is(fx, "./\ndir/\ndir/.wh.a\ndir/.wh.sub\ndir/hard\ndir/x\n"
		     "other/\nother/.wh.x\nother/a = dir/hard\nother/hard = dir/hard\n"
		     "other/sub/\nother/sub/deep\n");
	round_trip(fx, "swapped", CPS_CODEC_NONE);
}

static void a_folder_made_anew_hides_the_old_one(void **state)
{
	struct fixture *fx = *state;

	unlink_path(fx, "dir/sub/deep", false);
	unlink_path(fx, "dir/sub", true);
	make(fx, "dir/sub", S_IFDIR | 0711);
	make(fx, "dir/sub/fresh", S_IFREG | 0644);
	layer_is(fx, "dir/\ndir/sub/\ndir/sub/.wh.deep\ndir/sub/fresh\n");
	diff_is(fx, "C /dir\nC /dir/sub\nD /dir/sub/deep\nA /dir/sub/fresh\n");
	round_trip(fx, "anew", CPS_CODEC_NONE);
}

static void types_may_change_places(void **state)
{
	struct fixture *fx = *state;

	unlink_path(fx, "file", false);
	make(fx, "file", S_IFDIR | 0755);
	make(fx, "file/in", S_IFCHR | 0600);
	unlink_path(fx, "empty", true);
	make(fx, "empty", S_IFREG | 0644);
	diff_is(fx, "C /empty\nC /file\nA /file/in\n");
	round_trip(fx, "types", CPS_CODEC_NONE);
}

static void the_roots_own_attributes_go_in(void **state)
{
	struct fixture *fx = *state;

	chmod_path(fx, "", 0711);
	layer_is(fx, "./\n");
	diff_is(fx, "");
	round_trip(fx, "root", CPS_CODEC_NONE);
}

static void sockets_are_left_out_but_hide(void **state)
{
	struct fixture *fx = *state;

	unlink_path(fx, "file", false);
	make(fx, "file", S_IFSOCK | 0600);
	make(fx, "socket", S_IFSOCK | 0600);
	layer_is(fx, "./\n.wh.file\n");
	diff_is(fx, "C /file\nA /socket\n");
	round_trip(fx, "sockets", CPS_CODEC_NONE);
}

static void a_name_that_no_layer_holds_is_refused(void **state)
{
	struct fixture *fx = *state;
	struct cps_seal *seal = NULL;

	make(fx, "dir/.wh.odd", S_IFREG | 0644);
	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err),
		-EINVAL);
	assert_non_null(strstr(fx->err.msg, "'/dir/.wh.odd'"));
	/* An export or a diff has no trouble with it. */
	diff_is(fx, "C /dir\nA /dir/.wh.odd\n");
	digest_of(fx, CPS_SEAL_WHOLE, MTIME_ANY);
}

static void own_xattrs_are_left_out(void **state)
{
	struct fixture *fx = *state;
	uint64_t ino = make(fx, "f", S_IFREG | 0644);
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	cps_auto(cps_tar_close) struct cps_tar *tar = NULL;
	struct cps_tar_entry e = {.path = ""};

	assert_int_equal(cps_top_xattr_set(fx->top, &me, ino, "trusted.overlay.opaque",
					   "y", 1, 0, false),
			 0);
	assert_int_equal(
		cps_top_xattr_set(fx->top, &me, ino, "user.keep", "1", 1, 0, false), 0);
	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err), 0);
	tar = cps_tar_open(cps_seal_read, NULL, seal);
	while (strcmp(e.path, "f") != 0)
		assert_int_equal(cps_tar_next(tar, &e, &fx->err), 1);
	assert_int_equal(e.xattr_count, 1);
	assert_string_equal(e.xattrs[0].name, "user.keep");
}

static void holes_become_zeros(void **state)
{
	struct fixture *fx = *state;
	const struct stat st = {.st_size = 300000};
	uint64_t ino = make(fx, "sparse", S_IFREG | 0644);

	assert_int_equal(cps_top_setattr(fx->top, &me, ino, CPS_TOP_SIZE, &st), 0);
	write_to(fx, "sparse", "island", 123456);
	round_trip(fx, "sparse", CPS_CODEC_NONE);
}

static void make_deep(struct fixture *fx, unsigned int depth)
{
	uint64_t dir = CPS_TOP_ROOT;

	for (unsigned int i = 0; i < depth; i++)
		assert_int_equal(cps_top_make(fx->top, &me, dir, "d", S_IFDIR | 0755, 0,
					      NULL, &dir),
				 0);
}

static void a_tree_may_be_as_deep_as_a_path_is_long(void **state)
{
	struct fixture *fx = *state;

	make_deep(fx, 900);
	round_trip(fx, "deep", CPS_CODEC_NONE);
}

static void a_path_that_no_layer_holds_is_refused(void **state)
{
	struct fixture *fx = *state;
	struct cps_seal *seal = NULL;

	make_deep(fx, 2100);
	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err),
		-ENAMETOOLONG);
}

static void layers_may_be_compressed_at_once(void **state)
{
	struct fixture *fx = *state;

	make(fx, "new", S_IFREG | 0644);
	write_to(fx, "new", "some bytes", 70000);
	round_trip(fx, "gz", CPS_CODEC_GZIP);
	round_trip(fx, "zst", CPS_CODEC_ZSTD);
}

static void the_same_changes_give_the_same_bytes(void **state)
{
	struct fixture *fx = *state;
	struct cps_digest a, b, capped;

	make(fx, "dir/new", S_IFREG | 0640);
	write_to(fx, "file", "other", 2);
	a = digest_of(fx, CPS_SEAL_LAYER, MTIME_ANY);
	b = digest_of(fx, CPS_SEAL_LAYER, MTIME_ANY);
	assert_true(cps_digest_equal(&a, &b));
	/* SOURCE_DATE_EPOCH: the time of day does not count any more. */
	capped = digest_of(fx, CPS_SEAL_LAYER, 1000000000);
	assert_false(cps_digest_equal(&a, &capped));
	open_top(fx, "base");
	make(fx, "dir/new", S_IFREG | 0640);
	write_to(fx, "file", "other", 2);
	b = digest_of(fx, CPS_SEAL_LAYER, 1000000000);
	assert_true(cps_digest_equal(&capped, &b));
}

static void who_reads_alone_keeps_writers_out(void **state)
{
	const struct cps_top_opts alone = {.read_only = true, .alone = true},
				  look = {.read_only = true}, write = {0};
	struct fixture *fx = *state;
	struct cps_digest chain = chain_of(fx->root);
	struct cps_top *reader = NULL, *writer = NULL;

	assert_int_equal(
		cps_top_open(fx->root, fx->topdir, &chain, &alone, &reader, &fx->err),
		-EBUSY);
	assert_int_equal(
		cps_top_open(fx->root, fx->topdir, &chain, &look, &reader, &fx->err),
		0);
	assert_int_equal(cps_top_close(reader, &fx->err), 0);
	assert_int_equal(cps_top_close(CPS_TAKE(fx->top), &fx->err), 0);
	assert_int_equal(
		cps_top_open(fx->root, fx->topdir, &chain, &alone, &reader, &fx->err),
		0);
	assert_int_equal(
		cps_top_open(fx->root, fx->topdir, &chain, &write, &writer, &fx->err),
		-EBUSY);
	assert_int_equal(cps_top_close(reader, &fx->err), 0);
	assert_int_equal(
		cps_top_open(fx->root, fx->topdir, &chain, &write, &writer, &fx->err),
		0);
	assert_int_equal(cps_top_close(writer, &fx->err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SEALED(nothing_changed_is_empty),
		SEALED(new_names_go_in_with_their_folders),
		SEALED(a_change_of_attributes_takes_one_entry),
		SEALED(a_removed_name_is_a_whiteout),
		SEALED(every_name_of_a_changed_inode_goes_in),
		SEALED(a_new_link_brings_the_old_names_along),
		SEALED(a_lost_link_leaves_the_others_below),
		SEALED(a_renamed_folder_goes_in_whole),
		SEALED(exchanged_folders_are_compared_by_name),
		SEALED(a_folder_made_anew_hides_the_old_one),
		SEALED(types_may_change_places),
		SEALED(the_roots_own_attributes_go_in),
		SEALED(sockets_are_left_out_but_hide),
		SEALED(a_name_that_no_layer_holds_is_refused),
		SEALED(own_xattrs_are_left_out),
		SEALED(holes_become_zeros),
		SEALED(a_tree_may_be_as_deep_as_a_path_is_long),
		SEALED(a_path_that_no_layer_holds_is_refused),
		SEALED(layers_may_be_compressed_at_once),
		SEALED(the_same_changes_give_the_same_bytes),
		SEALED(who_reads_alone_keeps_writers_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
