#ifndef TEST_INDEX_LAYERS_H
#define TEST_INDEX_LAYERS_H

/* Layers from a few words, and trees as text.
 *
 * An entry is "TYPE PATH[ LINK]": d a folder of mode 0711, f a file, l a symlink, h a
 * hard link, c a device, p a fifo. The n-th entry of a layer (from 1) has n bytes if it
 * is a file, and starts at n KiB.
 *
 * A tree is one line a name, in name order: "TYPE MODE NLINK LAYER PATH[ -> TARGET]",
 * the layer from 0, "-" for none. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/base/path.h"
#include "store/tree.h"

#define LAYERS_MAX 200
#define DUMP_MAX   (256u << 10) /* bytes of a tree as text */

/** An index and the bytes it lies in. */
struct layer {
	struct cps_buf file;
	struct cps_index *index;
};

static inline void layer_release(struct layer *layer)
{
	cps_index_close(layer->index);
	cps_buf_release(&layer->file);
	layer->index = NULL;
}

static inline enum cps_tar_type type_of(char letter)
{
	static const char letters[] = "fhlcbdp"; /* in the order of the enum */
	const char *at = strchr(letters, letter);

	assert_non_null(at);
	return (enum cps_tar_type)(at - letters);
}

static inline int add_entry(struct cps_index_builder *b, const char *text, size_t rank,
			    struct cps_err *err)
{
	cps_auto(cps_free) char *copy = strdup(text + 2);
	struct cps_tar_entry e = {
		.type = type_of(text[0]), .path = copy, .link = "", .mode = 0644};
	char *space = strchr(copy, ' ');

	if (space) {
		*space = '\0';
		e.link = space + 1;
	}
	if (e.type == CPS_TAR_DIR)
		e.mode = 0711;
	if (e.type == CPS_TAR_REG) {
		e.size = e.stored_size = rank;
		e.data_off = rank * 1024;
	}
	e.header_off = rank * 1024 - 512;
	return cps_index_add(b, &e, err);
}

/** The layer of `entries` (ends with NULL), or the error of making it. */
static inline int try_layer(const char *const *entries, bool lowest, struct layer *out,
			    struct cps_err *err)
{
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();
	struct cps_digest id = {{7}};
	int rc = 0;

	assert_non_null(b);
	*out = (struct layer){0};
	for (size_t i = 0; entries[i] && rc == 0; i++)
		rc = add_entry(b, entries[i], i + 1, err);
	if (rc == 0)
		rc = cps_index_finish(b, &id, lowest, &out->file, err);
	if (rc == 0)
		rc = cps_index_open(out->file.data, out->file.len, &id, &out->index,
				    err);
	if (rc < 0)
		layer_release(out);
	return rc;
}

static inline struct layer make_layer(const char *const *entries)
{
	struct cps_err err = CPS_ERR_INIT;
	struct layer layer;

	if (try_layer(entries, false, &layer, &err) < 0)
		fail_msg("%s", err.msg);
	return layer;
}

/** The layer of what a builder was given. */
static inline struct layer finish_layer(struct cps_index_builder *b)
{
	struct layer layer = {0};

	assert_int_equal(cps_index_finish(b, NULL, true, &layer.file, NULL), 0);
	assert_int_equal(cps_index_open(layer.file.data, layer.file.len, NULL,
					&layer.index, NULL),
			 0);
	return layer;
}

static inline struct layer layer_of(const struct cps_tar_entry *entries, size_t count)
{
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();

	for (size_t i = 0; i < count; i++)
		assert_int_equal(cps_index_add(b, &entries[i], NULL), 0);
	return finish_layer(b);
}

#define ENTRIES(...)                                                                   \
	(const char *const[])                                                          \
	{                                                                              \
		__VA_ARGS__, NULL                                                      \
	}
#define LAYER(...) make_layer(ENTRIES(__VA_ARGS__))

/** Why these entries are no layer. */
static inline void assert_refused(const char *const *entries, const char *why)
{
	struct cps_err err = CPS_ERR_INIT;
	struct layer layer;

	assert_int_equal(try_layer(entries, true, &layer, &err), -EBADMSG);
	if (!strstr(err.msg, why))
		fail_msg("'%s' is not in '%s'", why, err.msg);
}

/** A tree and the bytes it lies in. */
struct view {
	struct cps_buf file;
	struct cps_tree *tree;
};

static inline void view_release(struct view *view)
{
	cps_tree_close(view->tree);
	cps_buf_release(&view->file);
	view->tree = NULL;
}

