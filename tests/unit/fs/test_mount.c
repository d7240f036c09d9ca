#include "small_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/daemon.h"
#include "fs/mount.h"
#include "fs/readahead.h"

/* A real mount, served by a child. */
struct mounted {
	char dir[32];
	pid_t child; /* 0: no mount can be made here */
	int at;      /* the mounted root */
};

static _Noreturn void serve(const char *dir, int ready)
{
	struct cps_root *root = small_root();
	struct cps_mount *mount = NULL;
	struct cps_top *top = NULL;
	struct cps_mount_opts opts;
	struct cps_err err = CPS_ERR_INIT;
	int rc = cps_top_bare(root, &top, &err);

	cps_mount_defaults(&opts);
	opts.mountpoint = dir;
	opts.fsname = "a,b\\c";
	if (rc == 0)
		rc = cps_mount_open(top, &opts, &mount, &err);
	if (rc == 0 && write(ready, "", 1) == 1)
		rc = cps_mount_serve(mount, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	cps_mount_close(mount);
	cps_top_close(top, NULL);
	cps_root_close(root);
	_exit(rc < 0);
}

static void end_child(struct mounted *m, int signal)
{
	int status;

	close(m->at);
	kill(m->child, signal);
	assert_int_equal(waitpid(m->child, &status, 0), m->child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	m->child = 0;
}

static int mount_it(void **state)
{
	static struct mounted m;
	int ends[2];
	char byte;

	m = (struct mounted){.dir = "/tmp/capas-fs-XXXXXX", .at = -1};
	*state = &m;
	if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0)
		return 0;
	if (!mkdtemp(m.dir) || pipe(ends) < 0)
		return -1;
	m.child = fork();
	if (m.child == 0)
		serve(m.dir, ends[1]);
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		return -1;
	close(ends[0]);
	m.at = open(m.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m.at < 0 ? -1 : 0;
}

static int unmount_it(void **state)
{
	struct mounted *m = *state;

	if (m->child)
		end_child(m, SIGTERM);
	return rmdir(m->dir) < 0 && errno != ENOENT ? -1 : 0;
}

static struct mounted *get(void **state)
{
	struct mounted *m = *state;

	if (!m->child) {
		print_message("no root or no /dev/fuse\n");
		skip();
	}
	return m;
}

static void content_is_read(void **state)
{
	struct mounted *m = get(state);
	uint8_t bytes[PLAIN_BYTES + 1];
	cps_auto(cps_fd) int fd = openat(m->at, "link", O_RDONLY);
	cps_auto(cps_fd) int hole = openat(m->at, "hole", O_RDONLY);

	assert_int_equal(cps_read_full(fd, bytes, sizeof(bytes)), PLAIN_BYTES);
	for (size_t i = 0; i < PLAIN_BYTES; i++)
		assert_int_equal(bytes[i], plain_byte(i));
	assert_int_equal(lseek(hole, 0, SEEK_DATA), DATA_AT);
	assert_int_equal(lseek(hole, DATA_AT, SEEK_HOLE), DATA_AT + 2 * DATA_HALF);
	assert_int_equal(cps_pread_full(hole, bytes, 2, DATA_AT - 1), 2);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[1], plain_byte(PLAIN_BYTES));
}

static void a_listing_agrees_with_stat(void **state)
{
	struct mounted *m = get(state);
	DIR *dir = opendir(m->dir);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	for (; (entry = readdir(dir)); count++) {
		struct stat st;

		if (strcmp(entry->d_name, "..") == 0)
			continue;
		assert_int_equal(
			fstatat(m->at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_ino, entry->d_ino);
		assert_int_equal(IFTODT(st.st_mode), entry->d_type);
	}
	assert_int_equal(count, 6);
	closedir(dir);
}

static void nothing_can_be_written(void **state)
{
	struct mounted *m = get(state);
	struct stat st;

	assert_int_equal(openat(m->at, "dir/plain", O_WRONLY), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdirat(m->at, "new", 0755), -1);
	assert_int_equal(errno, EROFS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstatat(m->at, "absent", &st, 0), -1);
		assert_int_equal(errno, ENOENT);
	}
	/* The image's devices are no doors. */
	assert_int_equal(openat(m->at, "null", O_RDONLY), -1);
	assert_int_equal(errno, EACCES);
}

static void attributes_and_figures_are_told(void **state)
{
	struct mounted *m = get(state);
	cps_auto(cps_fd) int fd = openat(m->at, "dir/plain", O_RDONLY);
	char value[128] = "";
	struct statvfs st;

	assert_int_equal(fgetxattr(fd, "user.color", value, sizeof(value)), 4);
	assert_int_equal(fgetxattr(fd, "user.none", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
	assert_true(fgetxattr(fd, "user.capas.layer", value, sizeof(value) - 1) > 0);
	assert_non_null(strstr(value, "layer 1"));
	assert_int_equal(flistxattr(fd, value, sizeof(value)), 28);
	assert_int_equal(fstatvfs(m->at, &st), 0);
	assert_int_equal(st.f_namemax, 255);
	assert_true(st.f_flag & ST_RDONLY && st.f_flag & ST_NOSUID);
}

static void a_file_handle_outlives_the_cache(void **state)
{
	struct mounted *m = get(state);
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = {.handle.handle_bytes = MAX_HANDLE_SZ};
	cps_auto(cps_fd) int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
	cps_auto(cps_fd) int fd = -1;
	int mount_id;

	assert_int_equal(name_to_handle_at(m->at, "dir/plain", &h.handle, &mount_id, 0),
			 0);
	if (drop >= 0)
		(void)!write(drop, "2", 1);
	fd = open_by_handle_at(m->at, &h.handle, O_RDONLY);
	assert_true(fd >= 0);
}

static void a_signal_ends_it_cleanly(void **state)
{
	struct mounted *m = get(state);
	struct stat st, parent;

	end_child(m, SIGTERM);
	assert_int_equal(stat(m->dir, &st), 0);
	assert_int_equal(stat("/tmp", &parent), 0);
	assert_true(st.st_dev == parent.st_dev);
}

static void the_parent_hears_the_child(void **state)
{
	struct cps_daemon daemon = CPS_DAEMON_INIT;
	struct cps_err err = CPS_ERR_INIT;
	int rc = cps_daemonize_begin(&daemon, &err);

	(void)state;
	if (rc == 0) {
		cps_err_set(&err, -EPERM, "no luck");
		cps_daemonize_ready(&daemon, -EPERM, &err);
		_exit(1);
	}
	assert_int_equal(rc, -EPERM);
	assert_string_equal(err.msg, "no luck");
	rc = cps_daemonize_begin(&daemon, &err);
	if (rc == 0) {
		cps_daemonize_ready(&daemon, 0, NULL);
		_exit(0);
	}
	assert_int_equal(rc, 1);
	rc = cps_daemonize_begin(&daemon, &err);
	if (rc == 0)
		raise(SIGKILL);
	assert_int_equal(rc, -ECHILD);
	assert_non_null(strstr(err.msg, "Killed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_read),
		cmocka_unit_test(a_listing_agrees_with_stat),
		cmocka_unit_test(nothing_can_be_written),
		cmocka_unit_test(attributes_and_figures_are_told),
		cmocka_unit_test(a_file_handle_outlives_the_cache),
		cmocka_unit_test(a_signal_ends_it_cleanly),
		cmocka_unit_test(the_parent_hears_the_child),
	};

	return cmocka_run_group_tests(tests, mount_it, unmount_it);
}
