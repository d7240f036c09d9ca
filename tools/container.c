#include "tools/container.h"

#include <errno.h>
#include <fcntl.h>

#include "fs/top/control.h"
#include "fs/top/replay.h"
#include "store/base/fd.h"
#include "store/container.h"

#define LOOK_TRIES 8 /* against drivers that end while we look */

/* The place in the log up to which a reader may go; 0: nobody writes, all of it. */
static int moment(int dirfd, uint64_t *upto, struct cps_err *err)
{
	int rc = cps_control_mark(dirfd, "", upto, err);

	if (rc != -ENOTCONN)
		return rc;
	*upto = 0;
	return 0;
}

/* A driver that ends rewrites its log, and the place that it told us means nothing any
 * more; one may also begin just now. 1 when the top is open, 0 to try again, -errno. */
static int try_look(struct cps_store *store, const struct cps_top_info *info,
		    const struct cps_root_opts *root, struct cps_opened *out,
		    struct cps_err *err)
{
	const struct cps_root_opts usual = {0};
	struct cps_top_opts opts = {.read_only = true};
	cps_auto(cps_fd) int dirfd = cps_tops_dir(store, info, err);
	int rc = dirfd < 0 ? dirfd : moment(dirfd, &opts.upto, err);

	if (rc < 0)
		return rc;
	/* Nobody writes, so nobody shall begin before we are through. */
	opts.alone = opts.upto == 0;
	rc = cps_open_top(store, info, root ? root : &usual, &opts, out, err);
	if (opts.alone ? rc == -EBUSY : !cps_control_alive(dirfd)) {
		cps_opened_close(out, NULL);
		return 0;
	}
	return rc < 0 ? rc : 1;
}

/* Nothing was ever written to a container that was only created: it is opened once for
 * writing, which makes its log. */
static int make_log(struct cps_store *store, const struct cps_top_info *info,
		    struct cps_err *err)
{
	cps_auto(cps_fd) int dirfd = cps_tops_dir(store, info, err);
	struct cps_opened opened = CPS_OPENED_INIT;
	const struct cps_root_opts root = {0};
	const struct cps_top_opts opts = {0};
	int rc;

	if (dirfd < 0 || faccessat(dirfd, "log", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return dirfd < 0 ? dirfd : 0;
	rc = cps_open_top(store, info, &root, &opts, &opened, err);
	if (rc < 0) {
		cps_opened_close(&opened, NULL);
		return rc == -EBUSY ? 0 : rc; /* somebody has just begun */
	}
	return cps_opened_close(&opened, err);
}

int cps_container_look(struct cps_store *store, const struct cps_top_info *info,
		       const struct cps_root_opts *root, struct cps_opened *out,
		       struct cps_err *err)
{
	int rc = make_log(store, info, err);

	*out = (struct cps_opened)CPS_OPENED_INIT;
	for (int i = 0; i < LOOK_TRIES && rc == 0; i++)
		rc = try_look(store, info, root, out, err);
	if (rc == 1)
		return 0;
	cps_opened_close(out, NULL);
	return rc < 0 ? rc
		      : cps_err_set(err, -EBUSY,
				    "container '%s' is mounted and unmounted all the "
				    "time",
				    info->name);
}

/* What its volumes hold is no change of the container's. */
static int leave_volumes(struct cps_store *store, const struct cps_top_info *info,
			 struct cps_top *top, struct cps_err *err)
{
	cps_auto(cps_container_config) struct cps_container_config config = {0};
	cps_auto(cps_fd) int folder = cps_tops_peek(store, info, err);
	int rc = folder < 0 ? folder : cps_container_config_read(folder, &config, err);

	if (rc == -ENOENT && folder >= 0)
		return 0; /* made by a mount */
	for (size_t i = 0; i < config.volumes.count && rc == 0; i++) {
		rc = cps_top_revert(top, config.volumes.v[i]);
		if (rc < 0)
			cps_err_sys(err, rc, "volume '%s'", config.volumes.v[i]);
	}
	return rc;
}

int cps_container_changes(struct cps_store *store, const struct cps_top_info *info,
			  struct cps_opened *out, struct cps_err *err)
{
	int rc = cps_container_look(store, info, NULL, out, err);

	return rc < 0 ? rc : leave_volumes(store, info, out->top, err);
}

int cps_container_or_source(struct cps_store *store, const char *text,
			    struct cps_opened *out, struct cps_err *err)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	const struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	int rc = cps_tops_find(store, text, &info, err);

	*out = (struct cps_opened)CPS_OPENED_INIT;
	if (rc == 0)
		return cps_container_changes(store, &info, out, err);
	if (rc != -ENOENT)
		return rc;
	rc = cps_source_open(store, text, NULL, &image, err);
	return rc < 0 ? rc : cps_open_bare(store, image, &opts, out, err);
}

static int mark_unmounted(struct cps_store *store, const struct cps_top_info *info,
			  const char *name, struct cps_err *err)
{
	const struct cps_top_who who = {
		.pid = getpid(), .uid = getuid(), .gid = getgid()};
	const struct cps_root_opts root = {0};
	const struct cps_top_opts opts = {0};
	struct cps_opened opened = CPS_OPENED_INIT;
	uint64_t upto;
	int rc = cps_open_top(store, info, &root, &opts, &opened, err), closed;

	if (rc == 0)
		rc = cps_top_mark(opened.top, &who, name, &upto, err);
	closed = cps_opened_close(&opened, rc < 0 ? NULL : err);
	return rc < 0 ? rc : closed;
}

/* Of two who take the same name in the same moment, the later has it. */
static int check_free(int dirfd, const struct cps_top_info *info, const char *name,
		      struct cps_err *err)
{
	uint64_t upto;
	int rc = cps_replay_find_mark(dirfd, "log", &info->chain_id, name, &upto, err);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc
		      : cps_err_set(err, -EEXIST,
				    "container '%s' has a mark '%s' already (-f moves "
				    "it)",
				    info->name, name);
}

int cps_container_mark(struct cps_store *store, const struct cps_top_info *info,
		       const char *name, bool move, struct cps_err *err)
{
	cps_auto(cps_fd) int dirfd = cps_tops_dir(store, info, err);
	uint64_t upto;
	int rc = dirfd < 0 ? dirfd : 0;

	if (rc == 0 && !move)
		rc = check_free(dirfd, info, name, err);
	if (rc == 0)
		rc = cps_control_mark(dirfd, name, &upto, err);
	return rc == -ENOTCONN ? mark_unmounted(store, info, name, err) : rc;
}
