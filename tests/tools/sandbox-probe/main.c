/* What a hostile program tries in a sandbox, for probes.sh. Linked statically: it runs
 * in roots that have nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define CHILD      17 /* SIGCHLD */
#define BELOW_ROOT 64 /* how far up an escape tries to go */

/* ---- calls that have to be denied ---- */

static const struct attempt {
	const char *name;
	long number;
	long args[4];
	int want;
} attempts[] = {
	{"unshare-user", SYS_unshare, {CLONE_NEWUSER}, EPERM},
	{"unshare-mount", SYS_unshare, {CLONE_NEWNS}, EPERM},
	{"unshare-net", SYS_unshare, {CLONE_NEWNET}, EPERM},
	{"clone-user", SYS_clone, {CLONE_NEWUSER | CHILD}, EPERM},
	{"clone-pid", SYS_clone, {CLONE_NEWPID | CHILD}, EPERM},
	{"clone3", SYS_clone3, {0}, ENOSYS},
	{"setns", SYS_setns, {0}, EPERM},
	{"mount", SYS_mount, {(long)"none", (long)"/tmp", (long)"tmpfs", 0}, EPERM},
	{"umount", SYS_umount2, {(long)"/proc"}, EPERM},
	{"pivot_root", SYS_pivot_root, {(long)".", (long)"."}, EPERM},
	{"fsopen", SYS_fsopen, {(long)"tmpfs"}, EPERM},
	{"open_tree", SYS_open_tree, {AT_FDCWD, (long)"/", 1}, EPERM},
	{"move_mount", SYS_move_mount, {0}, EPERM},
	{"mount_setattr", SYS_mount_setattr, {0}, EPERM},
	{"bpf", SYS_bpf, {0}, EPERM},
	{"keyctl", SYS_keyctl, {0}, EPERM},
	{"add_key", SYS_add_key, {0}, EPERM},
	{"request_key", SYS_request_key, {0}, EPERM},
	{"userfaultfd", SYS_userfaultfd, {0}, EPERM},
	{"perf_event_open", SYS_perf_event_open, {0}, EPERM},
	{"io_uring_setup", SYS_io_uring_setup, {0}, EPERM},
	{"open_by_handle_at", SYS_open_by_handle_at, {0}, EPERM},
	{"init_module", SYS_init_module, {0}, EPERM},
	{"finit_module", SYS_finit_module, {0}, EPERM},
	{"delete_module", SYS_delete_module, {0}, EPERM},
	{"kexec_load", SYS_kexec_load, {0}, EPERM},
	{"reboot", SYS_reboot, {0}, EPERM},
	{"swapon", SYS_swapon, {0}, EPERM},
	{"settimeofday", SYS_settimeofday, {0}, EPERM},
	{"acct", SYS_acct, {0}, EPERM},
	{"quotactl", SYS_quotactl, {0}, EPERM},
	{"syslog", SYS_syslog, {3, 0, 0}, EPERM},
	{"sethostname", SYS_sethostname, {(long)"x", 1}, EPERM},
	{"lookup_dcookie", SYS_lookup_dcookie, {0}, EPERM},
	{"fanotify_init", SYS_fanotify_init, {0}, EPERM},
	{"pidfd_getfd", SYS_pidfd_getfd, {0}, EPERM},
	{"kcmp", SYS_kcmp, {0}, EPERM},
	{"vhangup", SYS_vhangup, {0}, EPERM},
	{"vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM}, EPERM},
	{"personality", SYS_personality, {0x0040000}, EPERM},
	{"of the future", 4000, {0}, ENOSYS},
	{"newer than the profile", 500, {0}, ENOSYS},
	{"ptrace of init", SYS_ptrace, {PTRACE_ATTACH, 1}, EPERM},
};

static int try_call(const struct attempt *a)
{
	long rc;

	rc = syscall(a->number, a->args[0], a->args[1], a->args[2], a->args[3], 0, 0);
	if (rc == 0 && a->number == SYS_clone)
		_exit(0);
	if (rc < 0 && errno == a->want)
		return 0;
	printf("%s: %s, not %s\n", a->name, rc < 0 ? strerror(errno) : "it worked",
	       strerror(a->want));
	return 1;
}

static int try_calls(void)
{
	int failed = 0;

	for (size_t i = 0; i < COUNT(attempts); i++)
		failed |= try_call(&attempts[i]);
	if (!failed)
		printf("%zu denied\n", COUNT(attempts));
	return failed;
}

/* ---- calls that have to work ---- */

static int try_allowed(void)
{
	char path[] = "/tmp/probe.XXXXXX";
	int fd = mkstemp(path), status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0 || fd < 0 ||
	    fchown(fd, 1, 1) < 0 || fchmod(fd, 04755) < 0 || unlink(path) < 0 ||
	    socket(AF_INET, SOCK_STREAM, 0) < 0 ||
	    syscall(452, AT_FDCWD, "/tmp", 01777, 0) < 0) {
		perror("an ordinary call");
		return 1;
	}
	puts("allowed");
	return 0;
}

/* ---- ways out ---- */

/* The old way out of chroot(2): keep a folder outside of the next root. */
static int try_chroot(const char *outside)
{
	int old = open("/", O_RDONLY | O_DIRECTORY);

	mkdir("/tmp/jail", 0755);
	if (chroot("/tmp/jail") < 0 || fchdir(old) < 0) {
		perror("chroot");
		return 1;
	}
	for (int i = 0; i < BELOW_ROOT; i++)
		if (chdir("..") < 0)
			return 1;
	if (chroot(".") < 0)
		return 1;
	if (access(outside, F_OK) == 0) {
		puts("escaped");
		return 1;
	}
	puts("inside");
	return 0;
}

/* Descriptors that nobody gave us. */
static int list_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int extra = 0;

	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(dir)) {
			printf("leaked %s\n", entry->d_name);
			extra = 1;
		}
	if (!dir || extra)
		return 1;
	puts("three");
	return 0;
}

/* Overwrite what started us: every process that we see. */
static int try_exe(void)
{
	static const char *const links[] = {"/proc/1/exe", "/proc/self/exe",
					    "/proc/2/exe", "/proc/1/root",
					    "/proc/1/cwd", "/proc/1/fd/3"};

	for (size_t i = 0; i < COUNT(links); i++) {
		int fd = open(links[i], O_WRONLY);

		if (fd >= 0) {
			printf("%s opened for writing\n", links[i]);
			return 1;
		}
	}
	if (open("/proc/1/exe", O_PATH) >= 0 || open("/proc/1/mem", O_RDONLY) >= 0 ||
	    open("/proc/1/environ", O_RDONLY) >= 0) {
		puts("init can be looked into");
		return 1;
	}
	puts("closed");
	return 0;
}

/* A line of our status: busybox gives up what a set-id bit gives it. */
static int show_status(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			fputs(line, stdout);
	return file ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "denied") == 0)
		return try_calls();
	if (strcmp(what, "allowed") == 0)
		return try_allowed();
	if (strcmp(what, "chroot") == 0 && argc > 2)
		return try_chroot(argv[2]);
	if (strcmp(what, "fds") == 0)
		return list_fds();
	if (strcmp(what, "exe") == 0)
		return try_exe();
	if (strcmp(what, "status") == 0 && argc > 2)
		return show_status(argv[2]);
	fputs("usage: sandbox-probe denied|allowed|chroot PATH|fds|exe|status NAME\n",
	      stderr);
	return 2;
}
