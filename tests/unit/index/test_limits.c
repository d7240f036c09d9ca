#include "layers.h"

#include <errno.h>

#include "store/index/format.h"
#include "store/index/merge.h"

/* Hundreds of MiB: a sanitizer takes minutes over them, and would see nothing that the
 * small tests do not show it. */
#ifdef __SANITIZE_ADDRESS__
#define SKIP_IF_SLOW() skip()
#else
#define SKIP_IF_SLOW() ((void)0)
#endif

/** A merge that stops earlier than one of the product. */
struct bounds {
	uint32_t names, lookups;
	size_t hidden;
};

static int merge_within(struct layer *layers, size_t count, const struct bounds *bounds,
			struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_merge m;
	int rc = cps_merge_init(&m, count, &out, err);

	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct cps_tree_layer layer = {.index = layers[i].index};

		rc = cps_merge_source(&m, &layer, (uint16_t)i);
	}
	if (bounds->names)
		m.names_max = bounds->names;
	if (bounds->lookups)
		m.lookups_max = bounds->lookups;
	if (bounds->hidden)
		m.hidden_max = bounds->hidden;
	if (rc == 0)
		rc = cps_merge_run(&m, NULL);
	cps_merge_release(&m);
	assert_true(rc == 0 || out.len == 0);
	return rc;
}

/* The bounds that just hold, and one less. */
static void expect_bound(struct layer *layers, size_t count, struct bounds enough,
			 struct bounds less, const char *complaint)
{
	struct cps_err err = CPS_ERR_INIT;

	if (merge_within(layers, count, &enough, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(merge_within(layers, count, &less, &err), -EFBIG);
	if (!strstr(err.msg, complaint))
		fail_msg("'%s' does not say '%s'", err.msg, complaint);
	for (size_t i = 0; i < count; i++)
		layer_release(&layers[i]);
}

static void a_tree_has_so_many_names(void **state)
{
	struct layer folders[] = {LAYER("d a", "f a/x", "f a/y"),
				  LAYER("f a/x", "f b")};
	struct layer links[] = {LAYER("f a", "h b a", "h c a", "h d a")};

	(void)state;
	/* The root, a, x, y, b. */
	expect_bound(folders, 2, (struct bounds){.names = 5},
		     (struct bounds){.names = 4},
		     "more than 4 names in all layers together");
	expect_bound(links, 1, (struct bounds){.names = 4}, (struct bounds){.names = 3},
		     "more than 3 names in all layers together");
}

static void what_is_hidden_may_take_so_much(void **state)
{
	struct layer layers[] = {LAYER("d k", "f k/d/x", "f k/d/y"),
				 LAYER("f k/.wh.d")};
	const size_t bytes = (size_t)2 * (CPS_HIDDEN_BYTES + strlen("/k/d/x"));

	(void)state;
	expect_bound(layers, 2, (struct bounds){.hidden = bytes},
		     (struct bounds){.hidden = bytes - strlen("/k/d/y") - 1},
		     "what upper layers hide takes more than");
}

/* Cheap to say in a compressed archive: files far below one folder that goes. */
static void a_made_image_meets_the_real_bound(void **state)
{
	SKIP_IF_SLOW();
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();
	struct layer layers[2] = {[1] = LAYER("f .wh.k")};
	char path[CPS_PATH_MAX + 1] = "k";
	struct cps_err err = CPS_ERR_INIT;
	size_t len = 1;

	(void)state;
	assert_non_null(b);
	for (; len + CPS_NAME_MAX + 16 < CPS_PATH_MAX; len += CPS_NAME_MAX + 1) {
		path[len] = '/';
		memset(path + len + 1, 'n', CPS_NAME_MAX);
	}
	for (unsigned int i = 0; i < CPS_HIDDEN_MAX / len; i++) {
		const struct cps_tar_entry e = {.path = path, .link = ""};

		snprintf(path + len, sizeof(path) - len, "/%u", i);
		assert_int_equal(cps_index_add(b, &e, NULL), 0);
	}
	layers[0] = finish_layer(b);
	assert_int_equal(merge_within(layers, 2, &(struct bounds){0}, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "layer 2: what upper layers hide"));
	layer_release(&layers[0]);
	layer_release(&layers[1]);
}

static void links_to_lower_layers_may_take_so_long(void **state)
{
	struct layer layers[] = {LAYER("d a", "d a/b", "f a/b/c"), LAYER("f a/b/d"),
				 LAYER("h x a/b/c", "h y a/b/d")};

	(void)state;
	/* Each looks for three names in three layers, of which one ends at the root,
	 * and goes through the roots of two. */
	expect_bound(layers, 3, (struct bounds){.lookups = 100},
		     (struct bounds){.lookups = 10}, "take more than 10 lookups");
}

/* As many folders as a path has room for, with a name of its own above them. */
static const char *deep_path(unsigned int n, char path[CPS_PATH_MAX + 1])
{
	int at = snprintf(path, CPS_PATH_MAX, "%u", n);

	while (at + 2 < CPS_PATH_MAX) {
		path[at++] = '/';
		path[at++] = 'x';
	}
	path[at] = '\0';
	return path;
}

static void a_layer_has_so_many_names(void **state)
{
	SKIP_IF_SLOW();
	struct cps_index_builder *b = cps_index_builder_new();
	char path[CPS_PATH_MAX + 1];
	struct cps_err err = CPS_ERR_INIT;
	unsigned int n = 0;
	int rc = 0;

	(void)state;
	assert_non_null(b);
	while (rc == 0 && n < 3000) {
		struct cps_tar_entry e = {.path = deep_path(n++, path), .link = ""};

		rc = cps_index_add(b, &e, &err);
	}
	assert_int_equal(rc, -EFBIG);
	assert_non_null(strstr(err.msg, "names in a layer"));
	/* Each has brought 2046 names. */
	assert_in_range(n, CPS_LAYER_NAMES_MAX / 2046, CPS_LAYER_NAMES_MAX / 2046 + 4);
	cps_index_builder_free(b);
}

static void a_layer_has_so_much_text(void **state)
{
	SKIP_IF_SLOW();
	struct cps_index_builder *b = cps_index_builder_new();
	struct cps_err err = CPS_ERR_INIT;
	uint8_t *value = calloc(1, CPS_TAR_XATTR_MAX);
	struct cps_tar_xattr x = {"user.x", value, CPS_TAR_XATTR_MAX};
	unsigned int n = 0;
	char path[16];
	int rc = 0;

	(void)state;
	assert_non_null(b);
	assert_non_null(value);
	while (rc == 0 && n < 10000) {
		struct cps_tar_entry e = {
			.path = path, .link = "", .xattrs = &x, .xattr_count = 1};

		snprintf(path, sizeof(path), "%u", n);
		memcpy(value, &n, sizeof(n));
		n++;
		rc = cps_index_add(b, &e, &err);
	}
	assert_int_equal(rc, -EFBIG);
	assert_non_null(strstr(err.msg, "names and attributes in a layer"));
	assert_in_range(n, CPS_LAYER_TEXT_MAX / CPS_TAR_XATTR_MAX - 100,
			CPS_LAYER_TEXT_MAX / CPS_TAR_XATTR_MAX + 4);
	cps_index_builder_free(b);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_has_so_many_names),
		cmocka_unit_test(what_is_hidden_may_take_so_much),
		cmocka_unit_test(a_made_image_meets_the_real_bound),
		cmocka_unit_test(links_to_lower_layers_may_take_so_long),
		cmocka_unit_test(a_layer_has_so_many_names),
		cmocka_unit_test(a_layer_has_so_much_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
