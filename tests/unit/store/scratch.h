#ifndef TEST_STORE_SCRATCH_H
#define TEST_STORE_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/blob.h"

#define SCRATCH_PREFIX "/var/tmp/capas-unit-"
#define SCRATCH_FDS    16 /* folders that its removal holds open */

/** A folder of its own for each test, and a store in it once it is asked for. */
struct scratch {
	char dir[48];
	char path[64]; /* of the store */
	struct cps_store *store;
	struct cps_err err;
};

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s)
		return -1;
	strcpy(s->dir, SCRATCH_PREFIX "XXXXXX");
	if (!mkdtemp(s->dir)) {
		s->dir[0] = '\0';
		return -1;
	}
	snprintf(s->path, sizeof(s->path), "%s/store", s->dir);
	return 0;
}

static inline int scratch_remove(const char *path, const struct stat *st, int type,
				 struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	int rc;

	if (strncmp(s->dir, SCRATCH_PREFIX, strlen(SCRATCH_PREFIX)) != 0)
		return -1;
	cps_store_close(s->store);
	rc = nftw(s->dir, scratch_remove, SCRATCH_FDS, FTW_DEPTH | FTW_PHYS);
	free(s);
	return rc;
}

static inline struct cps_store *open_store(struct scratch *s)
{
	if (!s->store && cps_store_open(s->path, &s->store, &s->err) < 0)
		fail_msg("%s", s->err.msg);
	return s->store;
}

static inline int scratch_store_setup(void **state)
{
	int rc = scratch_setup(state);

	if (rc == 0)
		open_store(*state);
	return rc;
}

/** Entries of a folder, hidden ones left out. */
static inline unsigned int entries_of(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	unsigned int count = 0;

	assert_non_null(dir);
	for (struct dirent *de; (de = readdir(dir));)
		count += de->d_name[0] != '.';
	closedir(dir);
	return count;
}

static inline unsigned int entries_at(const struct cps_store *store, const char *path)
{
	cps_auto(cps_fd) int fd = openat(cps_store_root_fd(store), path,
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return entries_of(fd);
}

static inline void write_at(int dirfd, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(cps_write_full(fd, text, strlen(text)), 0);
}

static inline void assert_text_at(int dirfd, const char *name, const char *text)
{
	cps_auto(cps_buf) struct cps_buf got = CPS_BUF_INIT(1 << 20);
	cps_auto(cps_fd) int fd = cps_open_regular(dirfd, name);

	assert_true(fd >= 0);
	assert_int_equal(cps_read_all(fd, &got), 0);
	assert_string_equal(cps_buf_cstr(&got), text);
}

#define SCRATCH(test)                                                                  \
	cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
#define SCRATCH_STORE(test)                                                            \
	cmocka_unit_test_setup_teardown(test, scratch_store_setup, scratch_teardown)

#endif
