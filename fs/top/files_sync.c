/* Syncing the files beside the log, and the log. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/top/files_internal.h"
#include "store/base/mem.h"

static int add_fd(struct cps_files *files, struct cps_file *f,
		  struct cps_files_sync *out, size_t *cap)
{
	int rc = cps_grow(&out->fds, cap, out->count + 1, sizeof(*out->fds)), fd = -1;

	/* In use, so that it is not closed for want of room as soon as it is open. */
	f->users++;
	if (rc == 0)
		rc = cps_file_open(files, f, false);
	if (rc == 0)
		fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (rc == 0 && fd < 0)
		rc = -errno;
	f->users--;
	if (rc < 0)
		return rc;
	out->fds[out->count++] = fd;
	f->dirty = f->first = false;
	return 0;
}

static int take_loose(struct cps_files *files, struct cps_files_sync *out)
{
	if (!files->loose_count)
		return 0;
	out->loose = malloc(files->loose_count * sizeof(*out->loose));
	if (!out->loose)
		return -ENOMEM;
	for (size_t i = 0; i < CPS_ARRAY_LEN(files->slots); i++)
		for (struct cps_file *f = files->slots[i]; f; f = f->chain)
			if (f->loose.end) {
				out->loose[out->loose_count++] = f->loose;
				cps_file_tighten(files, f);
			}
	return 0;
}

static bool among(const uint32_t *numbers, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static int add_dirty(struct cps_files *files, const uint32_t *numbers, size_t count,
		     struct cps_files_sync *out)
{
	size_t cap = 0;
	int rc = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(files->slots) && rc == 0; i++)
		for (struct cps_file *f = files->slots[i]; f && rc == 0; f = f->chain)
			if (f->dirty &&
			    (f->first || !numbers || among(numbers, count, f->number)))
				rc = add_fd(files, f, out, &cap);
	return rc;
}

bool cps_files_dirty(struct cps_files *files, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct cps_file *f = cps_file_find(files, numbers[i]);

		if (f && f->dirty)
			return true;
	}
	return false;
}

int cps_files_sync_begin(struct cps_files *files, const uint32_t *numbers, size_t count,
			 struct cps_files_sync *out)
{
	int rc;

	*out = (struct cps_files_sync){.dirfd = -1, .doomed = files->doomed_count};
	rc = add_dirty(files, numbers, count, out);
	if (rc == 0)
		rc = take_loose(files, out);
	if (rc == 0 && files->folder_dirty) {
		out->dirfd = fcntl(files->dirfd, F_DUPFD_CLOEXEC, 0);
		if (out->dirfd < 0)
			rc = -errno;
		files->folder_dirty = false;
	}
	return rc;
}

int cps_files_sync_do(struct cps_files_sync *sync, int log_fd)
{
	int rc = 0;

	for (size_t i = 0; i < sync->count; i++)
		if (fdatasync(sync->fds[i]) < 0 && rc == 0)
			rc = -errno;
	if (sync->dirfd >= 0 && fsync(sync->dirfd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && fdatasync(log_fd) < 0)
		rc = -errno;
	return rc;
}

void cps_files_sync_end(struct cps_files *files, struct cps_files_sync *sync, int rc)
{
	size_t rest;

	for (size_t i = 0; i < sync->count; i++)
		close(sync->fds[i]);
	free(sync->fds);
	free(sync->loose);
	if (sync->dirfd >= 0)
		close(sync->dirfd);
	if (rc < 0 || sync->doomed == 0)
		return;
	for (size_t i = 0; i < sync->doomed; i++)
		cps_file_remove(files, files->doomed[i]);
	rest = files->doomed_count - sync->doomed;
	memmove(files->doomed, files->doomed + sync->doomed,
		rest * sizeof(*files->doomed));
	files->doomed_count = rest;
}
