/* A container's documents, its lock, its output, and the words of run. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/fd.h"
#include "store/names.h"
#include "store/tops.h"
#include "tools/run/life.h"
#include "tools/run/output.h"
#include "tools/run/spec.h"

static int folder(void **state)
{
	static int fd;
	char path[] = "/tmp/capas-run.XXXXXX";

	fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	*state = &fd;
	return fd < 0;
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"container.json", "state.json",
					    "lock",           "output",
					    "execs",          "state.json.new"};
	char link[32], path[64] = "";
	int fd = *(int *)*state;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(fd, files[i], 0);
	close(fd);
	return rmdir(path);
}

static void put_file(int dirfd, const char *name, const char *text)
{
	cps_auto(cps_fd) int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(cps_write_full(fd, text, strlen(text)), 0);
}

static void a_config_is_read_as_it_was_written(void **state)
{
	cps_auto(cps_container_config) struct cps_container_config c = {0}, back = {0};
	int dirfd = *(int *)*state;

	c.image = strdup("debian");
	c.hostname = strdup("box");
	c.user = strdup("1:2");
	c.working_dir = strdup("");
	c.stop_signal = strdup("TERM");
	c.network = strdup("none");
	c.runtime = strdup("");
	assert_int_equal(cps_strings_add(&c.env, "A=b=c"), 0);
	assert_int_equal(cps_strings_add(&c.cmd, "sh"), 0);
	assert_int_equal(cps_strings_add(&c.cmd, ""), 0);
	assert_int_equal(cps_strings_add(&c.labels, "x=y"), 0);
	assert_int_equal(cps_strings_add(&c.volumes, "/v"), 0);
	assert_int_equal(cps_strings_add(&c.binds, "/a:/b:ro"), 0);
	c.tty = c.read_only = true;
	c.memory_bytes = 1ull << 40;
	assert_int_equal(cps_container_config_write(dirfd, &c, NULL), 0);
	assert_int_equal(cps_container_config_read(dirfd, &back, NULL), 0);
	assert_string_equal(back.user, "1:2");
	assert_string_equal(back.network, "none");
	assert_string_equal(back.env.v[0], "A=b=c");
	assert_int_equal(back.cmd.count, 2);
	assert_string_equal(back.cmd.v[1], "");
	assert_int_equal(back.entrypoint.count, 0);
	assert_string_equal(back.labels.v[0], "x=y");
	assert_string_equal(back.volumes.v[0], "/v");
	assert_string_equal(back.binds.v[0], "/a:/b:ro");
	assert_true(back.tty && back.read_only && !back.open_stdin);
	assert_true(back.memory_bytes == c.memory_bytes);
}

static void damaged_documents_are_refused(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "{\"Config\":{\"Env\":7}}",
					  "{\"Config\":{\"Cmd\":[1]}}",
					  "{\"Config\":{\"Labels\":[]}}"};
	int dirfd = *(int *)*state;
	struct cps_container_config c;
	struct cps_container_state s;

	assert_int_equal(cps_container_config_read(dirfd, &c, NULL), -ENOENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_file(dirfd, CPS_CONTAINER_FILE, bad[i]);
		assert_int_equal(cps_container_config_read(dirfd, &c, NULL), -EBADMSG);
		cps_container_config_release(&c);
	}
	put_file(dirfd, CPS_STATE_FILE, "{\"Status\":\"flying\"}");
	assert_int_equal(cps_container_state_read(dirfd, &s, NULL), -EBADMSG);
	cps_container_state_release(&s);
}

/* Its lock decides what a state is worth. */
static void running_is_believed_only_while_locked(void **state)
{
	struct cps_container_state s = {.status = CPS_CONTAINER_RUNNING, .pid = 1};
	int dirfd = *(int *)*state, lock, status;
	bool alive;
	pid_t child;

	assert_int_equal(cps_life_read(dirfd, &s, &alive, NULL), 0);
	assert_int_equal(s.status, CPS_CONTAINER_CREATED);
	assert_false(alive);
	cps_container_state_release(&s);
	lock = cps_life_lock(dirfd, NULL);
	assert_true(lock >= 0);
	assert_int_equal(cps_life_lock(dirfd, NULL), -EBUSY);
	s = (struct cps_container_state){.status = CPS_CONTAINER_RUNNING, .pid = 1};
	assert_int_equal(cps_container_state_write(dirfd, &s, true, NULL), 0);
	assert_int_equal(cps_life_read(dirfd, &s, &alive, NULL), 0);
	assert_true(alive && s.status == CPS_CONTAINER_RUNNING);
	cps_container_state_release(&s);
	/* It goes with the last process that has it. */
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	close(lock);
	assert_int_equal(cps_life_lock(dirfd, NULL), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_int_equal(cps_life_read(dirfd, &s, &alive, NULL), 0);
	assert_false(alive);
	assert_int_equal(s.status, CPS_CONTAINER_EXITED);
	assert_int_equal(s.exit_code, 137);
	assert_true(s.finished[0]);
	cps_container_state_release(&s);
	lock = cps_life_lock(dirfd, NULL);
	assert_true(lock >= 0);
	cps_life_unlock(lock);
	close(lock);
}

/* A monitor that is deaf can be ended, and nobody who has its number after it. */
static void who_holds_the_lock_is_known(void **state)
{
	int dirfd = *(int *)*state, lock, fd, status, ready[2];
	pid_t child;
	char byte;

	lock = cps_life_lock(dirfd, NULL);
	assert_true(lock >= 0);
	assert_int_equal(cps_life_monitor(dirfd), -ESRCH);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		cps_life_sign(lock);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	fd = cps_life_monitor(dirfd);
	assert_true(fd >= 0);
	assert_int_equal(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0), 0);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(cps_life_monitor(dirfd), -ESRCH);
	/* The number of somebody who began at another time. */
	assert_int_equal(dprintf(lock, "%10d %20d\n", (int)getpid(), 7), 32);
	assert_int_equal(cps_life_monitor(dirfd), -ESRCH);
	cps_life_sign(lock);
	fd = cps_life_monitor(dirfd);
	assert_true(fd >= 0);
	close(fd);
	close(lock);
}

