#ifndef TEST_FS_SMALL_ROOT_H
#define TEST_FS_SMALL_ROOT_H

/* A root of one uncompressed layer, made in memory:
 *
 *   dir/plain  10000 bytes, 04755, 1:2, user.color=blue, a user.capas.layer of its own
 *   hole       1 MiB, data at [64 KiB, 128 KiB) in two extents that touch
 *   link       -> dir/plain
 *   null       character device 1:3
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/fd.h"
#include "store/root.h"

#define PLAIN_BYTES 10000u
#define HOLE_BYTES  (1u << 20)
#define DATA_AT     (64u << 10)
#define DATA_HALF   (32u << 10)
#define MTIME_S     1000000000

static inline uint8_t plain_byte(size_t at)
{
	return (uint8_t)(at * 7 + at / 256);
}

static inline int content_file(void)
{
	static uint8_t bytes[PLAIN_BYTES + 2 * DATA_HALF];
	int fd = memfd_create("layer", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = plain_byte(i);
	assert_true(fd >= 0);
	assert_int_equal(cps_write_full(fd, bytes, sizeof(bytes)), 0);
	return fd;
}

static inline void index_entries(struct cps_buf *out)
{
	static const struct cps_tar_xattr xattrs[] = {
		{"user.capas.layer", (const uint8_t *)"foreign", 7},
		{"user.color", (const uint8_t *)"blue", 4},
	};
	static const struct cps_extent extents[] = {
		{DATA_AT, PLAIN_BYTES, DATA_HALF},
		{DATA_AT + DATA_HALF, PLAIN_BYTES + DATA_HALF, DATA_HALF},
	};
	const struct cps_tar_entry entries[] = {
		{.path = "dir", .link = "", .type = CPS_TAR_DIR, .mode = 0755},
		{.path = "dir/plain",
		 .link = "",
		 .type = CPS_TAR_REG,
		 .mode = 04755,
		 .uid = 1,
		 .gid = 2,
		 .mtime_s = MTIME_S,
		 .size = PLAIN_BYTES,
		 .stored_size = PLAIN_BYTES,
		 .xattrs = xattrs,
		 .xattr_count = 2},
		{.path = "hole",
		 .link = "",
		 .type = CPS_TAR_REG,
		 .mode = 0644,
		 .size = HOLE_BYTES,
		 .data_off = PLAIN_BYTES,
		 .stored_size = 2 * DATA_HALF,
		 .sparse = true,
		 .extents = extents,
		 .extent_count = 2},
		{.path = "link",
		 .link = "dir/plain",
		 .type = CPS_TAR_SYMLINK,
		 .mode = 0777},
		{.path = "null",
		 .link = "",
		 .type = CPS_TAR_CHR,
		 .mode = 0666,
		 .major = 1,
		 .minor = 3},
	};
	struct cps_index_builder *builder = cps_index_builder_new();
	struct cps_digest diff_id = {0};
	struct cps_err err = CPS_ERR_INIT;

	assert_non_null(builder);
	for (size_t i = 0; i < CPS_ARRAY_LEN(entries); i++)
		if (cps_index_add(builder, &entries[i], &err) < 0)
			fail_msg("%s: %s", entries[i].path, err.msg);
	assert_int_equal(cps_index_finish(builder, &diff_id, false, out, &err), 0);
	cps_index_builder_free(builder);
}

static inline void merge_tree(struct cps_root *root)
{
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	struct cps_tree_layer layer = {0};
	struct cps_digest key = {0};
	struct cps_index *open = NULL;

	index_entries(&index);
	assert_int_equal(cps_index_open(index.data, index.len, NULL, &open, NULL), 0);
	layer.index = open;
	assert_int_equal(cps_tree_merge(&layer, 1, &key, &root->mem, NULL), 0);
	cps_index_close(open);
	assert_int_equal(
		cps_tree_open(root->mem.data, root->mem.len, NULL, &root->tree, NULL),
		0);
}

static inline struct cps_root *small_root(void)
{
	struct cps_root *root = calloc(1, sizeof(*root));
	struct cps_blob blob = {content_file(), 0, PLAIN_BYTES + 2 * DATA_HALF};

	assert_non_null(root);
	merge_tree(root);
	root->image = calloc(1, sizeof(*root->image));
	root->image->layers = calloc(1, sizeof(*root->image->layers));
	root->image->layer_count = 1;
	root->image->layers[0].blob.fd = -1;
	root->image->layers[0].created_by = strdup("COPY . /");
	assert_int_equal(cps_cache_new(1u << 20, 0, &root->cache, NULL), 0);
	root->contents = calloc(1, sizeof(struct cps_content *));
	root->content_count = 1;
	assert_int_equal(
		cps_content_open(root->cache, &blob, NULL, &root->contents[0], NULL),
		0);
	return root;
}

#endif
