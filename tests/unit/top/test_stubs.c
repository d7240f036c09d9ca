/* What a sandbox made to mount upon is hidden from whoever only looks. */
#include "fixture.h"

#include <errno.h>

static const struct cps_top_who root_who = {.pid = 0};

/* Make it as the sandbox does: marked, and its folder's times as they were. */
static uint64_t make_stub(struct fixture *fx, uint64_t dir, const char *name,
			  mode_t mode)
{
	struct stat before;
	uint64_t ino;

	assert_int_equal(cps_top_stat(fx->top, dir, &before), 0);
	assert_int_equal(
		cps_top_make(fx->top, &root_who, dir, name, mode, 0, NULL, &ino), 0);
	assert_int_equal(cps_top_xattr_set(fx->top, &root_who, ino, CPS_TOP_STUB_XATTR,
					   name, strlen(name), XATTR_CREATE, false),
			 0);
	assert_int_equal(cps_top_setattr(fx->top, &root_who, dir,
					 CPS_TOP_MTIME | CPS_TOP_ATIME, &before),
			 0);
	return ino;
}

static uint64_t file_stub(struct fixture *fx, uint64_t dir, const char *name)
{
	return make_stub(fx, dir, name, S_IFREG | 0644);
}

static uint64_t folder_stub(struct fixture *fx, uint64_t dir, const char *name)
{
	return make_stub(fx, dir, name, S_IFDIR | 0755);
}

static struct cps_top *look(struct fixture *fx)
{
	const struct cps_top_opts opts = {.read_only = true};
	struct cps_top *top;

	assert_int_equal(fx_open_as(fx, &opts, &top), 0);
	return top;
}

static bool is_seen(struct fixture *fx, const char *path)
{
	struct cps_top *top = look(fx);
	uint64_t ino;
	int rc = fx_walk(top, path, &ino);

	assert_true(rc == 0 || rc == -ENOENT);
	cps_top_close(top, NULL);
	return rc == 0;
}

static bool is_modified(struct fixture *fx, const char *path)
{
	struct cps_top *top = look(fx);
	uint64_t ino;
	bool modified;

	assert_int_equal(fx_walk(top, path, &ino), 0);
	modified = cps_top_modified(top, ino);
	cps_top_close(top, NULL);
	return modified;
}

static void nothing_of_them_is_seen(void **state)
{
	struct fixture *fx = *state;
	char *was = dump_top(fx->top, DUMP_ALL), *is;
	uint64_t dir = folder_stub(fx, CPS_TOP_ROOT, "x");
	struct cps_top *top;

	file_stub(fx, fx_find(fx, "a/b"), "file");
	file_stub(fx, folder_stub(fx, dir, "y"), "z");
	folder_stub(fx, dir, "w");
	top = look(fx);
	is = dump_top(top, DUMP_ALL);
	cps_top_close(top, NULL);
	fx_assert_same(was, is, "with stubs");
	assert_false(is_modified(fx, ""));
	assert_false(is_modified(fx, "a/b"));
	free(was);
	free(is);
}

static void the_writer_sees_them(void **state)
{
	struct fixture *fx = *state;

	file_stub(fx, CPS_TOP_ROOT, "file");
	fx_reopen(fx);
	fx_find(fx, "file");
	fx_reopen_compacted(fx);
	fx_find(fx, "file");
	assert_false(is_seen(fx, "file"));
}

