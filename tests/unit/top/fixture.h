#ifndef TEST_TOP_FIXTURE_H
#define TEST_TOP_FIXTURE_H

/* A top in a folder of its own, over the tree of lower.h. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "dump.h"

struct fixture {
	struct cps_root *root;
	struct cps_top *top; /* NULL: closed */
	char path[64];
	int dirfd;
};

static const struct cps_top_who fx_who = {.uid = 1000, .gid = 1001, .umask = 022};
static const struct cps_digest fx_id = {.bytes = {1, 2, 3}};

static inline int fx_open_as(struct fixture *fx, const struct cps_top_opts *opts,
			     struct cps_top **out)
{
	struct cps_err err = CPS_ERR_INIT;
	int rc = cps_top_open(fx->root, fx->dirfd, &fx_id, opts, out, &err);

	if (rc < 0)
		print_message("open: %s\n", err.msg);
	return rc;
}

static inline void fx_open(struct fixture *fx)
{
	assert_int_equal(fx_open_as(fx, &(struct cps_top_opts){0}, &fx->top), 0);
}

static inline void fx_close(struct fixture *fx)
{
	struct cps_err err = CPS_ERR_INIT;

	if (cps_top_close(fx->top, &err) < 0)
		fail_msg("close: %s", err.msg);
	fx->top = NULL;
}

static inline void fx_assert_same(const char *was, const char *is, const char *when)
{
	char *diff = dump_diff(was, is);

	if (strstr(was, "\n!"))
		fail_msg("%s: %s", when, strstr(was, "\n!"));
	if (diff)
		fail_msg("%s: %s", when, diff);
}

/* What replay makes of the log is what was there. */
static inline void fx_reopen(struct fixture *fx)
{
	char *was = dump_top(fx->top, DUMP_ALL), *is;

	fx_close(fx);
	fx_open(fx);
	is = dump_top(fx->top, DUMP_ALL);
	fx_assert_same(was, is, "after replay");
	free(was);
	free(is);
}

static inline uint64_t fx_log_bytes(struct fixture *fx)
{
	struct cps_top_stats stats;

	cps_top_stats(fx->top, &stats);
	return stats.log_bytes;
}

/* Write and remove until closing will write the log anew, and see that it did. */
static inline void fx_reopen_compacted(struct fixture *fx)
{
	static uint8_t junk[32u << 10];
	uint64_t ino, before = fx_log_bytes(fx);
	const uint64_t enough = 3 * before + (2u << 20);
	struct stat st;

	while (fx_log_bytes(fx) < enough) {
		assert_int_equal(cps_top_make_nameless(fx->top, &fx_who, CPS_TOP_ROOT,
						       S_IFREG | 0600, &ino),
				 0);
		cps_top_ref(fx->top, ino);
		assert_int_equal(
			cps_top_write(fx->top, &fx_who, ino, junk, sizeof(junk), 0, 0),
			0);
		cps_top_forget(fx->top, ino, 1);
	}
	before = fx_log_bytes(fx);
	fx_reopen(fx);
	assert_true(fx_log_bytes(fx) < before / 2);
	assert_int_equal(fstatat(fx->dirfd, "log.new", &st, 0), -1);
}

static inline void fx_empty_folder(int dirfd)
{
	DIR *dir = fdopendir(dup(dirfd));
	struct dirent *de;

	assert_non_null(dir);
	rewinddir(dir);
	while ((de = readdir(dir)))
		if (de->d_name[0] != '.')
			unlinkat(dirfd, de->d_name, 0);
	closedir(dir);
}

static inline int fx_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->root = lower_root();
	strcpy(fx->path, "/var/tmp/capas-top.XXXXXX");
	assert_non_null(mkdtemp(fx->path));
	fx->dirfd = open(fx->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fx->dirfd >= 0);
	fx_open(fx);
	*state = fx;
	return 0;
}

