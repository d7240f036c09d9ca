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
#include <unistd.h>

#include <cmocka.h>

#include "../memory_root.h"

#define PLAIN_BYTES 10000u
#define HOLE_BYTES  (1u << 20)
#define DATA_AT     (64u << 10)
#define DATA_HALF   (32u << 10)
#define MTIME_S     1000000000

static inline uint8_t plain_byte(size_t at)
{
	return (uint8_t)(at * 7 + at / 256);
}

static inline void small_entries(struct cps_index_builder *b)
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

	for (size_t i = 0; i < CPS_ARRAY_LEN(entries); i++)
		must_add(b, &entries[i]);
}

static inline struct cps_root *small_root(void)
{
	static uint8_t bytes[PLAIN_BYTES + 2 * DATA_HALF];
	struct cps_index_builder *b = cps_index_builder_new();

	must(b != NULL, "index");
	small_entries(b);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = plain_byte(i);
	return memory_root(b, memory_layer(bytes, sizeof(bytes)), sizeof(bytes));
}

#endif
