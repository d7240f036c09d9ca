#include "fs/top/who.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process may become another program, or end and leave its number to the next; how
 * long we believe that it did not. */
#define BELIEVE_NS 2000000
#define STATUS_MAX 8192 /* bytes of /proc/PID/status */

static void read_comm(pid_t pid, char *out)
{
	char path[32];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, CPS_WHO_COMM_MAX);
		close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

uint32_t cps_whos_find(struct cps_whos *whos, pid_t pid, int64_t now_ns,
		       char comm[CPS_WHO_COMM_MAX + 1])
{
	struct cps_who_seen *seen = &whos->recent[(unsigned int)pid % CPS_WHO_RECENT];

	if (seen->pid == pid && seen->index && now_ns - seen->checked_ns < BELIEVE_NS)
		return seen->index;
	read_comm(pid, comm);
	if (seen->pid != pid || !seen->index || strcmp(seen->comm, comm) != 0)
		return 0;
	seen->checked_ns = now_ns;
	return seen->index;
}

void cps_whos_add(struct cps_whos *whos, pid_t pid, int64_t now_ns, const char *comm)
{
	struct cps_who_seen *seen = &whos->recent[(unsigned int)pid % CPS_WHO_RECENT];

	*seen = (struct cps_who_seen){
		.pid = pid,
		.index = whos->count++,
		.checked_ns = now_ns,
	};
	snprintf(seen->comm, sizeof(seen->comm), "%s", comm);
}

/* What /proc tells of a process, and where in it `field` is. NULL: nothing. */
static const char *status_field(pid_t pid, const char *field, char text[STATUS_MAX])
{
	char path[32];
	const char *at;
	ssize_t n = -1;
	int fd;

	if (pid <= 0)
		return NULL; /* not of our processes */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, STATUS_MAX - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, field);
	return at ? at + strlen(field) : NULL;
}

bool cps_who_keeps_setuid(pid_t pid)
{
	char text[STATUS_MAX];
	const char *at = status_field(pid, "\nCapEff:", text);

	return at && strtoull(at, NULL, 16) >> CAP_FSETID & 1;
}

/* Is `gid` one of the numbers of this line? */
static bool line_has(const char *at, gid_t gid, unsigned int skip)
{
	char *end;

	for (;; at = end) {
		unsigned long number;

		at += strspn(at, " \t");
		number = strtoul(at, &end, 10);
		if (end == at)
			return false;
		if (skip)
			skip--;
		else if (number == gid)
			return true;
	}
}

bool cps_who_in_group(pid_t pid, gid_t gid)
{
	char text[STATUS_MAX];
	const char *at = status_field(pid, "\nGid:", text);

	/* Real, effective, saved, and the one that files are judged by. */
	if (at && line_has(at, gid, 3))
		return true;
	at = status_field(pid, "\nGroups:", text);
	return at && line_has(at, gid, 0);
}
