/* A top over a tree, as a file system that is mounted nowhere. */
#include "fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fs/mount.h"
#include "fs/top/control.h"
#include "store/base/fd.h"
#include "store/base/unix.h"

static struct cps_mount *mount_detached(struct cps_top *top, struct cps_err *err)
{
	struct cps_mount *mount = NULL;
	struct cps_mount_opts opts;

	cps_mount_defaults(&opts);
	opts.allow_other = opts.default_permissions = opts.suid = true;
	return cps_mount_open(top, &opts, &mount, err) < 0 ||
			       cps_mount_start(mount, err) < 0
		       ? NULL
		       : mount;
}

static void put(int root, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd = openat(root, name, O_CREAT | O_WRONLY, 0644);

	must(fd >= 0, "here");
	must(cps_write_full(fd, text, strlen(text)) == 0, "here");
}

static void get(int root, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd = openat(root, name, O_RDONLY);
	char buf[64] = "";

	must(fd >= 0, "here");
	must(read(fd, buf, sizeof(buf) - 1) == (ssize_t)strlen(text), "here");
	must(strcmp(buf, text) == 0, "here");
}

static bool seen_in_mountinfo(void)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	cps_auto(cps_fd) int fd = open("/proc/self/mountinfo", O_RDONLY);

	must(cps_read_all(fd, &text) == 0, "here");
	return strstr(cps_buf_cstr(&text), "detached-test") != NULL;
}

/* Everything in a child: a user namespace is for ever. */
static void in_child(struct fixture *fx, void (*body)(struct fixture *fx))
{
	int status;
	pid_t child;

	fx_close(fx);
	child = fork();
	if (child == 0) {
		body(fx);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	fx_open(fx);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void use_it(struct fixture *fx)
{
	struct cps_err err = CPS_ERR_INIT;
	struct cps_mount *mount;
	struct cps_control *control;
	uint64_t upto = 0;

	fx_open(fx);
	mount = mount_detached(fx->top, &err);
	if (!mount) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(access("/dev/fuse", R_OK | W_OK) < 0 ? 77 : 1);
	}
	must(!seen_in_mountinfo(), "here");
	put(cps_mount_root(mount), "new", "written");
	get(cps_mount_root(mount), "new", "written");
	must(cps_control_start(fx->top, fx->dirfd, cps_mount_root(mount), ".", &control,
			       &err) == 0,
	     "here");
	must(cps_control_mark(fx->dirfd, "here", &upto, &err) == 0, "here");
	must(upto > 0, "here");
	cps_control_stop(control);
	must(cps_mount_stop(mount, &err) == 0, "here");
	cps_mount_close(mount);
	fx_close(fx);
	/* What was written is there the next time. */
	fx_open(fx);
	mount = mount_detached(fx->top, &err);
	must(mount != NULL, "here");
	get(cps_mount_root(mount), "new", "written");
	cps_mount_close(mount);
	fx_close(fx);
}

static void a_detached_mount_is_used(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(*state, use_it);
}

static void tell(const char *path, const char *text)
{
	cps_auto(cps_fd) int fd = open(path, O_WRONLY);

	must(fd >= 0 && cps_write_full(fd, text, strlen(text)) == 0, path);
}

static void in_a_user_namespace(struct fixture *fx)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", getuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(77);
	tell("/proc/self/setgroups", "deny");
	tell("/proc/self/uid_map", uid);
	tell("/proc/self/gid_map", gid);
	use_it(fx);
}

static void root_of_a_user_namespace_has_one_too(void **state)
{
	in_child(*state, in_a_user_namespace);
}

/* Who was given the root keeps the file system; the last one to let go ends it. */
static void hold_it(struct fixture *fx)
{
	struct cps_err err = CPS_ERR_INIT;
	struct cps_mount *mount;
	pid_t holder;
	int ends[2], file;

	fx_open(fx);
	mount = mount_detached(fx->top, &err);
	if (!mount)
		_exit(77);
	must(pipe(ends) == 0, "here");
	holder = fork();
	if (holder == 0) {
		close(ends[1]);
		/* Until the other side begins to end it. */
		(void)!read(ends[0], &(char){0}, 1);
		usleep(200000);
		file = openat(cps_mount_root(mount), "late", O_CREAT | O_WRONLY, 0600);
		_exit(file < 0 || write(file, "late", 4) != 4);
	}
	close(ends[0]);
	close(ends[1]);
	must(cps_mount_stop(mount, &err) == 0, "here");
	must(waitpid(holder, &file, 0) == holder, "here");
	must(file == 0, "here");
	cps_mount_close(mount);
	fx_close(fx);
}

static void the_last_holder_ends_it(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(*state, hold_it);
}

/* ---- the control socket ---- */

static void *end_when_asked(void *arg)
{
	struct pollfd fd = {.fd = *(int *)arg, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, -1), 1);
	close(fd.fd);
	return NULL;
}

/* A driver that ends has the question in its queue, and is gone. */
static void who_asks_one_that_ends_is_told_that_nobody_is_there(void **state)
{
	struct fixture *fx = *state;
	int fd = cps_unix_listen(fx->dirfd, "control", SOCK_SEQPACKET);
	struct cps_err err = CPS_ERR_INIT;
	pthread_t thread;
	uint64_t upto;

	assert_true(fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, end_when_asked, &fd), 0);
	assert_int_equal(cps_control_mark(fx->dirfd, "here", &upto, &err), -ENOTCONN);
	pthread_join(thread, NULL);
	assert_int_equal(unlinkat(fx->dirfd, "control", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_detached_mount_is_used, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(root_of_a_user_namespace_has_one_too,
						fx_setup, fx_teardown),
		cmocka_unit_test_setup_teardown(the_last_holder_ends_it, fx_setup,
						fx_teardown),
		cmocka_unit_test_setup_teardown(
			who_asks_one_that_ends_is_told_that_nobody_is_there, fx_setup,
			fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
