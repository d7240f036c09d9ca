/* A root read without a mount: paths from outside, and bytes of files. */
#include <sys/mman.h>

#include "store/root.h"
#include "tests/unit/index/layers.h"

#define LAYER_BYTES (64u << 10)

static uint8_t stored[LAYER_BYTES]; /* what the layer's stream holds */

/** A root over one layer. The n-th entry, if it is a file, has n bytes at n KiB. */
struct fixture {
	struct layer layer;
	struct view view;
	struct cps_content *content;
	struct cps_root root;
};

static void fixture_open(struct fixture *fx, struct layer layer)
{
	struct cps_blob blob = {.fd = memfd_create("layer", MFD_CLOEXEC),
				.size = LAYER_BYTES};

	assert_true(blob.fd >= 0);
	assert_int_equal(cps_write_full(blob.fd, stored, LAYER_BYTES), 0);
	*fx = (struct fixture){.layer = layer};
	fx->view = merge(&fx->layer, 1);
	assert_int_equal(cps_cache_new(1 << 20, 0, &fx->root.cache, NULL), 0);
	assert_int_equal(
		cps_content_open(fx->root.cache, &blob, NULL, &fx->content, NULL), 0);
	fx->root.tree = fx->view.tree;
	fx->root.contents = &fx->content;
	fx->root.content_count = 1;
}

static void fixture_release_auto(struct fixture *fx)
{
	cps_content_close(fx->content);
	cps_cache_free(fx->root.cache);
	view_release(&fx->view);
	layer_release(&fx->layer);
}

static int walk(struct fixture *fx, const char *path, bool nofollow, uint32_t *ino)
{
	*ino = UINT32_MAX;
	return cps_root_walk(&fx->root, path, nofollow, ino);
}

static void assert_leads(struct fixture *fx, const char *path, const char *to)
{
	uint32_t ino;

	if (walk(fx, path, false, &ino) < 0)
		fail_msg("'%s' leads nowhere", path);
	assert_int_equal(ino, find_in(fx->view.tree, to));
}

static void assert_fails(struct fixture *fx, const char *path, int rc)
{
	uint32_t ino;

	if (walk(fx, path, false, &ino) != rc)
		fail_msg("'%s' does not give %d", path, rc);
	assert_int_equal(ino, UINT32_MAX);
}

/* ---- paths ---- */

static struct layer a_tree_with_links(void)
{
	return LAYER("f usr/bin/sh", "l bin usr/bin", "l abs /usr/bin",
		     "l usr/bin/bash sh", "l up ../../../usr", "l usr/back ../bin",
		     "l gone nowhere/x", "l loop loop", "l ping pong", "l pong ping",
		     "l file usr/bin/sh", "l dot .");
}

static void a_path_is_walked_inside_the_root(void **state)
{
	cps_auto(fixture_release) struct fixture fx;

	(void)state;
	fixture_open(&fx, a_tree_with_links());
	assert_leads(&fx, "", "");
	assert_leads(&fx, "/", "");
	assert_leads(&fx, "..", "");
	assert_leads(&fx, "../../usr/../usr//./bin", "usr/bin");
	assert_leads(&fx, "/bin/sh", "usr/bin/sh");
	assert_leads(&fx, "abs/bash", "usr/bin/sh");
	assert_leads(&fx, "up/bin/sh", "usr/bin/sh");
	assert_leads(&fx, "usr/back/sh", "usr/bin/sh");
	assert_leads(&fx, "bin/..", "usr");
	assert_leads(&fx, "dot/dot/dot/bin/.", "usr/bin");
}

static void what_is_not_there_is_told_apart(void **state)
{
	cps_auto(fixture_release) struct fixture fx;

	(void)state;
	fixture_open(&fx, a_tree_with_links());
	assert_fails(&fx, "usr/lib", -ENOENT);
	assert_fails(&fx, "gone", -ENOENT);
	assert_fails(&fx, "usr/bin/sh/x", -ENOTDIR);
	assert_fails(&fx, "usr/bin/sh/..", -ENOTDIR);
	assert_fails(&fx, "file/x", -ENOTDIR);
	assert_fails(&fx, "loop", -ELOOP);
	assert_fails(&fx, "ping/x", -ELOOP);
}

