#include "tools/ps_text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "store/folder.h"
#include "tools/images.h"

const char *cps_status_word(const struct cps_live *live)
{
	if (cps_live_is_mounted(live))
		return "mounted";
	switch (live->state.status) {
	case CPS_CONTAINER_RUNNING:
		return "running";
	case CPS_CONTAINER_EXITED:
		return "exited";
	default:
		return "created";
	}
}

const char *cps_status_text(const struct cps_live *live, int64_t now_s,
			    char out[CPS_HUMAN_MAX + 16])
{
	const struct cps_container_state *s = &live->state;
	char text[CPS_HUMAN_MAX];
	int64_t started;

	if (cps_live_is_mounted(live))
		return "Mounted";
	if (s->status == CPS_CONTAINER_CREATED)
		return "Created";
	if (s->status == CPS_CONTAINER_EXITED) {
		snprintf(out, CPS_HUMAN_MAX + 16, "Exited (%d) %s", s->exit_code,
			 cps_ago_text(s->finished, now_s, text));
		return out;
	}
	if (cps_time_parse(s->started, &started) < 0)
		return "Up";
	snprintf(out, CPS_HUMAN_MAX + 16, "Up %s",
		 cps_duration_text(now_s - started, text));
	return out;
}

int cps_command_text(const struct cps_live *live, struct cps_buf *out)
{
	const struct cps_strings *lists[] = {&live->config.entrypoint,
					     &live->config.cmd};
	int rc = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->count && rc == 0; k++)
			rc = cps_buf_printf(out, "%s%s", out->len ? " " : "",
					    lists[i]->v[k]);
	return rc;
}

static int add_file(void *ctx, int dirfd, const char *name, const struct cps_digest *id,
		    const struct stat *st)
{
	(void)dirfd, (void)name, (void)id;
	*(uint64_t *)ctx += (uint64_t)st->st_blocks * 512;
	return 0;
}

const char *cps_written_text(struct cps_store *store, const struct cps_live *live,
			     char out[2 * CPS_HUMAN_MAX])
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_fd) int data = openat(
		live->folder, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char written[CPS_HUMAN_MAX], all[CPS_HUMAN_MAX];
	uint64_t bytes = 0, below = 0;
	struct stat st;

	/* The log has room set aside behind its end. */
	if (fstatat(live->folder, "log", &st, AT_SYMLINK_NOFOLLOW) == 0)
		bytes = (uint64_t)st.st_size;
	if (data >= 0)
		cps_folder_each(data, add_file, &bytes, NULL);
	if (cps_tops_image(store, &live->info, &image, NULL) == 0)
		below = cps_image_bytes(image);
	snprintf(out, 2 * CPS_HUMAN_MAX, "%s (virtual %s)",
		 cps_size_text(bytes, written), cps_size_text(bytes + below, all));
	return out;
}