static void one_that_was_touched_is_seen(void **state)
{
	struct fixture *fx = *state;
	const struct stat mode = {.st_mode = 0600}, owner = {.st_uid = 1};
	uint64_t ino;

	ino = file_stub(fx, CPS_TOP_ROOT, "written");
	assert_int_equal(cps_top_write(fx->top, &root_who, ino, "x", 1, 0, 0), 0);
	ino = file_stub(fx, CPS_TOP_ROOT, "chmod");
	cps_top_setattr(fx->top, &root_who, ino, CPS_TOP_MODE, &mode);
	ino = folder_stub(fx, CPS_TOP_ROOT, "chown");
	cps_top_setattr(fx->top, &root_who, ino, CPS_TOP_UID, &owner);
	ino = file_stub(fx, CPS_TOP_ROOT, "marked");
	assert_int_equal(
		cps_top_xattr_set(fx->top, &root_who, ino, "user.x", "y", 1, 0, false),
		0);
	file_stub(fx, CPS_TOP_ROOT, "renamed");
	assert_int_equal(cps_top_rename(fx->top, &root_who, CPS_TOP_ROOT, "renamed",
					CPS_TOP_ROOT, "else", 0),
			 0);
	ino = file_stub(fx, CPS_TOP_ROOT, "linked");
	assert_int_equal(cps_top_link(fx->top, &root_who, ino, CPS_TOP_ROOT, "two"), 0);
	ino = folder_stub(fx, CPS_TOP_ROOT, "folder");
	file_stub(fx, ino, "stub");
	assert_int_equal(cps_top_make(fx->top, &root_who, ino, "mine", S_IFREG | 0644,
				      0, NULL, &ino),
			 0);
	assert_true(is_seen(fx, "written"));
	assert_true(is_seen(fx, "chmod"));
	assert_true(is_seen(fx, "chown"));
	assert_true(is_seen(fx, "marked"));
	assert_true(is_seen(fx, "else"));
	assert_true(is_seen(fx, "linked"));
	assert_true(is_seen(fx, "folder/mine"));
	assert_false(is_seen(fx, "folder/stub"));
}

/* A folder's times are the stub's doing only when they were set back. */
static void a_folder_that_changed_is_seen(void **state)
{
	struct fixture *fx = *state;
	uint64_t b = fx_find(fx, "a/b");
	const struct stat mode = {.st_mode = 0711};

	file_stub(fx, b, "file");
	cps_top_setattr(fx->top, &root_who, b, CPS_TOP_MODE, &mode);
	file_stub(fx, fx_find(fx, "none"), "file");
	assert_int_equal(cps_top_xattr_set(fx->top, &root_who, fx_find(fx, "none"),
					   "user.x", "y", 1, 0, false),
			 0);
	assert_true(is_modified(fx, "a/b"));
	assert_true(is_modified(fx, "none"));
	assert_false(is_seen(fx, "a/b/file"));
}

/* What an image calls so is the image's, and a name that was gone stays gone. */
static void what_lies_below_is_left_alone(void **state)
{
	struct fixture *fx = *state;
	uint64_t empty = fx_find(fx, "empty");

	assert_int_equal(cps_top_xattr_set(fx->top, &root_who, empty,
					   CPS_TOP_STUB_XATTR, "empty", 5, 0, false),
			 0);
	assert_int_equal(cps_top_unlink(fx->top, &root_who, CPS_TOP_ROOT, "big", false),
			 0);
	file_stub(fx, CPS_TOP_ROOT, "big");
	assert_true(is_seen(fx, "empty"));
	assert_false(is_seen(fx, "big"));
}

/* So many that the names of their folder are packed while they go. */
static void many_of_them(void **state)
{
	struct fixture *fx = *state;
	uint64_t dir = fx_find(fx, "none");
	struct cps_top_entry e = {0};
	struct cps_top *top;
	size_t count = 0;
	char name[16];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%s%03d", i % 3 ? "stub" : "mine", i);
		if (i % 3)
			file_stub(fx, dir, name);
		else
			assert_int_equal(cps_top_make(fx->top, &root_who, dir, name,
						      S_IFREG | 0644, 0, NULL, &e.ino),
					 0);
	}
	top = look(fx);
	e.next = 0;
	while (cps_top_readdir(top, dir, e.next, &e) == 1)
		if (!e.dot) {
			assert_int_equal(strncmp(e.name, "mine", 4), 0);
			count++;
		}
	assert_int_equal(count, 100);
	cps_top_close(top, NULL);
}

/* ---- folders that do not count ---- */