static inline int fx_teardown(void **state)
{
	struct fixture *fx = *state;
	int data = openat(fx->dirfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cps_top_close(fx->top, NULL);
	if (data >= 0) {
		fx_empty_folder(data);
		close(data);
	}
	fx_empty_folder(fx->dirfd);
	unlinkat(fx->dirfd, "data", AT_REMOVEDIR);
	close(fx->dirfd);
	rmdir(fx->path);
	cps_root_close(fx->root);
	free(fx);
	return 0;
}

#define IN_A_TOP(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)

/* ---- by path ---- */

static inline int fx_walk(struct cps_top *top, const char *path, uint64_t *ino)
{
	int rc = 0;

	*ino = CPS_TOP_ROOT;
	while (rc == 0 && *path) {
		size_t len = strcspn(path, "/");
		char name[CPS_NAME_MAX + 1];

		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		rc = cps_top_lookup(top, *ino, name, ino);
	}
	return rc;
}

static inline uint64_t fx_find(struct fixture *fx, const char *path)
{
	uint64_t ino = 0;

	if (fx_walk(fx->top, path, &ino) < 0)
		fail_msg("%s is not there", path);
	return ino;
}

static inline bool fx_there(struct fixture *fx, const char *path)
{
	uint64_t ino;

	return fx_walk(fx->top, path, &ino) == 0;
}

/* The folder that a path is in, and the name. */
static inline const char *fx_split(struct fixture *fx, const char *path, uint64_t *dir)
{
	const char *slash = strrchr(path, '/');
	char folder[256];

	if (!slash) {
		*dir = CPS_TOP_ROOT;
		return path;
	}
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	*dir = fx_find(fx, folder);
	return slash + 1;
}

static inline int fx_make(struct fixture *fx, const char *path, mode_t mode)
{
	uint64_t dir, ino;
	const char *name = fx_split(fx, path, &dir);

	return cps_top_make(fx->top, &fx_who, dir, name, mode, makedev(8, 3),
			    S_ISLNK(mode) ? "to/where" : NULL, &ino);
}

static inline uint64_t fx_file(struct fixture *fx, const char *path)
{
	assert_int_equal(fx_make(fx, path, S_IFREG | 0644), 0);
	return fx_find(fx, path);
}

static inline uint64_t fx_folder(struct fixture *fx, const char *path)
{
	assert_int_equal(fx_make(fx, path, S_IFDIR | 0755), 0);
	return fx_find(fx, path);
}

static inline int fx_unlink(struct fixture *fx, const char *path)
{
	uint64_t dir;
	const char *name = fx_split(fx, path, &dir);

	return cps_top_unlink(fx->top, &fx_who, dir, name, false);
}

static inline int fx_rmdir(struct fixture *fx, const char *path)
{
	uint64_t dir;
	const char *name = fx_split(fx, path, &dir);

	return cps_top_unlink(fx->top, &fx_who, dir, name, true);
}

static inline int fx_link(struct fixture *fx, const char *from, const char *to)
{
	uint64_t dir;
	const char *name = fx_split(fx, to, &dir);

	return cps_top_link(fx->top, &fx_who, fx_find(fx, from), dir, name);
}

static inline int fx_rename(struct fixture *fx, const char *from, const char *to,
			    unsigned int flags)
{
	uint64_t dir, to_dir;
	const char *name = fx_split(fx, from, &dir);
	const char *to_name = fx_split(fx, to, &to_dir);

	return cps_top_rename(fx->top, &fx_who, dir, name, to_dir, to_name, flags);
}

static inline struct stat fx_stat(struct fixture *fx, uint64_t ino)
{
	struct stat st = {0};

	assert_int_equal(cps_top_stat(fx->top, ino, &st), 0);
	return st;
}

static inline int fx_write(struct fixture *fx, uint64_t ino, const void *data,
			   size_t len, uint64_t off)
{
	return cps_top_write(fx->top, &fx_who, ino, data, len, off, 0);
}

static inline int fx_truncate(struct fixture *fx, uint64_t ino, uint64_t size)
{
	const struct stat st = {.st_size = (off_t)size};

	return cps_top_setattr(fx->top, &fx_who, ino, CPS_TOP_SIZE, &st);
}

/* ---- pseudo-random numbers ---- */

static inline uint32_t fx_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static inline uint32_t fx_below(uint64_t *seed, uint32_t limit)
{
	return fx_random(seed) % limit;
}

static inline void fx_fill(uint64_t *seed, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)fx_random(seed);
}

#endif
