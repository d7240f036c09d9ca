#ifndef TEST_TOP_LOWER_H
#define TEST_TOP_LOWER_H

/* A root of one uncompressed layer, made in memory, with one of everything that a top
 * treats differently.
 *
 *   a/f1       10000 bytes, 06755, 1:2, user.color=blue, security.capability
 *   a/f2       the same inode
 *   a/b/c/deep 5 bytes
 *   acl/       02775, 5:6, a default ACL
 *   big        1 MiB
 *   empty      0 bytes
 *   fat        1 byte, three xattrs of 60000
 *   hole       1 MiB, data at [64 KiB, 128 KiB)
 *   link       -> a/f1
 *   many/      n00 to n59, 100 bytes each
 *   none/      empty
 *   null       character device 1:3
 *   pipe       a fifo
 */

#include "../memory_root.h"
#include "store/base/le.h"

#define LOWER_F1_BYTES   10000u
#define LOWER_BIG_BYTES  (1u << 20)
#define LOWER_HOLE_AT    (64u << 10)
#define LOWER_HOLE_BYTES (64u << 10)
#define LOWER_MANY       60u
#define LOWER_MANY_BYTES 100u
#define LOWER_FAT_BYTES  60000u
#define LOWER_MTIME_S    1000000000

/* The layer's content: the byte at an offset of its stream. */
static inline uint8_t lower_byte(uint64_t at)
{
	return (uint8_t)(at * 7 + at / 251 + 1);
}

/* Where contents start in the stream. */
enum {
	LOWER_F1_AT = 0,
	LOWER_BIG_AT = 16384,
	LOWER_HOLE_DATA_AT = LOWER_BIG_AT + LOWER_BIG_BYTES,
	LOWER_MANY_AT = LOWER_HOLE_DATA_AT + LOWER_HOLE_BYTES,
	LOWER_DEEP_AT = LOWER_MANY_AT + LOWER_MANY * LOWER_MANY_BYTES,
};

#define LOWER_FILE(name, at, bytes)                                                    \
	.path = (name), .link = "", .type = CPS_TAR_REG, .data_off = (at),             \
	.size = (bytes), .stored_size = (bytes), .mtime_s = LOWER_MTIME_S

static inline void lower_add_files(struct cps_index_builder *b)
{
	static const uint8_t caps[20] = {0, 0, 0, 2, 1};
	static const struct cps_tar_xattr xattrs[] = {
		{"security.capability", caps, sizeof(caps)},
		{"user.color", (const uint8_t *)"blue", 4},
	};
	static const struct cps_extent extent = {LOWER_HOLE_AT, LOWER_HOLE_DATA_AT,
						 LOWER_HOLE_BYTES};
	const struct cps_tar_entry entries[] = {
		{LOWER_FILE("a/f1", LOWER_F1_AT, LOWER_F1_BYTES), .mode = 06755,
		 .uid = 1, .gid = 2, .xattrs = xattrs, .xattr_count = 2},
		{.path = "a/f2", .link = "a/f1", .type = CPS_TAR_HARDLINK},
		{LOWER_FILE("a/b/c/deep", LOWER_DEEP_AT, 5), .mode = 0600},
		{LOWER_FILE("big", LOWER_BIG_AT, LOWER_BIG_BYTES), .mode = 0644},
		{LOWER_FILE("empty", 0, 0), .mode = 0644},
		{.path = "hole",
		 .link = "",
		 .type = CPS_TAR_REG,
		 .mode = 0640,
		 .size = 1u << 20,
		 .data_off = LOWER_HOLE_DATA_AT,
		 .stored_size = LOWER_HOLE_BYTES,
		 .sparse = true,
		 .extents = &extent,
		 .extent_count = 1},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(entries); i++)
		must_add(b, &entries[i]);
}

static inline void lower_add_others(struct cps_index_builder *b)
{
	static uint8_t much[LOWER_FAT_BYTES];
	/* user::rwx, user:7:rw-, group::r-x, mask::rwx, other::r-- */
	static const uint8_t acl[] = {2,    0, 0, 0,                         //
				      1,    0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
				      2,    0, 6, 0, 7,    0,    0,    0,    //
				      4,    0, 5, 0, 0xff, 0xff, 0xff, 0xff, //
				      0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
				      0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff};
	static const struct cps_tar_xattr acls[] = {
		{"system.posix_acl_default", acl, sizeof(acl)}};
	static const struct cps_tar_xattr fat[] = {
		{"user.1", much, sizeof(much)},
		{"user.2", much, sizeof(much)},
		{"user.3", much, sizeof(much)},
	};
	const struct cps_tar_entry entries[] = {
		{.path = "acl",
		 .link = "",
		 .type = CPS_TAR_DIR,
		 .mode = 02775,
		 .uid = 5,
		 .gid = 6,
		 .xattrs = acls,
		 .xattr_count = 1},
		{LOWER_FILE("fat", 0, 1), .mode = 0644, .xattrs = fat,
		 .xattr_count = 3},
		{.path = "link", .link = "a/f1", .type = CPS_TAR_SYMLINK, .mode = 0777},
		{.path = "none", .link = "", .type = CPS_TAR_DIR, .mode = 0755},
		{.path = "null",
		 .link = "",
		 .type = CPS_TAR_CHR,
		 .mode = 0666,
		 .major = 1,
		 .minor = 3},
		{.path = "pipe", .link = "", .type = CPS_TAR_FIFO, .mode = 0600},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(entries); i++)
		must_add(b, &entries[i]);
	for (unsigned int i = 0; i < LOWER_MANY; i++) {
		char path[16];
		struct cps_tar_entry e = {
			LOWER_FILE(path, LOWER_MANY_AT + i * LOWER_MANY_BYTES,
				   LOWER_MANY_BYTES),
			.mode = 0644};

		snprintf(path, sizeof(path), "many/n%02u", i);
		must_add(b, &e);
	}
}

static inline struct cps_root *lower_root(void)
{
	static uint8_t bytes[2u << 20];
	struct cps_index_builder *b = cps_index_builder_new();

	must(b != NULL, "index");
	lower_add_files(b);
	lower_add_others(b);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = lower_byte(i);
	return memory_root(b, memory_layer(bytes, sizeof(bytes)), sizeof(bytes));
}

#endif
