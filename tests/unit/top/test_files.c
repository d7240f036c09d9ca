#include "fixture.h"

#include "fs/top/files.h"

/* A folder with data files. */
struct room {
	char path[64];
	int dirfd;
	struct cps_files files;
};

static void start(struct room *r)
{
	cps_files_init(&r->files, dup(r->dirfd), true);
}

static int setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->path, "/var/tmp/capas-files.XXXXXX");
	assert_non_null(mkdtemp(r->path));
	r->dirfd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;

	cps_files_release(&r->files);
	fx_empty_folder(r->dirfd);
	close(r->dirfd);
	rmdir(r->path);
	free(r);
	return 0;
}

static void put_number(struct room *r, uint32_t number, bool make)
{
	struct cps_file *file;

	assert_int_equal(cps_files_get(&r->files, number, make, &file), 0);
	assert_int_equal(cps_pwrite_full(cps_file_fd(file), &number, sizeof(number), 0),
			 0);
	cps_file_touch(file, false);
	cps_files_put(&r->files, file);
}

static uint32_t number_in(struct room *r, uint32_t number)
{
	struct cps_file *file;
	uint32_t got = 0;

	assert_int_equal(cps_files_get(&r->files, number, false, &file), 0);
	assert_int_equal(cps_pread_full(cps_file_fd(file), &got, sizeof(got), 0),
			 sizeof(got));
	cps_files_put(&r->files, file);
	return got;
}

static int sync_all(struct room *r)
{
	struct cps_files_sync sync;
	int rc = cps_files_sync_begin(&r->files, NULL, 0, &sync);

	if (rc == 0)
		rc = cps_files_sync_do(&sync, r->dirfd);
	cps_files_sync_end(&r->files, &sync, rc);
	return rc;
}

static bool there(struct room *r, uint32_t number)
{
	char name[16];

	snprintf(name, sizeof(name), "%08x", number);
	return faccessat(r->dirfd, name, F_OK, 0) == 0;
}

static void only_so_many_are_open(void **state)
{
	struct room *r = *state;
	const uint32_t many = CPS_FILES_OPEN_MAX * 3;

	for (uint32_t n = 2; n < 2 + many; n++) {
		put_number(r, n, true);
		assert_true(r->files.open_count <= CPS_FILES_OPEN_MAX);
	}
	for (uint32_t n = 2; n < 2 + many; n++)
		assert_int_equal(number_in(r, n), n);
	assert_true(r->files.open_count <= CPS_FILES_OPEN_MAX);
	/* One that is in use stays, whatever else is opened. */
	{
		struct cps_file *file;
		int fd;

		assert_int_equal(cps_files_get(&r->files, 2, false, &file), 0);
		fd = cps_file_fd(file);
		for (uint32_t n = 3; n < 2 + many; n++)
			number_in(r, n);
		assert_int_equal(cps_file_fd(file), fd);
		cps_files_put(&r->files, file);
	}
	assert_int_equal(sync_all(r), 0);
}

static void a_file_is_made_once(void **state)
{
	struct room *r = *state;
	struct cps_file *file;

	put_number(r, 9, true);
	assert_int_equal(cps_files_get(&r->files, 10, false, &file), -ENOENT);
	cps_files_release(&r->files);
	start(r);
	assert_int_equal(cps_files_get(&r->files, 9, true, &file), -EEXIST);
	assert_int_equal(r->files.count, 0);
	assert_int_equal(number_in(r, 9), 9);
}

static void what_is_doomed_goes_with_the_next_sync(void **state)
{
	struct room *r = *state;
	struct cps_files_sync sync;

	put_number(r, 2, true);
	put_number(r, 3, true);
	put_number(r, 4, true);
	assert_int_equal(cps_files_doom(&r->files, 2), 0);
	assert_true(there(r, 2));
	/* What is doomed while a sync runs waits for the one after it. */
	assert_int_equal(cps_files_sync_begin(&r->files, NULL, 0, &sync), 0);
	assert_int_equal(cps_files_doom(&r->files, 3), 0);
	cps_files_sync_end(&r->files, &sync, cps_files_sync_do(&sync, r->dirfd));
	assert_false(there(r, 2));
	assert_true(there(r, 3));
	/* One that failed removes nothing. */
	assert_int_equal(cps_files_sync_begin(&r->files, NULL, 0, &sync), 0);
	cps_files_sync_end(&r->files, &sync, -EIO);
	assert_true(there(r, 3));
	assert_int_equal(sync_all(r), 0);
	assert_false(there(r, 3));
	assert_true(there(r, 4));
	assert_int_equal(r->files.count, 1);
}

