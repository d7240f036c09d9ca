#include "tools/run/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/base/buf.h"
#include "store/base/fd.h"
#include "store/base/mem.h"

#define SUBID_FILE_MAX (1u << 20)

struct range {
	uint32_t start, count;
};

struct ranges {
	struct range list[CPS_USERNS_RANGES_MAX];
	size_t count;
};

/* ---- what the machine grants ---- */

/* "name:start:count" or "uid:start:count" */
static bool parse_line(char *line, const char *user, uid_t uid, struct range *out)
{
	char *save = NULL, *who = strtok_r(line, ":", &save);
	char *start = strtok_r(NULL, ":", &save), *count = strtok_r(NULL, ":", &save);
	char number[16];

	snprintf(number, sizeof(number), "%u", uid);
	if (!count || (strcmp(who, number) != 0 && strcmp(who, user) != 0))
		return false;
	out->start = (uint32_t)strtoul(start, NULL, 10);
	out->count = (uint32_t)strtoul(count, NULL, 10);
	return out->start && out->count;
}

static void read_ranges(const char *path, const char *user, uid_t uid,
			struct ranges *out)
{
	cps_auto(cps_buf) struct cps_buf buf = CPS_BUF_INIT(SUBID_FILE_MAX);
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *save = NULL;

	out->count = 0;
	if (fd < 0 || cps_read_all(fd, &buf) < 0 || !buf.len)
		return;
	for (char *line = strtok_r((char *)buf.data, "\n", &save);
	     line && out->count < CPS_USERNS_RANGES_MAX;
	     line = strtok_r(NULL, "\n", &save))
		if (parse_line(line, user, uid, &out->list[out->count]))
			out->count++;
}

static uint32_t total(const struct ranges *ranges)
{
	uint32_t sum = 1;

	for (size_t i = 0; i < ranges->count; i++)
		sum += ranges->list[i].count;
	return sum;
}

/* ---- the helper that stays outside ---- */

#define ARGS_MAX (2 + 3 * (CPS_USERNS_RANGES_MAX + 1) + 1)
#define NUMBER   16 /* bytes */

/* newuidmap PID 0 UID 1 1 START COUNT ... */
static int run_tool(const char *tool, pid_t pid, uint32_t id,
		    const struct ranges *ranges)
{
	char numbers[ARGS_MAX][NUMBER], *argv[ARGS_MAX + 1] = {0};
	size_t count = 0;
	uint32_t inside = 1;
	pid_t child;
	int status;

	snprintf(numbers[count++], NUMBER, "%s", tool);
	snprintf(numbers[count++], NUMBER, "%d", (int)pid);
	snprintf(numbers[count++], NUMBER, "0");
	snprintf(numbers[count++], NUMBER, "%u", id);
	snprintf(numbers[count++], NUMBER, "1");
	for (size_t i = 0; i < ranges->count; i++) {
		snprintf(numbers[count++], NUMBER, "%u", inside);
		snprintf(numbers[count++], NUMBER, "%u", ranges->list[i].start);
		snprintf(numbers[count++], NUMBER, "%u", ranges->list[i].count);
		inside += ranges->list[i].count;
	}
	for (size_t i = 0; i < count; i++)
		argv[i] = numbers[i];
	child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		if (null >= 0)
			dup2(null, 2);
		execvp(tool, argv);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
			       WEXITSTATUS(status) == 0
		       ? 0
		       : -EPERM;
}

struct plan {
	uid_t uid;
	gid_t gid;
	struct ranges uids, gids;
};

/* Waits for a byte, maps, says by its own exit status whether it could. */
__attribute__((noreturn)) static void map_outside(const struct plan *plan, int go)
{
	pid_t pid = getppid();
	char byte;

	signal(SIGCHLD, SIG_DFL);
	if (cps_read_full(go, &byte, 1) != 1)
		_exit(1);
	_exit(run_tool("newuidmap", pid, plan->uid, &plan->uids) < 0 ||
	      run_tool("newgidmap", pid, plan->gid, &plan->gids) < 0);
}

/* ---- the process that goes inside ---- */

static int write_file(const char *path, const char *text)
{
	cps_auto(cps_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One id of each kind, which everybody may map by himself. */
static int map_self(const struct plan *plan)
{
	char text[64];
	int rc = write_file("/proc/self/setgroups", "deny");

	snprintf(text, sizeof(text), "0 %u 1", plan->uid);
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", plan->gid);
	return rc < 0 ? rc : write_file("/proc/self/gid_map", text);
}

static pid_t start_mapper(const struct plan *plan, int *go)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(ends[1]);
		map_outside(plan, ends[0]);
	}
	close(ends[0]);
	*go = ends[1];
	return child < 0 ? -errno : child;
}

/* Let it map us. 0, or -EPERM when it could not. */
static int mapped_by(pid_t mapper, int go)
{
	int status = -1, rc = cps_write_full(go, "", 1);

	while (waitpid(mapper, &status, 0) < 0 && errno == EINTR)
		;
	return rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static void make_plan(struct plan *plan)
{
	const struct passwd *entry;

	plan->uid = geteuid();
	plan->gid = getegid();
	entry = getpwuid(plan->uid);
	read_ranges("/etc/subuid", entry ? entry->pw_name : "", plan->uid, &plan->uids);
	read_ranges("/etc/subgid", entry ? entry->pw_name : "", plan->uid, &plan->gids);
}

int cps_userns_enter(struct cps_userns *out, struct cps_err *err)
{
	struct plan plan = {0};
	cps_auto(cps_fd) int go = -1;
	pid_t mapper = -1;
	int rc;

	make_plan(&plan);
	*out = (struct cps_userns){.uids = 1, .gids = 1};
	if (plan.uids.count && plan.gids.count)
		mapper = start_mapper(&plan, &go);
	rc = unshare(CLONE_NEWUSER) < 0 ? -errno : 0;
	if (rc == 0 && mapper > 0 && mapped_by(mapper, go) == 0)
		*out = (struct cps_userns){true, total(&plan.uids), total(&plan.gids)};
	else if (rc == 0)
		rc = map_self(&plan);
	if (rc == 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		rc = -errno;
	if (rc == 0 && out->ranges && setgroups(0, NULL) < 0)
		rc = -errno;
	return rc < 0 ? cps_err_sys(err, rc, "make a user namespace") : 0;
}