static void a_reverted_folder_is_as_below(void **state)
{
	struct fixture *fx = *state;
	char *was = dump_top(fx->top, DUMP_CONTENT), *is;
	const struct stat mode = {.st_mode = 0711};
	struct cps_top *top;

	fx_file(fx, "a/new");
	assert_int_equal(fx_unlink(fx, "a/f1"), 0);
	assert_int_equal(fx_unlink(fx, "a/b/c/deep"), 0);
	assert_int_equal(fx_rename(fx, "a/b/c", "a/moved", 0), 0);
	assert_int_equal(fx_rename(fx, "a/f2", "a/b/f1", 0), 0);
	cps_top_setattr(fx->top, &root_who, fx_find(fx, "a/b"), CPS_TOP_MODE, &mode);
	top = look(fx);
	assert_int_equal(cps_top_revert(top, "/x/../a/"), 0);
	is = dump_top(top, DUMP_CONTENT);
	cps_top_close(top, NULL);
	fx_assert_same(was, is, "reverted");
	free(was);
	free(is);
}

/* Where no mount lies upon a volume, things can be moved out of it. */
static void what_left_a_reverted_folder_is_kept(void **state)
{
	static const struct {
		const char *from, *to;
		bool is_link;
	} ways[] = {
		{"a/b/c/deep", "f", false},
		{"a/b/c/deep", "f", true},
		{"a/b", "b", false},
		{"a", "x", false},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(ways); i++) {
		struct fixture *fx = *state;
		char *was, *is;
		struct cps_top *top;

		fx_write(fx, fx_find(fx, "a/b/c/deep"), "mine", 4, 0);
		fx_file(fx, "a/b/new");
		assert_int_equal(ways[i].is_link
					 ? fx_link(fx, ways[i].from, ways[i].to)
					 : fx_rename(fx, ways[i].from, ways[i].to, 0),
				 0);
		was = dump_top(fx->top, DUMP_CONTENT);
		top = look(fx);
		assert_int_equal(cps_top_revert(top, "/a"), 0);
		is = dump_top(top, DUMP_CONTENT);
		cps_top_close(top, NULL);
		fx_assert_same(was, is, "what left");
		free(was);
		free(is);
		fx_teardown(state);
		fx_setup(state);
	}
}

static void what_is_beside_stays(void **state)
{
	struct fixture *fx = *state;
	struct cps_top *top;
	uint64_t ino;

	fx_file(fx, "ab");
	fx_file(fx, "a/new");
	folder_stub(fx, CPS_TOP_ROOT, "volume");
	fx_file(fx, "volume/file");
	fx_folder(fx, "mine");
	fx_file(fx, "mine/file");
	top = look(fx);
	assert_int_equal(fx_walk(top, "volume/file", &ino), 0);
	assert_int_equal(cps_top_revert(top, "/"), 0);
	assert_int_equal(cps_top_revert(top, "/nothing/there"), 0);
	assert_int_equal(cps_top_revert(top, "/volume/not/there"), 0);
	assert_int_equal(fx_walk(top, "a/new", &ino), 0);
	assert_int_equal(cps_top_revert(top, "/a/b"), 0);
	assert_int_equal(cps_top_revert(top, "/volume"), 0);
	/* The program made it itself, before it became a volume. */
	assert_int_equal(cps_top_revert(top, "/mine"), 0);
	assert_int_equal(fx_walk(top, "a/new", &ino), 0);
	assert_int_equal(fx_walk(top, "ab", &ino), 0);
	assert_int_equal(fx_walk(top, "mine/file", &ino), 0);
	assert_int_equal(fx_walk(top, "volume", &ino), -ENOENT);
	cps_top_close(top, NULL);
}

int main(void)
{
#define IN_A_TOP(f) cmocka_unit_test_setup_teardown(f, fx_setup, fx_teardown)
	const struct CMUnitTest tests[] = {
		IN_A_TOP(nothing_of_them_is_seen),
		IN_A_TOP(the_writer_sees_them),
		IN_A_TOP(one_that_was_touched_is_seen),
		IN_A_TOP(a_folder_that_changed_is_seen),
		IN_A_TOP(what_lies_below_is_left_alone),
		IN_A_TOP(many_of_them),
		IN_A_TOP(a_reverted_folder_is_as_below),
		IN_A_TOP(what_left_a_reverted_folder_is_kept),
		IN_A_TOP(what_is_beside_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
