/* Runs a program in a sandbox over a folder, for probes.sh. Mounts nothing itself. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "tools/run/sandbox.h"
#include "tools/run/userns.h"

#define LIST_MAX 64

static const char usage[] =
	"usage: sandbox-run [OPTION]... ROOT PROGRAM [ARGUMENT]...\n"
	"  -u USER  -w WORKDIR  -e NAME=VALUE  -H HOSTNAME  -n host|none|private  -R\n"
	"  -v SOURCE:TARGET[:ro]  -T PATH[:OPTIONS]  -d RESOLV_CONF  -h HOSTS  -t\n"
	"  -m BYTES  -c MILLI_CPUS  -p PIDS  -g CGROUP  -r\n"
	"  -o runc|crun -b BUNDLE  in an empty folder\n"
	"  -U  in a user namespace of our own, which is -r too\n"
	"  -x COMMAND  run by sh(1) once the program runs, INIT in its environment\n"
	"  -X ARGUMENTS  parted by spaces: executed in the sandbox too; its status is "
	"ours\n"
	"  -s SIGNAL  given to the program when it says a line on its output\n";

struct told {
	struct cps_sandbox_opts opts;
	struct cps_process process;
	struct cps_volume volumes[LIST_MAX];
	const char *sources[LIST_MAX];
	const char *tmpfs[LIST_MAX];
	char *env[LIST_MAX + 1];
	size_t envs;
	const char *command;
	char *executed;
	int signal;
	bool userns;
};

static int fail(const char *what)
{
	fprintf(stderr, "sandbox-run: %s: %s\n", what, strerror(errno));
	return 124;
}

static int take_volume(struct told *told, char *text)
{
	struct cps_volume *volume = &told->volumes[told->opts.volume_count];
	char *target = strchr(text, ':'), *mode;

	if (!target || told->opts.volume_count == LIST_MAX)
		return fail("volume");
	*target++ = '\0';
	mode = strrchr(target, ':');
	if (mode && strcmp(mode, ":ro") == 0) {
		*mode = '\0';
		volume->read_only = true;
	}
	volume->target = target;
	told->sources[told->opts.volume_count++] = text;
	return 0;
}

/* In the mount namespace that we end up in. */
static int open_volumes(struct told *told)
{
	for (size_t i = 0; i < told->opts.volume_count; i++) {
		told->volumes[i].source = open(told->sources[i], O_PATH | O_CLOEXEC);
		if (told->volumes[i].source < 0)
			return fail(told->sources[i]);
	}
	return 0;
}

/* Options of the sandbox; 1: it is none. */
static int take_sandbox_option(struct told *told, int option)
{
	struct cps_sandbox_opts *opts = &told->opts;

	if (option == 'H')
		opts->hostname = optarg;
	else if (option == 'n')
		opts->net = *optarg == 'h'   ? CPS_NET_HOST
			    : *optarg == 'p' ? CPS_NET_PRIVATE
					     : CPS_NET_NONE;
	else if (option == 'R')
		opts->read_only = true;
	else if (option == 'v')
		return take_volume(told, optarg);
	else if (option == 'T')
		told->tmpfs[opts->tmpfs_count++ % LIST_MAX] = optarg;
	else if (option == 'd')
		opts->resolv_conf = optarg;
	else if (option == 'h')
		opts->hosts = optarg;
	else if (option == 'o')
		opts->runtime = optarg;
	else if (option == 'b')
		opts->bundle = optarg;
	else if (option == 'r' || option == 'U')
		opts->rootless = true;
	else
		return 1;
	return 0;
}

static int take_limit(struct told *told, int option)
{
	if (option == 'm')
		told->opts.memory_bytes = strtoull(optarg, NULL, 0);
	else if (option == 'c')
		told->opts.cpus_milli = strtoull(optarg, NULL, 0);
	else if (option == 'p')
		told->opts.pids = strtoull(optarg, NULL, 0);
	else if (option == 'g')
		told->opts.cgroup = optarg;
	else
		return 1;
	return 0;
}

static int take_option(struct told *told, int option)
{
	int rc = take_sandbox_option(told, option);

	told->userns |= option == 'U';
	if (rc == 1)
		rc = take_limit(told, option);
	if (rc != 1)
		return rc;
	if (option == 'u')
		told->process.user = optarg;
	else if (option == 'w')
		told->process.cwd = optarg;
	else if (option == 'e')
		told->env[told->envs++ % LIST_MAX] = optarg;
	else if (option == 't')
		told->process.terminal = true;
	else if (option == 'x')
		told->command = optarg;
	else if (option == 'X')
		told->executed = optarg;
	else if (option == 's')
		told->signal = atoi(optarg);
	else
		return fputs(usage, stderr), 124;
	return 0;
}

