#include <signal.h>
#include <sys/wait.h>

#include "posix.h"

#define LIMIT_S 300 /* for one test */

static const struct test *const tables[] = {
	name_tests, link_tests,   data_tests,    time_tests,   owner_tests, xattr_tests,
	kind_tests, folder_tests, program_tests, thread_tests, bug_tests,
};

struct count {
	int run, failed, skipped;
};

/* In a child, in the folder of its name. */
static int run_one(const char *dir, const struct test *test, void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		alarm(LIMIT_S);
		umask(022);
		if (chdir(dir) < 0 || chdir(test->name) < 0)
			failed(__FILE__, __LINE__, "%s/%s: %s", dir, test->name,
			       strerror(errno));
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool wanted(const char *name, char **only)
{
	if (!*only)
		return true;
	for (; *only; only++)
		if (strcmp(*only, name) == 0)
			return true;
	return false;
}

static void run_table(const char *dir, const struct test *test, bool again, char **only,
		      struct count *count)
{
	for (; test->name; test++) {
		void (*fn)(void) = again ? test->again : test->run;
		int rc;

		if (!fn || !wanted(test->name, only))
			continue;
		rc = run_one(dir, test, fn);
		count->run++;
		count->failed += rc != 0 && rc != 77;
		count->skipped += rc == 77;
		printf("%s %d - %s%s%s\n", rc && rc != 77 ? "not ok" : "ok", count->run,
		       test->name, again ? " after a remount" : "",
		       rc == 77 ? " # SKIP" : "");
	}
}

static void prepare_all(const char *dir)
{
	umask(022);
	CHECK(chdir(dir) == 0);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct test *t = tables[i]; t->name; t++)
			prepare(t->name);
}

int main(int argc, char **argv)
{
	struct count count = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: posix prepare|run|again DIR [TEST...]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "prepare") == 0) {
		prepare_all(argv[2]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		run_table(argv[2], tables[i], strcmp(argv[1], "again") == 0, argv + 3,
			  &count);
	printf("1..%d\n# %d failed, %d skipped\n", count.run, count.failed,
	       count.skipped);
	return count.failed ? 1 : 0;
}