static void output_survives_half_a_record(void **state)
{
	struct cps_output_reader *r = calloc(1, sizeof(*r));
	int dirfd = *(int *)*state, fd = cps_output_open(dirfd, NULL);
	struct cps_output_record rec;
	struct stat st;

	assert_int_equal(cps_output_append(fd, 1, "one\n", 4), 0);
	assert_int_equal(cps_output_append(fd, 2, "two", 3), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(write(fd, "\x40\0\0\0\1\0\0", 7), 7);
	close(fd);
	fd = cps_output_open(dirfd, NULL); /* drops it */
	assert_int_equal(cps_output_append(fd, 1, "three", 5), 0);
	r->fd = fd;
	assert_int_equal(cps_output_next(r, &rec), 1);
	assert_true(rec.stream == 1 && rec.len == 4 && !memcmp(rec.data, "one\n", 4));
	assert_int_equal(cps_output_next(r, &rec), 1);
	assert_true(rec.stream == 2 && rec.len == 3);
	assert_int_equal(cps_output_next(r, &rec), 1);
	assert_true(rec.len == 5 && !memcmp(rec.data, "three", 5));
	assert_int_equal(cps_output_next(r, &rec), 0);
	close(fd);
	free(r);
}

static void volumes(void **state)
{
	static const char *const bad[] = {"/x",     "/x:y",  ":/y",
					  "a/b:/y", "/x:/",  "/x:/y:rx",
					  "-a:/y",  "/x:/.", "/x:/../"};
	struct cps_bind bind;

	(void)state;
	assert_int_equal(cps_bind_parse("/a:/b:ro,z", &bind, NULL), 0);
	assert_string_equal(bind.source, "/a");
	assert_string_equal(bind.target, "/b");
	assert_true(bind.read_only && !bind.named);
	cps_bind_release(&bind);
	assert_int_equal(cps_bind_parse("data:/b", &bind, NULL), 0);
	assert_true(bind.named && !bind.read_only);
	cps_bind_release(&bind);
	assert_int_equal(cps_bind_parse("./x:/b", &bind, NULL), 0);
	assert_true(bind.source[0] == '/' && strcmp(bind.target, "/b") == 0);
	cps_bind_release(&bind);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cps_bind_parse(bad[i], &bind, NULL), -EINVAL);
		cps_bind_release(&bind);
	}
}

static void signals(void **state)
{
	(void)state;
	assert_int_equal(cps_signal_parse("TERM", NULL), SIGTERM);
	assert_int_equal(cps_signal_parse("sigkill", NULL), SIGKILL);
	assert_int_equal(cps_signal_parse("9", NULL), 9);
	assert_int_equal(cps_signal_parse("SIGRTMIN+3", NULL), SIGRTMIN + 3);
	assert_int_equal(cps_signal_parse("0", NULL), -EINVAL);
	assert_int_equal(cps_signal_parse("9x", NULL), -EINVAL);
	assert_int_equal(cps_signal_parse("SIG", NULL), -EINVAL);
	assert_int_equal(cps_signal_parse("NOPE", NULL), -EINVAL);
}

static void names(void **state)
{
	char name[CPS_TOP_NAME_MAX + 2], longest[CPS_TOP_NAME_MAX + 2];

	(void)state;
	for (unsigned int i = 0; i < 60000; i += 7) {
		const unsigned char random[4] = {i & 255, i >> 8, (i * 3) & 255,
						 (i * 5) >> 8 & 255};

		cps_random_name(random, name, sizeof(name));
		assert_true(cps_container_name_ok(name));
		assert_non_null(strchr(name, '_'));
	}
	memset(longest, 'a', sizeof(longest));
	longest[CPS_TOP_NAME_MAX] = '\0';
	assert_true(cps_container_name_ok(longest));
	longest[CPS_TOP_NAME_MAX] = 'a';
	longest[CPS_TOP_NAME_MAX + 1] = '\0';
	assert_false(cps_container_name_ok(longest));
	assert_false(cps_container_name_ok("a"));
	assert_false(cps_container_name_ok("-ab"));
	assert_false(cps_container_name_ok("a/b"));
	assert_false(cps_container_name_ok(""));
}

static void counting(void **state)
{
	int dirfd = *(int *)*state;

	for (int i = 1; i < 13; i++)
		assert_int_equal(cps_life_count(dirfd, "execs"), i);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_config_is_read_as_it_was_written),
		IN_FOLDER(damaged_documents_are_refused),
		IN_FOLDER(running_is_believed_only_while_locked),
		IN_FOLDER(who_holds_the_lock_is_known),
		IN_FOLDER(output_survives_half_a_record),
		IN_FOLDER(counting),
		cmocka_unit_test(volumes),
		cmocka_unit_test(signals),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