static void the_last_link_may_be_meant_itself(void **state)
{
	cps_auto(fixture_release) struct fixture fx;
	uint32_t ino;

	(void)state;
	fixture_open(&fx, a_tree_with_links());
	assert_int_equal(walk(&fx, "bin", true, &ino), 0);
	assert_int_equal(ino, find_in(fx.view.tree, "bin"));
	assert_int_equal(walk(&fx, "abs/bash", true, &ino), 0);
	assert_int_equal(ino, find_in(fx.view.tree, "usr/bin/bash"));
	assert_int_equal(walk(&fx, "loop", true, &ino), 0);
	assert_int_equal(walk(&fx, "gone", true, &ino), 0);
}

/* As many as the kernel follows. */
static void forty_links_are_followed(void **state)
{
	cps_auto(fixture_release) struct fixture fx;
	char text[42][32];
	const char *entries[43];

	(void)state;
	for (int i = 0; i < 41; i++) {
		snprintf(text[i], sizeof(text[i]), "l %02d %02d", i, i + 1);
		entries[i] = text[i];
	}
	entries[41] = "f 41";
	entries[42] = NULL;
	fixture_open(&fx, make_layer(entries));
	assert_leads(&fx, "01", "41");
	assert_fails(&fx, "00", -ELOOP);
}

static void a_path_has_a_limit(void **state)
{
	cps_auto(fixture_release) struct fixture fx;
	char link[CPS_PATH_MAX + 8], path[CPS_PATH_MAX + 2];

	(void)state;
	strcpy(link, "l l ");
	memset(link + 4, '/', CPS_PATH_MAX);
	link[3 + CPS_PATH_MAX] = '.';
	link[4 + CPS_PATH_MAX] = '\0';
	fixture_open(&fx, LAYER("f a", link));
	memset(path, '/', sizeof(path));
	path[CPS_PATH_MAX] = '\0';
	assert_leads(&fx, path, "");
	path[CPS_PATH_MAX - 1] = 'a';
	path[0] = 'l';
	assert_leads(&fx, path, "a");
	path[CPS_PATH_MAX] = '/';
	path[CPS_PATH_MAX + 1] = '\0';
	assert_fails(&fx, path, -ENAMETOOLONG);
}

/* ---- bytes ---- */

static ssize_t pread_at(struct fixture *fx, const char *path, void *buf, size_t len,
			uint64_t off)
{
	return cps_root_pread(&fx->root, find_in(fx->view.tree, path), buf, len, off,
			      0);
}

static void a_files_bytes_are_its_layers(void **state)
{
	cps_auto(fixture_release) struct fixture fx;
	uint8_t buf[100];

	(void)state;
	fixture_open(&fx, LAYER("d d", "d e", "d f", "d g", "f d/five", "l s d/five"));
	assert_int_equal(pread_at(&fx, "d/five", buf, 100, 0), 5);
	assert_memory_equal(buf, stored + 5 * 1024, 5);
	assert_int_equal(pread_at(&fx, "d/five", buf, 2, 2), 2);
	assert_memory_equal(buf, stored + 5 * 1024 + 2, 2);
	assert_int_equal(pread_at(&fx, "d/five", buf, 2, 4), 1);
	assert_int_equal(pread_at(&fx, "d/five", buf, 2, 5), 0);
	assert_int_equal(pread_at(&fx, "d/five", buf, 2, UINT64_MAX), 0);
	assert_int_equal(pread_at(&fx, "d", buf, 2, 0), -EISDIR);
	assert_int_equal(pread_at(&fx, "s", buf, 2, 0), -EINVAL);
	assert_int_equal(cps_root_pread(&fx.root, 1000, buf, 2, 0, 0), -ENOENT);
}

static struct layer a_layer_of(struct cps_tar_entry entry)
{
	entry.path = "a";
	entry.link = "";
	return layer_of(&entry, 1);
}

