#include "fs/opened.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "fs/top/control.h"

#define PAUSE_MS  10u
#define ENDING_MS 60000u /* for a driver that syncs what it was told */
#define ALIVE_MS  2000u  /* for one that does not know yet that it was unmounted */

int cps_open_bare(struct cps_store *store, struct cps_image *image,
		  const struct cps_root_opts *opts, struct cps_opened *out,
		  struct cps_err *err)
{
	int rc = cps_root_open(store, image, opts, &out->root, err);

	return rc < 0 ? rc : cps_top_bare(out->root, &out->top, err);
}

/* Unmounting does not wait for the driver; who mounts the same top again does. */
static int open_when_free(struct cps_opened *out, const struct cps_digest *id,
			  const struct cps_top_opts *opts, struct cps_err *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	unsigned int alive_ms = 0;
	int rc;

	for (unsigned int ms = 0;; ms += PAUSE_MS) {
		rc = cps_top_open(out->root, out->dirfd, id, opts, &out->top, err);
		if (rc != -EBUSY || ms >= ENDING_MS)
			return rc;
		alive_ms += cps_control_alive(out->dirfd) ? PAUSE_MS : 0;
		if (alive_ms >= ALIVE_MS)
			return rc;
		nanosleep(&pause, NULL);
	}
}

int cps_open_top(struct cps_store *store, const struct cps_top_info *info,
		 const struct cps_root_opts *opts, const struct cps_top_opts *top_opts,
		 struct cps_opened *out, struct cps_err *err)
{
	struct cps_image *image = NULL;
	int rc;

	out->dirfd = cps_tops_dir(store, info, err);
	if (out->dirfd < 0)
		return out->dirfd;
	rc = cps_tops_image(store, info, &image, err);
	if (rc == 0)
		rc = cps_root_open(store, image, opts, &out->root, err);
	if (rc == 0)
		rc = open_when_free(out, &info->chain_id, top_opts, err);
	return rc < 0 ? cps_err_wrap(err, rc, "top '%s'", info->name) : 0;
}

int cps_opened_close(struct cps_opened *opened, struct cps_err *err)
{
	int rc = cps_top_close(opened->top, err);

	cps_root_close(opened->root);
	if (opened->dirfd >= 0)
		close(opened->dirfd);
	*opened = (struct cps_opened)CPS_OPENED_INIT;
	return rc;
}
