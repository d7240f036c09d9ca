#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/mem.h"
#include "tools/run/seccomp.h"

/* What a call answers under the filter: a child loads it and tries. Without the filter
 * its owner, who may do everything, would see another answer. */

#define NOT_LOADED 255

struct call {
	const char *name;
	long number;
	long args[3];
	int error; /* 0: the filter lets it pass, whatever the kernel says */
};

static int try_in_child(const struct call *call)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long rc;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (cps_seccomp_load() < 0)
			_exit(NOT_LOADED);
		rc = syscall(call->number, call->args[0], call->args[1], call->args[2],
			     0, 0, 0);
		_exit(rc < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), NOT_LOADED);
	return WEXITSTATUS(status);
}

static void check(const struct call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error = try_in_child(&calls[i]);

		if (error != calls[i].error)
			fail_msg("%s: %d, not %d", calls[i].name, error,
				 calls[i].error);
	}
}

static void what_the_profile_does_not_name_is_denied(void **state)
{
	static const struct call calls[] = {
		{"unshare", SYS_unshare, {CLONE_NEWUTS}, EPERM},
		{"mount", SYS_mount, {0}, EPERM},
		{"umount2", SYS_umount2, {0}, EPERM},
		{"setns", SYS_setns, {-1}, EPERM},
		{"bpf", SYS_bpf, {0}, EPERM},
		{"keyctl", SYS_keyctl, {0}, EPERM},
		{"userfaultfd", SYS_userfaultfd, {0}, EPERM},
		{"open_by_handle_at", SYS_open_by_handle_at, {-1}, EPERM},
		{"io_uring_setup", SYS_io_uring_setup, {0}, EPERM},
		{"lsm_list_modules", 461, {0}, EPERM},
	};

	(void)state;
	check(calls, CPS_ARRAY_LEN(calls));
}

static void arguments_decide(void **state)
{
	static const struct call calls[] = {
		{"clone of a user namespace",
		 SYS_clone,
		 {CLONE_NEWUSER | SIGCHLD},
		 EPERM},
		{"clone of a cgroup namespace",
		 SYS_clone,
		 {0x02000000 | SIGCHLD},
		 EPERM},
		{"clone of nothing", SYS_clone, {CLONE_SIGHAND}, EINVAL},
		{"socket vsock", SYS_socket, {40, SOCK_STREAM}, EPERM},
		{"socket inet", SYS_socket, {AF_INET, SOCK_STREAM}, 0},
		{"socket beyond", SYS_socket, {45, SOCK_STREAM}, EAFNOSUPPORT},
		{"personality", SYS_personality, {0}, 0},
		{"personality asked", SYS_personality, {0xffffffff}, 0},
		{"personality no randomize", SYS_personality, {0x0040000}, EPERM},
	};

	(void)state;
	check(calls, CPS_ARRAY_LEN(calls));
}

static void what_is_newer_does_not_exist(void **state)
{
	static const struct call calls[] = {
		{"clone3", SYS_clone3, {0}, ENOSYS},
		{"468", 468, {0}, ENOSYS},
		{"4095", 4095, {0}, ENOSYS},
	};

	(void)state;
	check(calls, CPS_ARRAY_LEN(calls));
}

static void ordinary_calls_pass(void **state)
{
	static const struct call calls[] = {
		{"getpid", SYS_getpid, {0}, 0},
		{"close", SYS_close, {-1}, EBADF},
		{"openat", SYS_openat, {-1, 0, 0}, EFAULT},
		{"ptrace", SYS_ptrace, {-1, -1, 0}, ESRCH},
		{"chroot", SYS_chroot, {0}, EFAULT},
		{"fchmodat2, which this libseccomp has no name for",
		 452,
		 {-1, 0, 0},
		 EFAULT},
		{"mseal", 462, {1, 0, 0}, EINVAL},
		{"execveat", SYS_execveat, {-1, 0, 0}, EFAULT},
	};

	(void)state;
	check(calls, CPS_ARRAY_LEN(calls));
}

#ifdef __x86_64__
/* The other tables of calls have the same rules. */
static void the_old_tables_are_no_way_round(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		long rc = 310; /* unshare of i386 */

		signal(SIGSEGV, SIG_DFL);

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (cps_seccomp_load() < 0)
			_exit(NOT_LOADED);
		__asm__ volatile("int $0x80"
				 : "+a"(rc)
				 : "b"(CLONE_NEWUTS)
				 : "memory", "r8", "r9", "r10", "r11");
		_exit((int)-rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A kernel without them kills who asks. */
	if (WIFEXITED(status) && WEXITSTATUS(status) != ENOSYS)
		assert_int_equal(WEXITSTATUS(status), EPERM);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_profile_does_not_name_is_denied),
		cmocka_unit_test(arguments_decide),
		cmocka_unit_test(what_is_newer_does_not_exist),
		cmocka_unit_test(ordinary_calls_pass),
#ifdef __x86_64__
		cmocka_unit_test(the_old_tables_are_no_way_round),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