static void what_is_in_use_is_removed_later(void **state)
{
	struct room *r = *state;
	struct cps_file *file;

	put_number(r, 2, true);
	assert_int_equal(cps_files_get(&r->files, 2, false, &file), 0);
	assert_int_equal(cps_files_doom(&r->files, 2), 0);
	assert_int_equal(sync_all(r), 0);
	assert_true(there(r, 2));
	cps_files_put(&r->files, file);
	assert_int_equal(sync_all(r), 0);
	assert_false(there(r, 2));
	assert_int_equal(r->files.doomed_count, 0);
}

static void only_what_was_asked_for_is_synced(void **state)
{
	struct room *r = *state;
	const uint32_t asked = 3;
	struct cps_files_sync sync;
	struct cps_file *file;

	for (uint32_t n = 2; n < 6; n++)
		put_number(r, n, true);
	assert_int_equal(cps_files_get(&r->files, 5, false, &file), 0);
	cps_file_touch(file, true);
	cps_files_put(&r->files, file);
	assert_int_equal(cps_files_sync_begin(&r->files, &asked, 1, &sync), 0);
	/* The one that was named, and the one that goes before the log. */
	assert_int_equal(sync.count, 2);
	assert_true(sync.dirfd >= 0);
	cps_files_sync_end(&r->files, &sync, cps_files_sync_do(&sync, r->dirfd));
	assert_int_equal(cps_files_sync_begin(&r->files, NULL, 0, &sync), 0);
	assert_int_equal(sync.count, 2);
	assert_int_equal(sync.dirfd, -1);
	cps_files_sync_end(&r->files, &sync, cps_files_sync_do(&sync, r->dirfd));
	assert_int_equal(cps_files_sync_begin(&r->files, NULL, 0, &sync), 0);
	assert_int_equal(sync.count, 0);
	cps_files_sync_end(&r->files, &sync, cps_files_sync_do(&sync, r->dirfd));
}

static void a_failed_sync_is_said(void **state)
{
	struct room *r = *state;
	struct cps_files_sync sync;

	put_number(r, 2, true);
	assert_int_equal(cps_files_sync_begin(&r->files, NULL, 0, &sync), 0);
	assert_int_equal(cps_files_sync_do(&sync, -1), -EBADF);
	cps_files_sync_end(&r->files, &sync, -EBADF);
}

static bool keep_even(void *ctx, uint32_t number)
{
	return number % 2 == 0;
}

static void a_sweep_removes_what_nobody_wants(void **state)
{
	struct room *r = *state;
	int fd;

	for (uint32_t n = 2; n < 10; n++)
		put_number(r, n, true);
	fd = openat(r->dirfd, "stranger", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(cps_files_sweep(&r->files, 5, keep_even, NULL), 0);
	for (uint32_t n = 2; n < 10; n++)
		assert_int_equal(there(r, n), n < 5 || n % 2 == 0);
	assert_int_equal(faccessat(r->dirfd, "stranger", F_OK, 0), 0);
}

int main(void)
{
#define IN_A_ROOM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_A_ROOM(only_so_many_are_open),
		IN_A_ROOM(a_file_is_made_once),
		IN_A_ROOM(what_is_doomed_goes_with_the_next_sync),
		IN_A_ROOM(what_is_in_use_is_removed_later),
		IN_A_ROOM(only_what_was_asked_for_is_synced),
		IN_A_ROOM(a_failed_sync_is_said),
		IN_A_ROOM(a_sweep_removes_what_nobody_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
