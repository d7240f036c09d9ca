#ifndef TEST_FS_SEALED_H
#define TEST_FS_SEALED_H

/* A real image, tops over it, what is done to them and what a commit makes of it.
 * No mount. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/seal/seal.h"
#include "same_tree.h"
#include "store/commit.h"
#include "store/digest.h"
#include "store/root.h"
#include "store/transfer.h"

#define MTIME_ANY INT64_MAX

struct fixture {
	char dir[40];
	struct cps_store *store;
	struct cps_root *root; /* of the image under the top */
	struct cps_top *top;
	int topdir, tops;
	struct cps_err err;
};

static const struct cps_top_who me = {.uid = 0, .gid = 0, .umask = 022};

/* ---- an image, a top over it ---- */

static inline void add_entry(struct cps_buf *tar, const char *path,
			     enum cps_tar_type type, const char *link, const char *data)
{
	const struct cps_tar_xattr xattr = {"user.color", (const uint8_t *)"blue", 4};
	struct cps_tar_entry e = {.path = path,
				  .link = link,
				  .type = type,
				  .mode = type == CPS_TAR_DIR ? 0755 : 0644,
				  .mtime_s = 1000000000,
				  .mtime_ns = 5,
				  .major = 1,
				  .minor = 3,
				  .size = strlen(data)};

	if (type == CPS_TAR_REG) {
		e.xattrs = &xattr;
		e.xattr_count = 1;
	}
	assert_int_equal(cps_tar_format_header(&e, tar, NULL), 0);
	assert_int_equal(cps_buf_str(tar, data), 0);
	assert_int_equal(cps_buf_align(tar, 512), 0);
}

static inline void base_tar(struct cps_buf *tar)
{
	add_entry(tar, "dir", CPS_TAR_DIR, "", "");
	add_entry(tar, "dir/a", CPS_TAR_REG, "", "first");
	add_entry(tar, "dir/hard", CPS_TAR_HARDLINK, "dir/a", "");
	add_entry(tar, "dir/sub", CPS_TAR_DIR, "", "");
	add_entry(tar, "dir/sub/deep", CPS_TAR_REG, "", "depth");
	add_entry(tar, "empty", CPS_TAR_DIR, "", "");
	add_entry(tar, "file", CPS_TAR_REG, "", "content");
	add_entry(tar, "link", CPS_TAR_SYMLINK, "dir/a", "");
	add_entry(tar, "null", CPS_TAR_CHR, "", "");
	add_entry(tar, "other", CPS_TAR_DIR, "", "");
	add_entry(tar, "other/hard", CPS_TAR_HARDLINK, "dir/a", "");
	add_entry(tar, "other/x", CPS_TAR_REG, "", "x");
	add_entry(tar, "pipe", CPS_TAR_FIFO, "", "");
	assert_int_equal(cps_buf_zeros(tar, 1024, NULL), 0);
}

static inline struct cps_root *open_root(struct fixture *fx, const char *name)
{
	struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	struct cps_root *root = NULL;

	assert_int_equal(cps_image_open(fx->store, name, &image, &fx->err), 0);
	if (cps_root_open(fx->store, image, &opts, &root, &fx->err) < 0)
		fail_msg("%s: %s", name, fx->err.msg);
	return root;
}

static inline struct cps_digest chain_of(const struct cps_root *root)
{
	struct cps_digest chain = {0};

	for (size_t i = 0; i < root->image->layer_count; i++)
		cps_chain_id(i ? &chain : NULL, &root->image->layers[i].diff_id,
			     &chain);
	return chain;
}

static inline void close_top(struct fixture *fx)
{
	if (fx->top)
		assert_int_equal(cps_top_close(fx->top, &fx->err), 0);
	cps_root_close(fx->root);
	if (fx->topdir >= 0)
		close(fx->topdir);
	fx->top = NULL;
	fx->root = NULL;
	fx->topdir = -1;
}

