/* Sealing: what was seen over an image is what the committed image shows. Real tops
 * over real images, without any mount. */
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

static void add_entry(struct cps_buf *tar, const char *path, enum cps_tar_type type,
		      const char *link, const char *data)
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

static void base_tar(struct cps_buf *tar)
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

static struct cps_root *open_root(struct fixture *fx, const char *name)
{
	struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	struct cps_root *root = NULL;

	assert_int_equal(cps_image_open(fx->store, name, &image, &fx->err), 0);
	if (cps_root_open(fx->store, image, &opts, &root, &fx->err) < 0)
		fail_msg("%s: %s", name, fx->err.msg);
	return root;
}

static struct cps_digest chain_of(const struct cps_root *root)
{
	struct cps_digest chain = {0};

	for (size_t i = 0; i < root->image->layer_count; i++)
		cps_chain_id(i ? &chain : NULL, &root->image->layers[i].diff_id,
			     &chain);
	return chain;
}

static void close_top(struct fixture *fx)
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
static void open_top(struct fixture *fx, const char *name)
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

static int setup(void **state)
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

static int teardown(void **state)
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

static uint64_t find(struct cps_top *top, const char *path)
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

static uint64_t parent_of(struct cps_top *top, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	return find(top, dir);
}

static uint64_t make(struct fixture *fx, const char *path, mode_t mode)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, path, &name), ino = 0;

	assert_int_equal(cps_top_make(fx->top, &me, dir, name, mode,
				      S_ISCHR(mode) ? makedev(7, 9) : 0,
				      S_ISLNK(mode) ? "target" : NULL, &ino),
			 0);
	return ino;
}

static void write_to(struct fixture *fx, const char *path, const char *text,
		     uint64_t off)
{
	assert_int_equal(cps_top_write(fx->top, &me, find(fx->top, path), text,
				       strlen(text), off, 0),
			 0);
}

static void unlink_path(struct fixture *fx, const char *path, bool folder)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, path, &name);

	assert_int_equal(cps_top_unlink(fx->top, &me, dir, name, folder), 0);
}

static void rename_path(struct fixture *fx, const char *from, const char *to,
			unsigned int flags)
{
	const char *from_name, *to_name;
	uint64_t from_dir = parent_of(fx->top, from, &from_name),
		 to_dir = parent_of(fx->top, to, &to_name);

	assert_int_equal(cps_top_rename(fx->top, &me, from_dir, from_name, to_dir,
					to_name, flags),
			 0);
}

static void link_path(struct fixture *fx, const char *from, const char *to)
{
	const char *name;
	uint64_t dir = parent_of(fx->top, to, &name);

	assert_int_equal(cps_top_link(fx->top, &me, find(fx->top, from), dir, name), 0);
}

static void chmod_path(struct fixture *fx, const char *path, mode_t mode)
{
	const struct stat st = {.st_mode = mode};

	assert_int_equal(
		cps_top_setattr(fx->top, &me, find(fx->top, path), CPS_TOP_MODE, &st),
		0);
}

/* ---- two trees that must be one ---- */

struct pairs {
	uint64_t items[4096][2]; /* inodes that stand for each other */
	size_t count;
};

static void same_groups(struct pairs *p, uint64_t a, uint64_t b, const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		if ((p->items[i][0] == a) != (p->items[i][1] == b))
			fail_msg("%s: linked to other names", path);
	assert_true(p->count < CPS_ARRAY_LEN(p->items));
	p->items[p->count][0] = a;
	p->items[p->count++][1] = b;
}

static size_t names_of(struct cps_top *top, uint64_t ino, char names[1024])
{
	char all[1024];
	ssize_t n = cps_top_xattr_list(top, ino, all, sizeof(all));
	size_t len = 0;

	assert_true(n >= 0);
	for (char *p = all; p < all + n; p += strlen(p) + 1) {
		if (strcmp(p, CPS_VIEW_LAYER_XATTR) == 0)
			continue;
		strcpy(names + len, p);
		len += strlen(p) + 1;
	}
	return len;
}

static void same_xattrs(struct cps_top *a, uint64_t ia, struct cps_top *b, uint64_t ib,
			const char *path)
{
	char na[1024], nb[1024], va[512], vb[512];
	size_t la = names_of(a, ia, na), lb = names_of(b, ib, nb);

	if (la != lb)
		fail_msg("%s: other xattrs", path);
	for (char *p = na; p < na + la; p += strlen(p) + 1) {
		ssize_t n = cps_top_xattr_get(a, ia, p, va, sizeof(va));

		assert_true(n >= 0);
		if (cps_top_xattr_get(b, ib, p, vb, sizeof(vb)) != n ||
		    memcmp(va, vb, (size_t)n) != 0)
			fail_msg("%s: xattr %s", path, p);
	}
}