static inline void view_release_auto(struct view *view)
{
	view_release(view);
}

static inline int try_merge(const struct layer *layers, size_t count, struct view *out,
			    struct cps_err *err)
{
	struct cps_tree_layer list[LAYERS_MAX] = {0};
	int rc;

	*out = (struct view){0};
	assert_true(count <= LAYERS_MAX);
	for (size_t i = 0; i < count; i++)
		list[i].index = layers[i].index;
	rc = cps_tree_merge(list, count, NULL, &out->file, err);
	if (rc == 0)
		rc = cps_tree_open(out->file.data, out->file.len, NULL, &out->tree,
				   err);
	return rc;
}

static inline struct view merge(const struct layer *layers, size_t count)
{
	struct cps_err err = CPS_ERR_INIT;
	struct view view;

	if (try_merge(layers, count, &view, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(cps_tree_verify(view.tree, NULL), 0);
	return view;
}

static inline char letter_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFIFO:
		return 'p';
	default:
		return S_ISREG(mode) ? 'f' : '?';
	}
}

static inline void dump_inode(const struct cps_tree *tree, uint32_t ino,
			      const char *path, struct cps_buf *out)
{
	struct cps_inode in;
	char layer[8] = "-";
	const char *text;
	size_t len;

	assert_int_equal(cps_tree_inode(tree, ino, &in), 0);
	if (in.layer != CPS_LAYER_NONE)
		snprintf(layer, sizeof(layer), "%u", in.layer);
	cps_buf_printf(out, "%c %o %u %s %s", letter_of(in.mode), in.mode & 07777,
		       in.nlink, layer, path);
	if (S_ISLNK(in.mode)) {
		assert_int_equal(cps_tree_inline(tree, ino, &text, &len), 0);
		cps_buf_printf(out, " -> %.*s", (int)len, text);
	}
	assert_int_equal(cps_buf_str(out, "\n"), 0);
}

static inline void dump_folder(const struct cps_tree *tree, uint32_t dir,
			       const char *path, struct cps_buf *out)
{
	struct cps_dirent d;

	for (uint32_t pos = 0; cps_tree_readdir_sorted(tree, dir, pos, &d) == 1;
	     pos++) {
		char below[CPS_PATH_MAX + 1];
		struct cps_inode in;
		uint32_t found;

		snprintf(below, sizeof(below), "%s/%.*s", path, d.name_len, d.name);
		assert_int_equal(cps_tree_lookup(tree, dir, d.name, d.name_len, &found),
				 0);
		assert_int_equal(found, d.ino);
		assert_int_equal(cps_tree_inode(tree, d.ino, &in), 0);
		assert_int_equal(d.type, in.mode >> 12);
		dump_inode(tree, d.ino, below, out);
		if (!S_ISDIR(in.mode))
			continue;
		assert_int_equal(in.parent, dir);
		dump_folder(tree, d.ino, below, out);
	}
}

static inline void assert_dump(const struct cps_tree *tree, const char *expected)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(DUMP_MAX);

	dump_folder(tree, CPS_TREE_ROOT, "", &out);
	assert_string_equal(cps_buf_cstr(&out), expected);
}

/** The merged view of `count` layers, whose ends come with it. */
static inline void assert_merged(struct layer *layers, size_t count,
				 const char *expected)
{
	cps_auto(view_release) struct view view = merge(layers, count);

	assert_dump(view.tree, expected);
	for (size_t i = 0; i < count; i++)
		layer_release(&layers[i]);
}

#define assert_layers(expected, ...)                                                   \
	do {                                                                           \
		struct layer layers_[] = {__VA_ARGS__};                                \
                                                                                       \
		assert_merged(layers_, CPS_ARRAY_LEN(layers_), expected);              \
	} while (0)

static inline uint32_t find_in(const struct cps_tree *tree, const char *path)
{
	uint32_t ino = CPS_TREE_ROOT;
	size_t pos = 0, len;
	const char *name;

	while (cps_path_next(path, strlen(path), &pos, &name, &len))
		if (cps_tree_lookup(tree, ino, name, len, &ino) < 0)
			fail_msg("'%s' is not there", path);
	return ino;
}

static inline struct cps_inode inode_of(const struct cps_tree *tree, const char *path)
{
	struct cps_inode in;

	assert_int_equal(cps_tree_inode(tree, find_in(tree, path), &in), 0);
	return in;
}

#endif
