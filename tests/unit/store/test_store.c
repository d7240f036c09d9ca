/* The store's folders and locks. */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "scratch.h"

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void a_new_store_is_a_private_oci_layout(void **state)
{
	struct scratch *s = *state;
	int root = cps_store_root_fd(open_store(s));

	assert_int_equal(mode_of(s->path), 0700);
	assert_text_at(root, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	assert_text_at(root, "index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
	assert_int_equal(faccessat(root, "blobs/sha256", F_OK, 0), 0);
	assert_string_equal(cps_store_path(s->store), s->path);
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void a_store_is_private_however_its_path_is_written(void **state)
{
	struct scratch *s = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/a//b///", s->dir);
	assert_int_equal(cps_store_open(path, &s->store, &s->err), 0);
	assert_int_equal(mode_of(path), 0700);
}

static void an_open_store_opens_again(void **state)
{
	struct scratch *s = *state;
	struct cps_store *again = NULL;
	struct cps_digest digest;

	assert_int_equal(cps_blob_put(open_store(s), "x", 1, &digest, &s->err), 0);
	assert_int_equal(cps_store_open(s->path, &again, &s->err), 0);
	assert_true(cps_blob_exists(again, &digest));
	cps_store_close(again);
}

static void derived_folders_come_back(void **state)
{
	struct scratch *s = *state;
	int root = cps_store_root_fd(open_store(s));

	assert_int_equal(unlinkat(root, "tree/sha256", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(root, "tree", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(root, "tmp", AT_REMOVEDIR), 0);
	cps_store_close(CPS_TAKE(s->store));
	root = cps_store_root_fd(open_store(s));
	assert_int_equal(faccessat(root, "tree/sha256", F_OK, 0), 0);
	assert_int_equal(faccessat(root, "tmp", F_OK, 0), 0);
}

static void a_foreign_folder_is_left_alone(void **state)
{
	struct scratch *s = *state;
	struct cps_store *store = NULL;
	cps_auto(cps_fd) int dir = -1;

	assert_int_equal(mkdir(s->path, 0755), 0);
	dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir, "tmp", 0755), 0);
	assert_int_equal(mkdirat(dir, "index", 0755), 0);
	assert_int_equal(cps_store_open(s->path, &store, &s->err), -ENOTEMPTY);
	assert_non_null(strstr(s->err.msg, "neither empty nor an OCI layout"));
	assert_non_null(strstr(s->err.msg, s->path));
	assert_int_equal(entries_of(dir), 2);
}

static void what_a_killed_first_open_left_is_finished(void **state)
{
	struct scratch *s = *state;
	char path[96];

	assert_int_equal(mkdir(s->path, 0700), 0);
	snprintf(path, sizeof(path), "%s/blobs", s->path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/tmp", s->path);
	assert_int_equal(mkdir(path, 0700), 0);
	open_store(s);
	assert_int_equal(faccessat(cps_store_root_fd(s->store), "oci-layout", F_OK, 0),
			 0);
}

static void a_path_that_is_no_folder_is_refused(void **state)
{
	struct scratch *s = *state;
	struct cps_store *store = NULL;

	write_at(AT_FDCWD, s->path, "x");
	assert_int_equal(cps_store_open(s->path, &store, &s->err), -ENOTDIR);
	assert_int_equal(cps_store_open("", &store, &s->err), -EINVAL);
}

/* ---- locks ---- */

static bool lock_is_free(struct scratch *s, const char *name, int how)
{
	cps_auto(cps_fd) int fd =
		openat(cps_store_root_fd(s->store), name, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return flock(fd, how | LOCK_NB) == 0;
}

static void writers_share_and_gc_is_alone(void **state)
{
	struct scratch *s = *state;
	int a = cps_store_lock(s->store, false, &s->err);
	int b = cps_store_lock(s->store, false, &s->err);

	assert_true(a >= 0 && b >= 0);
	assert_false(lock_is_free(s, "store.lock", LOCK_EX));
	assert_true(lock_is_free(s, "store.lock", LOCK_SH));
	close(a);
	assert_false(lock_is_free(s, "store.lock", LOCK_EX));
	close(b);
	a = cps_store_lock(s->store, true, &s->err);
	assert_true(a >= 0);
	assert_false(lock_is_free(s, "store.lock", LOCK_SH));
	close(a);
	assert_true(lock_is_free(s, "store.lock", LOCK_EX));
}

static void the_index_lock_is_another(void **state)
{
	struct scratch *s = *state;
	int a = cps_store_lock(s->store, false, &s->err);
	int b = cps_store_lock_index(s->store, &s->err);

	assert_true(a >= 0 && b >= 0);
	assert_false(lock_is_free(s, "index.lock", LOCK_SH));
	assert_true(lock_is_free(s, "store.lock", LOCK_SH));
	close(a);
	close(b);
}

static void a_lock_goes_with_its_process(void **state)
{
	struct scratch *s = *state;
	int ready[2], status;
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct cps_store *own = NULL;

		if (cps_store_open(s->path, &own, NULL) < 0 ||
		    cps_store_lock(own, true, NULL) < 0)
			_exit(1);
		_exit(write(ready[1], "x", 1) == 1 && pause() ? 2 : 3);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(lock_is_free(s, "store.lock", LOCK_SH));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(lock_is_free(s, "store.lock", LOCK_EX));
	close(ready[0]);
}

/* ---- many at once ---- */

/* Each of them opens, makes what is missing, and puts the same blob. */
static void first_opens_may_race(void **state)
{
	enum { COUNT = 8 };
	struct scratch *s = *state;
	pid_t pids[COUNT];

	for (int i = 0; i < COUNT; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct cps_store *own = NULL;
			struct cps_digest d;
			int rc = cps_store_open(s->path, &own, NULL);

			_exit(rc < 0 || cps_blob_put(own, "same", 4, &d, NULL) < 0);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	open_store(s);
	assert_int_equal(entries_of(cps_store_blobs_fd(s->store)), 1);
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH(a_new_store_is_a_private_oci_layout),
		SCRATCH(a_store_is_private_however_its_path_is_written),
		SCRATCH(an_open_store_opens_again),
		SCRATCH(derived_folders_come_back),
		SCRATCH(a_foreign_folder_is_left_alone),
		SCRATCH(what_a_killed_first_open_left_is_finished),
		SCRATCH(a_path_that_is_no_folder_is_refused),
		SCRATCH_STORE(writers_share_and_gc_is_alone),
		SCRATCH_STORE(the_index_lock_is_another),
		SCRATCH_STORE(a_lock_goes_with_its_process),
		SCRATCH(first_opens_may_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