static void same_bytes(struct cps_top *a, uint64_t ia, struct cps_top *b, uint64_t ib,
		       uint64_t size, const char *path)
{
	static char ba[65536], bb[65536];

	for (uint64_t off = 0; off < size;) {
		ssize_t n = cps_top_pread(a, ia, ba, sizeof(ba), off, 0);

		assert_true(n > 0);
		if (cps_top_pread(b, ib, bb, sizeof(bb), off, 0) != n ||
		    memcmp(ba, bb, (size_t)n) != 0)
			fail_msg("%s: other bytes at %llu", path,
				 (unsigned long long)off);
		off += (uint64_t)n;
	}
}

static void same_inode(struct cps_top *a, uint64_t ia, struct cps_top *b, uint64_t ib,
		       const char *path)
{
	char ta[256], tb[256];
	struct stat sa, sb;

	assert_int_equal(cps_top_stat(a, ia, &sa), 0);
	assert_int_equal(cps_top_stat(b, ib, &sb), 0);
	if (sa.st_mode != sb.st_mode || sa.st_uid != sb.st_uid ||
	    sa.st_gid != sb.st_gid || sa.st_rdev != sb.st_rdev ||
	    sa.st_size != sb.st_size)
		fail_msg("%s: mode %o %o, size %lld %lld", path, sa.st_mode, sb.st_mode,
			 (long long)sa.st_size, (long long)sb.st_size);
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec ||
	    sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
		fail_msg("%s: other mtime", path);
	if (!S_ISDIR(sa.st_mode) && sa.st_nlink != sb.st_nlink)
		fail_msg("%s: %u links, then %u", path, (unsigned)sa.st_nlink,
			 (unsigned)sb.st_nlink);
	same_xattrs(a, ia, b, ib, path);
	if (S_ISLNK(sa.st_mode)) {
		assert_int_equal(cps_top_readlink(a, ia, ta, sizeof(ta)), 0);
		assert_int_equal(cps_top_readlink(b, ib, tb, sizeof(tb)), 0);
		assert_string_equal(ta, tb);
	}
	if (S_ISREG(sa.st_mode))
		same_bytes(a, ia, b, ib, (uint64_t)sa.st_size, path);
}

/* Sockets are not in layers: they are passed over on the side of `a`. */
static unsigned int same_folder(struct cps_top *a, uint64_t da, struct cps_top *b,
				uint64_t db, const char *path, struct pairs *p)
{
	struct cps_top_entry e = {.next = 0};
	unsigned int count = 0, there = 0;
	char child[2048];
	uint64_t ib;

	same_inode(a, da, b, db, path);
	while (cps_top_readdir(a, da, e.next, &e) == 1) {
		if (e.dot || e.type == DT_SOCK)
			continue;
		count++;
		snprintf(child, sizeof(child), "%s/%s", path, e.name);
		if (cps_top_lookup(b, db, e.name, &ib) < 0)
			fail_msg("%s: lost", child);
		if (e.type == DT_DIR) {
			same_folder(a, e.ino, b, ib, child, p);
			continue;
		}
		same_inode(a, e.ino, b, ib, child);
		same_groups(p, e.ino, ib, child);
	}
	e.next = 0;
	while (cps_top_readdir(b, db, e.next, &e) == 1)
		there += !e.dot;
	if (there != count)
		fail_msg("%s: %u names, then %u", path, count, there);
	return count;
}

/* ---- sealing ---- */

