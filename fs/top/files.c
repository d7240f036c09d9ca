#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/top/files_internal.h"
#include "fs/top/ranges.h"
#include "store/base/fd.h"
#include "store/base/mem.h"

#define NAME_LEN 9 /* "%08x" */

static const char *name_of(uint32_t number, char out[NAME_LEN])
{
	snprintf(out, NAME_LEN, "%08x", number);
	return out;
}

void cps_files_init(struct cps_files *files, int dirfd, bool writable)
{
	*files = (struct cps_files){.dirfd = dirfd, .writable = writable};
}

void cps_files_release(struct cps_files *files)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(files->slots); i++)
		for (struct cps_file *f = files->slots[i], *next; f; f = next) {
			next = f->chain;
			if (f->fd >= 0)
				close(f->fd);
			free(f);
		}
	free(files->doomed);
	if (files->dirfd >= 0)
		close(files->dirfd);
	*files = (struct cps_files){.dirfd = -1};
}

/* ---- which are open ---- */

static struct cps_file **slot_of(struct cps_files *files, uint32_t number)
{
	return &files->slots[number % CPS_ARRAY_LEN(files->slots)];
}

static void leave_list(struct cps_files *files, struct cps_file *f)
{
	*(f->newer ? &f->newer->older : &files->newest) = f->older;
	*(f->older ? &f->older->newer : &files->oldest) = f->newer;
	f->newer = f->older = NULL;
	files->open_count--;
}

static void enter_list(struct cps_files *files, struct cps_file *f)
{
	f->older = files->newest;
	*(f->older ? &f->older->newer : &files->oldest) = f;
	files->newest = f;
	files->open_count++;
}

static void close_idle(struct cps_files *files)
{
	struct cps_file *f = files->oldest;

	while (f && files->open_count > CPS_FILES_OPEN_MAX) {
		struct cps_file *newer = f->newer;

		if (f->users == 0) {
			leave_list(files, f);
			close(f->fd);
			f->fd = -1;
		}
		f = newer;
	}
}

int cps_file_open(struct cps_files *files, struct cps_file *f, bool make)
{
	int flags = (files->writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC;
	char name[NAME_LEN];

	if (f->fd >= 0) {
		leave_list(files, f);
		enter_list(files, f);
		return 0;
	}
	f->fd = openat(files->dirfd, name_of(f->number, name),
		       flags | (make ? O_CREAT | O_EXCL : 0), 0600);
	if (f->fd < 0)
		return -errno;
	if (make)
		files->folder_dirty = true;
	enter_list(files, f);
	close_idle(files);
	return 0;
}

void cps_file_forget(struct cps_files *files, struct cps_file *f)
{
	struct cps_file **at = slot_of(files, f->number);

	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	if (f->fd >= 0) {
		leave_list(files, f);
		close(f->fd);
	}
	files->count--;
	files->loose_count -= f->loose.end != 0;
	free(f);
}

struct cps_file *cps_file_find(struct cps_files *files, uint32_t number)
{
	struct cps_file *f = *slot_of(files, number);

	while (f && f->number != number)
		f = f->chain;
	return f;
}

static struct cps_file *add(struct cps_files *files, uint32_t number)
{
	struct cps_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->number = number;
	f->fd = -1;
	f->chain = *slot_of(files, number);
	*slot_of(files, number) = f;
	files->count++;
	return f;
}

int cps_files_get(struct cps_files *files, uint32_t number, bool make,
		  struct cps_file **out)
{
	struct cps_file *f = cps_file_find(files, number);
	int rc;

	if (!f)
		f = add(files, number);
	if (!f)
		return -ENOMEM;
	f->users++;
	rc = cps_file_open(files, f, make);
	if (rc < 0) {
		if (--f->users == 0 && !f->dirty)
			cps_file_forget(files, f);
		return rc;
	}
	*out = f;
	return 0;
}

void cps_files_put(struct cps_files *files, struct cps_file *file)
{
	file->users--;
}

int cps_file_fd(const struct cps_file *file)
{
	return file->fd;
}

void cps_file_touch(struct cps_file *file, bool first)
{
	file->dirty = true;
	file->first |= first;
}

int cps_files_doom(struct cps_files *files, uint32_t number)
{
	if (cps_grow(&files->doomed, &files->doomed_cap, files->doomed_count + 1,
		     sizeof(*files->doomed)) < 0)
		return -ENOMEM;
	files->doomed[files->doomed_count++] = number;
	return 0;
}

void cps_file_remove(struct cps_files *files, uint32_t number)
{
	struct cps_file *f = cps_file_find(files, number);
	char name[NAME_LEN];

	if (f && f->users) {
		cps_files_doom(files, number); /* somebody reads it: next time */
		return;
	}
	unlinkat(files->dirfd, name_of(number, name), 0);
	if (f)
		cps_file_forget(files, f);
}

/* ---- what is given back ---- */

void cps_files_loosen(struct cps_files *files, const struct cps_loose *loose)
{
	struct cps_file *f = cps_file_find(files, loose->number);

	if (!f)
		f = add(files, loose->number);
	if (!f || loose->off >= loose->end)
		return; /* it stays as large as it is */
	if (!f->loose.end) {
		f->loose = *loose;
		files->loose_count++;
		return;
	}
	if (loose->off < f->loose.off)
		f->loose.off = loose->off;
	if (loose->end > f->loose.end)
		f->loose.end = loose->end;
}

void cps_file_tighten(struct cps_files *files, struct cps_file *f)
{
	files->loose_count -= f->loose.end != 0;
	f->loose.end = 0;
}

void cps_files_tighten(struct cps_files *files, uint32_t number)
{
	struct cps_file *f = cps_file_find(files, number);

	if (f)
		cps_file_tighten(files, f);
}

static void cut_end(int fd, uint64_t off)
{
	struct stat st;

	/* Also where it ends already: space may be set aside behind that. */
	if (fstat(fd, &st) == 0)
		(void)!ftruncate(fd,
				 (uint64_t)st.st_size < off ? st.st_size : (off_t)off);
}

void cps_files_punch(struct cps_files *files, uint32_t number, uint64_t off,
		     uint64_t end)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct cps_file *f;

	if (cps_files_get(files, number, false, &f) < 0)
		return;
	if (end == CPS_RANGE_END)
		cut_end(f->fd, off);
	else
		(void)fallocate(f->fd, punch, (off_t)off, (off_t)(end - off));
	cps_files_put(files, f);
}

/* ---- when a top is opened ---- */

int cps_files_trim(struct cps_files *files, uint32_t number, uint64_t size)
{
	cps_auto(cps_fd) int fd = -1;
	char name[NAME_LEN];
	struct stat st;

	name_of(number, name);
	if (fstatat(files->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((uint64_t)st.st_size <= size)
		return 0;
	fd = openat(files->dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int cps_files_sweep(struct cps_files *files, uint32_t from,
		    bool (*keep)(void *ctx, uint32_t number), void *ctx)
{
	cps_auto(cps_fd) int fd = fcntl(files->dirfd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!dir)
		return -errno;
	CPS_TAKE_FD(fd);
	rewinddir(dir);
	while ((de = readdir(dir))) {
		char *end;
		unsigned long number = strtoul(de->d_name, &end, 16);

		if (strlen(de->d_name) != NAME_LEN - 1 || *end)
			continue;
		if (number >= from && !keep(ctx, (uint32_t)number))
			unlinkat(files->dirfd, de->d_name, 0);
	}
	closedir(dir);
	return 0;
}
