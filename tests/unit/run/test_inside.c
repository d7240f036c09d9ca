#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"
#include "tools/run/inside.h"

static int root = -1;
static char path[64];

static int make_root(void **state)
{
	(void)state;
	strcpy(path, "/var/tmp/capas-inside.XXXXXX");
	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdir("etc", 0755), 0);
	close(open("etc/file", O_WRONLY | O_CREAT, 0644));
	return 0;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	close(root);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(strncmp(path, "/var/tmp/capas-inside.", 22), 0);
	snprintf(command, sizeof(command), "rm -r %s", path);
	return system(command);
}

static void made(const char *name, bool folder, const char *where)
{
	struct cps_err err = CPS_ERR_INIT;
	cps_auto(cps_fd) int fd = cps_inside_make(root, name, folder, &err);
	struct stat st, want;

	if (fd < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(lstat(where, &want), 0);
	assert_int_equal(st.st_ino, want.st_ino);
	assert_int_equal(S_ISDIR(st.st_mode), folder);
}

static void refused(const char *name, bool folder, int rc)
{
	struct cps_err err = CPS_ERR_INIT;

	assert_int_equal(cps_inside_make(root, name, folder, &err), rc);
}

static void what_is_there_is_found(void **state)
{
	(void)state;
	made("/etc/file", false, "etc/file");
	made("etc//./file", false, "etc/file");
	made("/", true, ".");
	made("", true, ".");
	made("/etc/", true, "etc");
}

static void what_is_missing_is_made(void **state)
{
	struct stat st;

	(void)state;
	made("/a/b/c", true, "a/b/c");
	made("/a/b/d/file", false, "a/b/d/file");
	assert_int_equal(stat("a/b/d/file", &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void nothing_leads_out(void **state)
{
	(void)state;
	made("../../../x", true, "x");
	made("/etc/../../../y/../z", true, "z");
	assert_int_equal(symlink("/", "top"), 0);
	made("top/top/top/etc", true, "etc");
	assert_int_equal(symlink("../../../../../../etc", "etc/up"), 0);
	made("/etc/up/file", false, "etc/file");
	assert_int_equal(symlink(path, "abs"), 0);
	/* The same path again, but below the root. */
	made("/abs", true, path + 1);
}

static void links_to_nothing_are_followed(void **state)
{
	(void)state;
	assert_int_equal(symlink("../run/deep/target", "etc/link"), 0);
	made("/etc/link", false, "run/deep/target");
	assert_int_equal(symlink("/later", "folder"), 0);
	made("/folder/in", true, "later/in");
	assert_int_equal(symlink("two", "one"), 0);
	assert_int_equal(symlink("three/four", "two"), 0);
	made("one/five", false, "three/four/five");
}

static void loops_and_kinds_are_refused(void **state)
{
	char name[PATH_MAX + 8];

	(void)state;
	assert_int_equal(symlink("loop", "loop"), 0);
	refused("/loop", false, -ELOOP);
	refused("/loop/x", true, -ELOOP);
	refused("/etc/file", true, -ENOTDIR);
	refused("/etc/file/x", true, -ENOTDIR);
	refused("/etc", false, -EISDIR);
	memset(name, 'x', sizeof(name));
	name[300] = '\0';
	refused(name, true, -ENAMETOOLONG);
	name[300] = 'x';
	name[sizeof(name) - 1] = '\0';
	refused(name, true, -ENAMETOOLONG);
}

static void magic_links_lead_nowhere(void **state)
{
	cps_auto(cps_fd) int real = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cps_err err = CPS_ERR_INIT;

	(void)state;
	assert_int_equal(cps_inside_make(real, "/proc/self/root/x", true, &err),
			 -ELOOP);
	assert_int_equal(cps_inside_make(real, "/proc/self/fd/3", true, &err), -ELOOP);
	assert_int_equal(cps_inside_open(real, "/proc/self/cwd", O_PATH), -ELOOP);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		T(what_is_there_is_found),      T(what_is_missing_is_made),
		T(nothing_leads_out),           T(links_to_nothing_are_followed),
		T(loops_and_kinds_are_refused), T(magic_links_lead_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
