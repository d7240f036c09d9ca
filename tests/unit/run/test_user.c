#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"
#include "tools/run/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "ana:x:1000:1001:Ana:/home/ana:/bin/sh\n"
			     "ana:x:7:7::/second:/bin/sh\n"
			     "\n"
			     "# comment:x:5:5::/:\n"
			     "1234:x:55:55::/digits:/bin/sh\n"
			     "homeless:x:60:60\n"
			     "short:x:61\n"
			     "bad:x:1x:0::/:\n"
			     "huge:x:2147483648:0::/:\n"
			     "last:x:70:70::/last:/bin/sh";
static const char group[] = "root:x:0:\n"
			    "wheel:x:10:root,ana\n"
			    "users:x:100:anan,bob,an\n"
			    "audio:x:29:bob,ana\n"
			    "bad:x:z:ana\n"
			    "nolist:x:30\n"
			    "last:x:31:ana";

struct root {
	char path[64];
	int fd;
};

static void put(const struct root *root, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd =
		openat(root->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_not_equal(fd, -1);
	assert_int_equal(cps_write_full(fd, text, strlen(text)), 0);
}

static int make_root(void **state)
{
	struct root *root = calloc(1, sizeof(*root));

	strcpy(root->path, "/var/tmp/capas-user.XXXXXX");
	assert_non_null(mkdtemp(root->path));
	root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root->fd, "etc", 0755), 0);
	put(root, "etc/passwd", passwd);
	put(root, "etc/group", group);
	*state = root;
	return 0;
}

static int remove_root(void **state)
{
	struct root *root = *state;

	unlinkat(root->fd, "etc/passwd", 0);
	unlinkat(root->fd, "etc/group", 0);
	unlinkat(root->fd, "etc", AT_REMOVEDIR);
	close(root->fd);
	rmdir(root->path);
	free(root);
	return 0;
}

/* "uid:gid:home:groups" or the error's words. */
static void found(void **state, const char *spec, const char *want)
{
	struct root *root = *state;
	struct cps_err err = CPS_ERR_INIT;
	struct cps_user user;
	char text[512];
	int len;

	if (cps_user_lookup(root->fd, spec, &user, &err) < 0) {
		assert_string_equal(err.msg, want);
		assert_null(user.home);
		return;
	}
	len = snprintf(text, sizeof(text), "%u:%u:%s:", user.uid, user.gid, user.home);
	for (size_t i = 0; i < user.group_count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%u",
				i ? "," : "", user.groups[i]);
	cps_user_release(&user);
	assert_string_equal(text, want);
}

static void nobody_named_is_root(void **state)
{
	found(state, "", "0:0:/root:0,10");
	found(state, NULL, "0:0:/root:0,10");
}

static void a_name_has_its_groups(void **state)
{
	found(state, "ana", "1000:1001:/home/ana:1001,10,29,31");
	found(state, "last", "70:70:/last:70");
}

static void a_number_is_looked_up_as_one(void **state)
{
	found(state, "1000", "1000:1001:/home/ana:1001,10,29,31");
	found(state, "01000", "1000:1001:/home/ana:1001,10,29,31");
	/* Also where somebody is called so. */
	found(state, "1234", "1234:0:/:0");
	found(state, "55", "55:55:/digits:55");
}

static void a_group_that_is_named_is_the_only_one(void **state)
{
	found(state, "ana:audio", "1000:29:/home/ana:29");
	found(state, "ana:5", "1000:5:/home/ana:5");
	found(state, "12:34", "12:34:/:34");
	found(state, ":audio", "0:29:/root:29");
	found(state, "ana:", "1000:1001:/home/ana:1001,10,29,31");
}

static void unknown_names_are_errors_as_dockers(void **state)
{
	found(state, "eva",
	      "unable to find user eva: no matching entries in passwd file");
	found(state, "ana:eva",
	      "unable to find group eva: no matching entries in group file");
	found(state, "-1",
	      "unable to find user -1: no matching entries in passwd file");
	found(state, "1 ",
	      "unable to find user 1 : no matching entries in passwd file");
	found(state, "2147483648",
	      "user 2147483648: uids and gids must be in range 0-2147483647");
	found(state, "0:99999999999999999999",
	      "group 99999999999999999999: uids and gids must be in range "
	      "0-2147483647");
}

static void entries_that_are_none_are_passed_over(void **state)
{
	found(state, "homeless", "60:60:/:60");
	found(state, "short",
	      "unable to find user short: no matching entries in passwd file");
	found(state, "bad",
	      "unable to find user bad: no matching entries in passwd file");
	found(state, "huge",
	      "unable to find user huge: no matching entries in passwd file");
	found(state, "ana:bad",
	      "unable to find group bad: no matching entries in group file");
	found(state, "ana:nolist", "1000:30:/home/ana:30");
}

static void missing_files_have_no_entries(void **state)
{
	struct root *root = *state;

	unlinkat(root->fd, "etc/passwd", 0);
	unlinkat(root->fd, "etc/group", 0);
	found(state, "", "0:0:/:0");
	found(state, "5", "5:0:/:0");
	found(state, "5:6", "5:6:/:6");
	found(state, "ana",
	      "unable to find user ana: no matching entries in passwd file");
}

static void only_a_small_file_of_the_root_is_read(void **state)
{
	struct root *root = *state;
	char want[256];

	unlinkat(root->fd, "etc/passwd", 0);
	assert_int_equal(mkfifoat(root->fd, "etc/passwd", 0644), 0);
	found(state, "ana", "'/etc/passwd' of the root is no file");
	unlinkat(root->fd, "etc/passwd", 0);
	put(root, "etc/passwd", "");
	snprintf(want, sizeof(want), "%s/etc/passwd", root->path);
	assert_int_equal(truncate(want, CPS_USER_FILE_MAX + 1), 0);
	found(state, "ana", "read '/etc/passwd' of the root: File too large");
	/* The machine's own is another. */
	unlinkat(root->fd, "etc/passwd", 0);
	assert_int_equal(
		symlinkat("/proc/self/root/etc/passwd", root->fd, "etc/passwd"), 0);
	found(state, "root",
	      "unable to find user root: no matching entries in passwd file");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		T(nobody_named_is_root),
		T(a_name_has_its_groups),
		T(a_number_is_looked_up_as_one),
		T(a_group_that_is_named_is_the_only_one),
		T(unknown_names_are_errors_as_dockers),
		T(entries_that_are_none_are_passed_over),
		T(missing_files_have_no_entries),
		T(only_a_small_file_of_the_root_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