static void holes_are_zeros(void **state)
{
	static const struct cps_extent extents[] = {
		{100, 1000, 50}, {150, 3000, 10}, {400, 2000, 100}};
	const struct cps_tar_entry sparse = {
		.size = 600, .sparse = true, .extents = extents, .extent_count = 3};
	cps_auto(fixture_release) struct fixture fx;
	uint8_t want[600] = {0}, buf[700];

	(void)state;
	fixture_open(&fx, a_layer_of(sparse));
	for (size_t i = 0; i < CPS_ARRAY_LEN(extents); i++)
		memcpy(want + extents[i].logical, stored + extents[i].stored,
		       extents[i].len);
	for (size_t off = 0; off < 600; off += 7) {
		for (size_t len = 1; len < 600; len += 31) {
			size_t n = len < 600 - off ? len : 600 - off;

			memset(buf, 0xee, sizeof(buf));
			assert_int_equal(pread_at(&fx, "a", buf, len, off), n);
			assert_memory_equal(buf, want + off, n);
			assert_int_equal(buf[n], 0xee);
		}
	}
}

static void a_file_that_is_not_in_its_layer_is_an_error(void **state)
{
	const struct cps_tar_entry lies[] = {
		{.size = 100, .data_off = LAYER_BYTES - 50},
		{.size = 100, .data_off = LAYER_BYTES + 50},
		{.size = 100, .data_off = UINT64_MAX - 50},
	};
	uint8_t buf[100];

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(lies); i++) {
		cps_auto(fixture_release) struct fixture fx;

		fixture_open(&fx, a_layer_of(lies[i]));
		assert_int_equal(pread_at(&fx, "a", buf, 100, 0), -EIO);
		assert_int_equal(pread_at(&fx, "a", buf, 30, 60), -EIO);
		fx.root.content_count = 0;
		assert_int_equal(pread_at(&fx, "a", buf, 1, 0), -EIO);
	}
}

static void text_of_the_view_is_read_like_a_file(void **state)
{
	const struct cps_tree_note note = {"digest", "sha256:abc\n"};
	cps_auto(fixture_release) struct fixture fx;
	struct cps_tree_frame frame = {.name = "1", .notes = &note, .note_count = 1};
	char buf[20] = "";

	(void)state;
	fixture_open(&fx, LAYER("f a"));
	frame.layer.index = fx.layer.index;
	view_release(&fx.view);
	assert_int_equal(cps_tree_frames(&frame, 1, &fx.view.file, NULL), 0);
	assert_int_equal(cps_tree_open(fx.view.file.data, fx.view.file.len, NULL,
				       &fx.view.tree, NULL),
			 0);
	fx.root.tree = fx.view.tree;
	assert_int_equal(pread_at(&fx, "1/digest", buf, sizeof(buf), 0), 11);
	assert_string_equal(buf, "sha256:abc\n");
	assert_int_equal(pread_at(&fx, "1/digest", buf, 2, 10), 1);
	assert_int_equal(pread_at(&fx, "1/digest", buf, 2, 11), 0);
	assert_int_equal(pread_at(&fx, "1/files/a", buf, 2, 0), 1);
}

static int fill_layer(void **state)
{
	(void)state;
	for (size_t i = 0; i < LAYER_BYTES; i++)
		stored[i] = (uint8_t)(i * 3 + i / 256);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_walked_inside_the_root),
		cmocka_unit_test(what_is_not_there_is_told_apart),
		cmocka_unit_test(the_last_link_may_be_meant_itself),
		cmocka_unit_test(forty_links_are_followed),
		cmocka_unit_test(a_path_has_a_limit),
		cmocka_unit_test(a_files_bytes_are_its_layers),
		cmocka_unit_test(holes_are_zeros),
		cmocka_unit_test(a_file_that_is_not_in_its_layer_is_an_error),
		cmocka_unit_test(text_of_the_view_is_read_like_a_file),
	};

	return cmocka_run_group_tests(tests, fill_layer, NULL);
}