/* A new top over image `name`. */
static inline void open_top(struct fixture *fx, const char *name)
{
	const struct cps_top_opts opts = {0};
	struct cps_digest chain;
	char path[64];

	close_top(fx);
	fx->root = open_root(fx, name);
	snprintf(path, sizeof(path), "%s/top%d", fx->dir, fx->tops++);
	assert_int_equal(mkdir(path, 0700), 0);
	fx->topdir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fx->topdir >= 0);
	chain = chain_of(fx->root);
	if (cps_top_open(fx->root, fx->topdir, &chain, &opts, &fx->top, &fx->err) < 0)
		fail_msg("top: %s", fx->err.msg);
}

static inline int sealed_setup(void **state)
{
	struct cps_import_opts opts = {0};
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct cps_buf tar = CPS_BUF_INIT(0);
	struct cps_digest id;
	char path[64];
	int fd;

	*state = fx;
	fx->topdir = -1;
	strcpy(fx->dir, "/tmp/capas-seal-XXXXXX");
	if (!mkdtemp(fx->dir))
		return -1;
	snprintf(path, sizeof(path), "%s/store", fx->dir);
	assert_int_equal(cps_store_open(path, &fx->store, &fx->err), 0);
	base_tar(&tar);
	fd = memfd_create("tar", MFD_CLOEXEC);
	assert_int_equal(cps_write_full(fd, tar.data, tar.len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (cps_import(fx->store, fd, "base", &opts, &id, &fx->err) < 0)
		fail_msg("import: %s", fx->err.msg);
	close(fd);
	cps_buf_release(&tar);
	open_top(fx, "base");
	return 0;
}

static inline int sealed_teardown(void **state)
{
	struct fixture *fx = *state;
	char command[80];

	close_top(fx);
	cps_store_close(fx->store);
	snprintf(command, sizeof(command), "rm -rf '%s'", fx->dir);
	free(fx);
	return system(command);
}

/* ---- changes ---- */

static inline uint64_t find(struct cps_top *top, const char *path)
{
	char name[CPS_NAME_MAX + 1];
	uint64_t ino = CPS_TOP_ROOT;
	size_t pos = 0, len;
	const char *at;

	while (cps_path_next(path, strlen(path), &pos, &at, &len)) {
		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		if (cps_top_lookup(top, ino, name, &ino) < 0)
			return 0;
	}
	return ino;
}

static inline uint64_t parent_of(struct cps_top *top, const char *path,
				 const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	return find(top, dir);
}

static inline uint64_t make(struct fixture *fx, const char *path, mode_t mode)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, path, &name), ino = 0;

	assert_int_equal(cps_top_make(fx->top, &me, dir, name, mode,
				      S_ISCHR(mode) ? makedev(7, 9) : 0,
				      S_ISLNK(mode) ? "target" : NULL, &ino),
			 0);
	return ino;
}

static inline void write_to(struct fixture *fx, const char *path, const char *text,
			    uint64_t off)
{
	assert_int_equal(cps_top_write(fx->top, &me, find(fx->top, path), text,
				       strlen(text), off, 0),
			 0);
}

static inline void unlink_path(struct fixture *fx, const char *path, bool folder)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, path, &name);

	assert_int_equal(cps_top_unlink(fx->top, &me, dir, name, folder), 0);
}

static inline void rename_path(struct fixture *fx, const char *from, const char *to,
			       unsigned int flags)
{
	const char *from_name, *to_name;
	uint64_t from_dir = parent_of(fx->top, from, &from_name),
		 to_dir = parent_of(fx->top, to, &to_name);

	assert_int_equal(cps_top_rename(fx->top, &me, from_dir, from_name, to_dir,
					to_name, flags),
			 0);
}

static inline void link_path(struct fixture *fx, const char *from, const char *to)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, to, &name);

	assert_int_equal(cps_top_link(fx->top, &me, find(fx->top, from), dir, name), 0);
}