static struct cps_digest digest_of(struct fixture *fx, enum cps_seal_what what,
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

static void commit(struct fixture *fx, const char *name, enum cps_codec codec)
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
static void round_trip(struct fixture *fx, const char *name, enum cps_codec codec)
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

static int append_line(void *ctx, char kind, const char *path)
{
	return cps_buf_printf(ctx, "%c %s\n", kind, path);
}

static void diff_is(struct fixture *fx, const char *expected)
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
static void layer_is(struct fixture *fx, const char *expected)
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

/* ---- the promises ---- */

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

/* ---- at random ---- */

static const char *const words[] = {"a", "b", "dir", "file", "sub", "x", "hard", "zz"};

static uint64_t some_folder(struct cps_top *top, unsigned int depth)
{
	uint64_t ino = CPS_TOP_ROOT, next;
	struct stat st;

	for (unsigned int i = 0; i < depth; i++)
		if (cps_top_lookup(top, ino, words[rand() % 8], &next) == 0 &&
		    cps_top_stat(top, next, &st) == 0 && S_ISDIR(st.st_mode))
			ino = next;
	return ino;
}

static mode_t some_type(void)
{
	static const mode_t types[] = {S_IFREG, S_IFREG, S_IFDIR, S_IFDIR,
				       S_IFLNK, S_IFIFO, S_IFCHR, S_IFSOCK};

	return types[rand() % 8] | (rand() & 07777);
}

static void some_content(struct fixture *fx, uint64_t ino)
{
	static char text[90000];
	size_t len = (size_t)rand() % (rand() % 8 ? 5000 : sizeof(text));
	struct stat st = {.st_size = rand() % 100000};

	memset(text, 'a' + rand() % 26, len);
	if (rand() % 3)
		cps_top_write(fx->top, &me, ino, text, len, (uint64_t)rand() % 100000,
			      0);
	else
		cps_top_setattr(fx->top, &me, ino, CPS_TOP_SIZE, &st);
}

static void some_attribute(struct fixture *fx, uint64_t ino)
{
	const struct stat st = {.st_mode = rand() & 07777,
				.st_uid = rand() % 5000000,
				.st_mtim = {rand(), rand() % 1000000000}};

	if (rand() % 2)
		cps_top_setattr(fx->top, &me, ino,
				CPS_TOP_MODE | CPS_TOP_UID | CPS_TOP_MTIME, &st);
	else if (rand() % 2)
		cps_top_xattr_set(fx->top, &me, ino,
				  rand() % 2 ? "user.one" : "trusted.two", &st,
				  (size_t)rand() % 20, 0, false);
	else
		cps_top_xattr_remove(fx->top, &me, ino, "user.color");
}

static void some_change(struct fixture *fx)
{
	struct cps_top *top = fx->top;
	uint64_t dir = some_folder(top, (unsigned int)rand() % 5), ino = 0,
		 to = some_folder(top, (unsigned int)rand() % 5);
	const char *name = words[rand() % 8], *to_name = words[rand() % 8];
	static const unsigned int flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	mode_t type = some_type();

	cps_top_lookup(top, dir, name, &ino);
	switch (rand() % 8) {
	case 0:
	case 1:
		cps_top_make(top, &me, dir, name, type,
			     S_ISCHR(type) ? makedev(1, 5) : 0,
			     S_ISLNK(type) ? words[rand() % 8] : NULL, &ino);
		break;
	case 2:
		cps_top_unlink(top, &me, dir, name, rand() % 2);
		break;
	case 3:
		cps_top_rename(top, &me, dir, name, to, to_name, flags[rand() % 4]);
		break;
	case 4:
		if (ino)
			cps_top_link(top, &me, ino, to, to_name);
		break;
	case 5:
	case 6:
		if (ino)
			some_content(fx, ino);
		break;
	default:
		if (ino)
			some_attribute(fx, ino);
	}
}

static void whatever_is_done_is_seen_again(void **state)
{
	const char *seed_text = getenv("SEED");
	unsigned int seed = seed_text ? (unsigned int)atoi(seed_text) : 1;
	struct fixture *fx = *state;

	for (unsigned int run = 0; run < 12; run++, seed++) {
		print_message("seed %u\n", seed);
		srand(seed);
		open_top(fx, "base");
		for (int layer = 0; layer < 4; layer++) {
			char name[32];

			for (int i = 0; i < 120; i++)
				some_change(fx);
			snprintf(name, sizeof(name), "run%u.%d", run, layer);
			round_trip(fx, name, CPS_CODEC_NONE);
			open_top(fx, name);
		}
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_changed_is_empty),
		T(new_names_go_in_with_their_folders),
		T(a_change_of_attributes_takes_one_entry),
		T(a_removed_name_is_a_whiteout),
		T(every_name_of_a_changed_inode_goes_in),
		T(a_new_link_brings_the_old_names_along),
		T(a_lost_link_leaves_the_others_below),
		T(a_renamed_folder_goes_in_whole),
		T(exchanged_folders_are_compared_by_name),
		T(a_folder_made_anew_hides_the_old_one),
		T(types_may_change_places),
		T(the_roots_own_attributes_go_in),
		T(sockets_are_left_out_but_hide),
		T(a_name_that_no_layer_holds_is_refused),
		T(own_xattrs_are_left_out),
		T(holes_become_zeros),
		T(a_tree_may_be_as_deep_as_a_path_is_long),
		T(a_path_that_no_layer_holds_is_refused),
		T(layers_may_be_compressed_at_once),
		T(the_same_changes_give_the_same_bytes),
		T(who_reads_alone_keeps_writers_out),
		T(whatever_is_done_is_seen_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
