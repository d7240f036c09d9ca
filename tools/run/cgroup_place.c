#include "tools/run/cgroup_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/fd.h"
#include "store/base/mem.h"

#define PROC_FILE_MAX (1u << 20) /* bytes */

static int read_proc(const char *path, struct cps_buf *out)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : cps_read_all(fd, out);
}

/* Is `word` one of "a,b,c"? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* ---- mounts of hierarchies ---- */

struct mount {
	char *root, *where, *type, *options; /* in the line */
};

/* "36 25 0:29 ROOT WHERE flags optional... - TYPE source OPTIONS" */
static bool parse_mount(char *line, struct mount *out)
{
	char *save = NULL, *tail = strstr(line, " - ");
	char *words[5];

	if (!tail)
		return false;
	*tail = '\0';
	for (int i = 0; i < 5; i++) {
		words[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!words[i])
			return false;
	}
	out->root = words[3];
	out->where = words[4];
	out->type = strtok_r(tail + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	out->options = strtok_r(NULL, " ", &save);
	return out->type && out->options;
}

/* Where the hierarchy is mounted whose controllers are a list, "" for version 2. `path`
 * is the group's in the hierarchy. */
static int locate(const char *controllers, const char *path,
		  struct cps_cgroup_place *out)
{
	cps_auto(cps_buf) struct cps_buf buf = CPS_BUF_INIT(PROC_FILE_MAX);
	int rc = read_proc("/proc/self/mountinfo", &buf);
	char first[64], *save = NULL;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(controllers, ","),
		 controllers);
	out->unified = *controllers == '\0';
	for (char *line = rc < 0 || !buf.len ? NULL
					     : strtok_r((char *)buf.data, "\n", &save);
	     line; line = strtok_r(NULL, "\n", &save)) {
		struct mount mount;
		size_t skip;

		if (!parse_mount(line, &mount) ||
		    strcmp(mount.type, out->unified ? "cgroup2" : "cgroup") != 0 ||
		    (!out->unified && !has_word(mount.options, first)))
			continue;
		/* In a container the mount may begin below the hierarchy's root. */
		skip = strcmp(mount.root, "/") == 0 ? 0 : strlen(mount.root);
		if (strncmp(path, mount.root, skip) != 0)
			continue;
		if ((size_t)snprintf(out->mount, PATH_MAX, "%s", mount.where) >=
			    PATH_MAX ||
		    (size_t)snprintf(out->path, PATH_MAX, "%s%s", mount.where,
				     strcmp(path + skip, "/") ? path + skip : "") >=
			    PATH_MAX)
			return -ENAMETOOLONG;
		return 0;
	}
	return rc < 0 ? rc : -ENOENT;
}

/* ---- groups of a process ---- */

/* "4:memory:/a/b"; a hierarchy without controllers is "1:name=systemd:/a". */
static int each_line(pid_t pid,
		     int (*fn)(void *ctx, const char *list, const char *path),
		     void *ctx)
{
	cps_auto(cps_buf) struct cps_buf buf = CPS_BUF_INIT(PROC_FILE_MAX);
	char name[64], *save = NULL;
	int rc;

	snprintf(name, sizeof(name), pid ? "/proc/%d/cgroup" : "/proc/self/cgroup",
		 (int)pid);
	rc = read_proc(name, &buf);
	if (rc < 0 || !buf.len)
		return rc;
	for (char *line = strtok_r((char *)buf.data, "\n", &save); line && rc == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		rc = fn(ctx, list + 1, path);
	}
	return rc;
}

struct search {
	const char *controller;
	struct cps_cgroup_place *out;
};

static int match(void *ctx, const char *list, const char *path)
{
	struct search *search = ctx;
	int rc;

	if (*search->controller ? !has_word(list, search->controller) : *list != '\0')
		return 0;
	rc = locate(list, path, search->out);
	return rc < 0 ? rc : 1;
}

int cps_cgroup_find(pid_t pid, const char *controller, struct cps_cgroup_place *out)
{
	struct search search = {controller, out};
	int rc = each_line(pid, match, &search);

	return rc < 0 ? rc : rc == 1 ? 0 : -ENOENT;
}

struct tour {
	cps_cgroup_visit_fn visit;
	void *ctx;
	struct cps_cgroup_place place;
};

static int visit_one(void *ctx, const char *list, const char *path)
{
	struct tour *tour = ctx;

	/* What is not mounted cannot be changed, nor was it for the other. */
	return locate(list, path, &tour->place) < 0
		       ? 0
		       : tour->visit(tour->ctx, &tour->place);
}

int cps_cgroup_each(pid_t pid, cps_cgroup_visit_fn visit, void *ctx)
{
	cps_auto(cps_free) struct tour *tour = calloc(1, sizeof(*tour));

	if (!tour)
		return -ENOMEM;
	tour->visit = visit;
	tour->ctx = ctx;
	return each_line(pid, visit_one, tour);
}
