#include "tools/run/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/fd.h"
#include "store/base/path.h"
#include "tools/run/cgroup_place.h"

#define GROUPS_MAX      3
#define PERIOD_US       100000 /* Docker's */
#define REMOVE_TRIES    100
#define REMOVE_PAUSE_NS 5000000

struct cps_cgroup {
	char *folders[GROUPS_MAX]; /* owned */
	size_t count;
};

static int write_text(const char *folder, const char *file, const char *text)
{
	cps_auto(cps_free) char *path = NULL;
	cps_auto(cps_fd) int fd = -1;

	if (asprintf(&path, "%s/%s", folder, file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool has_file(const char *folder, const char *file)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/%s", folder, file) <
		       sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* ---- making ---- */

/* One more folder of ours, unless it is already. */
static int make_folder(struct cps_cgroup *cgroup, const char *parent, const char *name,
		       const char **out)
{
	char *path;

	if (asprintf(&path, "%s/%s", parent, name) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < cgroup->count; i++)
		if (strcmp(cgroup->folders[i], path) == 0) {
			free(path);
			*out = cgroup->folders[i];
			return 0;
		}
	/* One that a killed monitor left is nobody's; the kernel knows if it is not. */
	if (mkdir(path, 0755) < 0 &&
	    (errno != EEXIST || rmdir(path) < 0 || mkdir(path, 0755) < 0)) {
		int rc = -errno;

		free(path);
		return rc;
	}
	cgroup->folders[cgroup->count++] = path;
	*out = path;
	return 0;
}

static void drop_last(struct cps_cgroup *cgroup)
{
	char *path = cgroup->folders[--cgroup->count];

	rmdir(path);
	free(path);
}

/* Version 2: a group with processes hands no controllers down, but for the first one;
 * then we go to where its siblings are. `file` shows that the controller is there. */
static int make_unified(struct cps_cgroup *cgroup, struct cps_cgroup_place *place,
			const char *name, const char *controller, const char *file,
			const char **out)
{
	size_t top = strlen(place->mount);
	char word[32];
	int rc = -ENOSYS;

	snprintf(word, sizeof(word), "+%s", controller);
	for (;;) {
		size_t before = cgroup->count;
		char *slash;

		write_text(place->path, "cgroup.subtree_control", word);
		rc = make_folder(cgroup, place->path, name, out);
		if (rc == 0 && has_file(*out, file))
			return 0;
		if (rc == 0 && cgroup->count > before)
			drop_last(cgroup);
		slash = strrchr(place->path, '/');
		if (strlen(place->path) <= top || !slash ||
		    (size_t)(slash - place->path) < top)
			return rc < 0 ? rc : -ENOSYS;
		*slash = '\0';
	}
}

static int make_group(struct cps_cgroup *cgroup, const char *name,
		      const char *controller, const char *unified_file,
		      const char **out, bool *unified, struct cps_err *err)
{
	cps_auto(cps_free) struct cps_cgroup_place *place = calloc(1, sizeof(*place));
	int rc;

	if (!place)
		return cps_err_nomem(err);
	rc = cps_cgroup_find(0, controller, place);
	if (rc == -ENOENT)
		rc = cps_cgroup_find(0, "", place);
	if (rc == 0) {
		*unified = place->unified;
		rc = place->unified ? make_unified(cgroup, place, name, controller,
						   unified_file, out)
				    : make_folder(cgroup, place->path, name, out);
	}
	if (rc == -ENOENT || rc == -ENOSYS)
		return cps_err_set(err, -ENOSYS,
				   "this machine has no control group for '%s'",
				   controller);
	return rc < 0 ? cps_err_sys(err, rc, "make a control group for '%s'",
				    controller)
		      : 0;
}

/* ---- limits ---- */

static int write_number(const char *folder, const char *file, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return write_text(folder, file, text);
}

static int limit_memory(struct cps_cgroup *cgroup, const struct cps_sandbox_opts *opts,
			struct cps_err *err)
{
	uint64_t bytes = opts->memory_bytes;
	const char *folder;
	bool unified;
	int rc = make_group(cgroup, opts->cgroup, "memory", "memory.max", &folder,
			    &unified, err);

	if (rc < 0)
		return rc;
	rc = write_number(folder, unified ? "memory.max" : "memory.limit_in_bytes",
			  bytes);
	/* As much again of swap, as Docker has it; some kernels do not count it. */
	if (rc == 0 && unified)
		write_number(folder, "memory.swap.max", bytes);
	else if (rc == 0 && bytes <= UINT64_MAX / 2)
		write_number(folder, "memory.memsw.limit_in_bytes", bytes * 2);
	return rc < 0 ? cps_err_sys(err, rc, "limit the memory") : 0;
}

static int limit_cpus(struct cps_cgroup *cgroup, const struct cps_sandbox_opts *opts,
		      struct cps_err *err)
{
	uint64_t quota_us = opts->cpus_milli * (PERIOD_US / 1000);
	const char *folder;
	char text[64];
	bool unified;
	int rc = make_group(cgroup, opts->cgroup, "cpu", "cpu.max", &folder, &unified,
			    err);

	if (rc < 0)
		return rc;
	if (unified) {
		snprintf(text, sizeof(text), "%" PRIu64 " %d", quota_us, PERIOD_US);
		rc = write_text(folder, "cpu.max", text);
	} else {
		rc = write_number(folder, "cpu.cfs_period_us", PERIOD_US);
		if (rc == 0)
			rc = write_number(folder, "cpu.cfs_quota_us", quota_us);
	}
	return rc < 0 ? cps_err_sys(err, rc, "limit the processors") : 0;
}

static int limit_pids(struct cps_cgroup *cgroup, const struct cps_sandbox_opts *opts,
		      struct cps_err *err)
{
	const char *folder;
	bool unified;
	int rc = make_group(cgroup, opts->cgroup, "pids", "pids.max", &folder, &unified,
			    err);

	if (rc == 0) {
		rc = write_number(folder, "pids.max", opts->pids);
		if (rc < 0)
			cps_err_sys(err, rc, "limit the processes");
	}
	return rc;
}

int cps_cgroup_new(const struct cps_sandbox_opts *opts, struct cps_cgroup **out,
		   struct cps_err *err)
{
	struct cps_cgroup *cgroup;
	int rc = 0;

	*out = NULL;
	if (!opts->memory_bytes && !opts->cpus_milli && !opts->pids)
		return 0;
	if (!opts->cgroup || !cps_name_ok(opts->cgroup))
		return cps_err_set(err, -EINVAL,
				   "a limit needs a control group's name");
	cgroup = calloc(1, sizeof(*cgroup));
	if (!cgroup)
		return cps_err_nomem(err);
	if (opts->memory_bytes)
		rc = limit_memory(cgroup, opts, err);
	if (rc == 0 && opts->cpus_milli)
		rc = limit_cpus(cgroup, opts, err);
	if (rc == 0 && opts->pids)
		rc = limit_pids(cgroup, opts, err);
	if (rc < 0)
		cps_cgroup_free(cgroup);
	else
		*out = cgroup;
	return rc;
}

int cps_cgroup_add(struct cps_cgroup *cgroup, pid_t pid, struct cps_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && cgroup && i < cgroup->count; i++)
		rc = write_number(cgroup->folders[i], "cgroup.procs", (uint64_t)pid);
	return rc < 0 ? cps_err_sys(err, rc, "enter the control group") : 0;
}

void cps_cgroup_free(struct cps_cgroup *cgroup)
{
	const struct timespec pause = {0, REMOVE_PAUSE_NS};

	if (!cgroup)
		return;
	for (size_t i = 0; i < cgroup->count; i++) {
		/* The last to die may still be counted for a moment. */
		for (int tries = 0; rmdir(cgroup->folders[i]) < 0 && errno == EBUSY &&
				    tries < REMOVE_TRIES;
		     tries++)
			nanosleep(&pause, NULL);
		free(cgroup->folders[i]);
	}
	free(cgroup);
}