/* Root of a user namespace, in a mount namespace of it where the root is a mount. */
static int enter_userns(const char *root, struct cps_err *err)
{
	struct cps_userns got;
	int rc = cps_userns_enter(&got, err);

	if (rc < 0)
		return rc;
	fprintf(stderr, "%u users, %u groups\n", got.uids, got.gids);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return fail(root);
	return 0;
}

/* Copy what comes out of the terminal, and what comes in, until it hangs up. */
static void carry(int tty)
{
	struct pollfd fds[2] = {{tty, POLLIN, 0}, {0, POLLIN, 0}};
	char bytes[4096];

	while (poll(fds, 2, -1) >= 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!fds[i].revents)
				continue;
			n = read(fds[i].fd, bytes, sizeof(bytes));
			if (n <= 0 && i == 0)
				return;
			if (n <= 0)
				fds[i].fd = -1;
			else if (cps_write_full(i ? tty : 1, bytes, (size_t)n) < 0)
				return;
		}
	}
}

static int execute(struct told *told, struct cps_sandbox *sandbox, struct cps_err *err)
{
	struct cps_process process = told->process;
	char *argv[LIST_MAX] = {0}, *save = NULL;
	cps_auto(cps_fd) int init = pidfd_open(cps_sandbox_pid(sandbox), 0);
	int tty = -1, status, rc;
	size_t count = 0;
	pid_t pid;

	for (char *word = strtok_r(told->executed, " ", &save);
	     word && count < LIST_MAX - 1; word = strtok_r(NULL, " ", &save))
		argv[count++] = word;
	process.argv = argv;
	rc = cps_sandbox_exec(init, &process, &pid, &tty, err);
	if (rc < 0)
		return rc;
	if (tty >= 0)
		carry(tty);
	if (waitpid(pid, &status, 0) < 0)
		return fail("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(struct told *told, int root, struct cps_err *err)
{
	cps_auto(cps_sandbox_free) struct cps_sandbox *sandbox = NULL;
	char line[256], number[32];
	int tty = -1, pipe_fds[2] = {-1, -1};
	int rc = cps_sandbox_new(&told->opts, &sandbox, err);

	if (rc == 0 && told->signal) {
		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return -errno;
		told->process.stdio[1] = pipe_fds[1];
	}
	if (rc == 0)
		rc = cps_sandbox_start(sandbox, root, &told->process, &tty, err);
	if (rc < 0)
		return rc;
	snprintf(number, sizeof(number), "%d", (int)cps_sandbox_pid(sandbox));
	setenv("INIT", number, 1);
	if (told->command && system(told->command) != 0)
		return fail("the command");
	if (told->signal && read(pipe_fds[0], line, sizeof(line)) > 0)
		cps_sandbox_signal(sandbox, told->signal);
	if (told->executed)
		return execute(told, sandbox, err);
	if (tty >= 0)
		carry(tty);
	return cps_sandbox_status(sandbox);
}

int main(int argc, char **argv)
{
	struct told told = {.process.stdio = {0, 1, 2}, .opts.net = CPS_NET_NONE};
	struct cps_err err = CPS_ERR_INIT;
	int option, root, rc;

	told.opts.volumes = told.volumes;
	told.opts.tmpfs = told.tmpfs;
	told.process.env = told.env;
	told.process.user = "";
	while ((option = getopt(argc, argv,
				"+u:w:e:H:n:Rv:T:d:h:tm:c:p:g:Uro:b:x:X:s:")) >= 0) {
		rc = take_option(&told, option);
		if (rc)
			return rc;
	}
	if (argc - optind < 2)
		return fail(usage);
	if (told.userns && enter_userns(argv[optind], &err) != 0)
		return fail(err.msg);
	root = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(argv[optind]);
	if (open_volumes(&told) != 0)
		return 124;
	told.process.argv = argv + optind + 1;
	rc = run(&told, root, &err);
	if (rc >= 0)
		return rc;
	fprintf(stderr, "sandbox-run: %s\n", err.msg);
	return rc == -ENOENT ? 127 : rc == -EACCES ? 126 : 125;
}