static inline void chmod_path(struct fixture *fx, const char *path, mode_t mode)
{
	const struct stat st = {.st_mode = mode};

	assert_int_equal(
		cps_top_setattr(fx->top, &me, find(fx->top, path), CPS_TOP_MODE, &st),
		0);
}

/* ---- sealing ---- */

static inline struct cps_digest digest_of(struct fixture *fx, enum cps_seal_what what,
					  int64_t mtime_max_s)
{
	cps_auto(cps_hash_free) struct cps_hash *hash = cps_hash_new();
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	struct cps_digest out;
	uint8_t buf[777]; /* no multiple of anything */
	ssize_t n;

	assert_int_equal(cps_seal_plan(fx->top, what, mtime_max_s, &seal, &fx->err), 0);
	while ((n = cps_seal_read(seal, buf, sizeof(buf), &fx->err)) > 0)
		cps_hash_update(hash, buf, (size_t)n);
	assert_int_equal(n, 0);
	cps_hash_final(hash, &out);
	return out;
}

static inline void commit(struct fixture *fx, const char *name, enum cps_codec codec)
{
	const struct cps_commit_opts opts = {
		.name = name, .created_s = 1000000, .codec = codec};
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	struct cps_digest id;

	if (cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err) < 0 ||
	    cps_commit(fx->store, fx->root->image,
		       cps_seal_is_empty(seal) ? NULL : cps_seal_read, seal, &opts, &id,
		       &fx->err) < 0)
		fail_msg("commit: %s", fx->err.msg);
}

/* Commit, and hold the new image to what was seen. */
static inline void round_trip(struct fixture *fx, const char *name,
			      enum cps_codec codec)
{
	static struct pairs pairs;
	struct cps_root *root;
	struct cps_top *bare = NULL;

	commit(fx, name, codec);
	root = open_root(fx, name);
	assert_int_equal(cps_top_bare(root, &bare, &fx->err), 0);
	pairs.count = 0;
	same_folder(fx->top, CPS_TOP_ROOT, bare, CPS_TOP_ROOT, "", &pairs);
	assert_int_equal(cps_top_close(bare, &fx->err), 0);
	cps_root_close(root);
}

static inline int append_line(void *ctx, char kind, const char *path)
{
	return cps_buf_printf(ctx, "%c %s\n", kind, path);
}

static inline void diff_is(struct fixture *fx, const char *expected)
{
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	cps_auto(cps_buf) struct cps_buf lines = CPS_BUF_INIT(0);

	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_CHANGES, MTIME_ANY, &seal, &fx->err),
		0);
	assert_int_equal(cps_seal_diff(seal, append_line, &lines, &fx->err), 0);
	assert_string_equal(cps_buf_cstr(&lines), expected);
}

/* Names in the layer, one a line, links with their targets. */
static inline void layer_is(struct fixture *fx, const char *expected)
{
	cps_auto(cps_seal_free) struct cps_seal *seal = NULL;
	cps_auto(cps_tar_close) struct cps_tar *tar = NULL;
	cps_auto(cps_buf) struct cps_buf names = CPS_BUF_INIT(0);
	struct cps_tar_entry e;
	int rc;

	assert_int_equal(
		cps_seal_plan(fx->top, CPS_SEAL_LAYER, MTIME_ANY, &seal, &fx->err), 0);
	tar = cps_tar_open(cps_seal_read, NULL, seal);
	while ((rc = cps_tar_next(tar, &e, &fx->err)) == 1) {
		cps_buf_str(&names, e.path);
		if (e.type == CPS_TAR_HARDLINK)
			cps_buf_printf(&names, " = %s", e.link);
		cps_buf_str(&names, "\n");
	}
	assert_int_equal(rc, 0);
	assert_string_equal(cps_buf_cstr(&names), expected);
}

#define SEALED(fn) cmocka_unit_test_setup_teardown(fn, sealed_setup, sealed_teardown)

#endif
