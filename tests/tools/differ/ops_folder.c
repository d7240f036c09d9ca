#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "differ.h"

#define TOUCH_MAX 24 /* changes while a folder is read */

static DIR *open_folder(const struct op *op, struct root *root, struct result *out)
{
	int fd = openat(root->dirfd, op->a, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	out->rc = fd < 0 ? -1 : 0;
	return fd < 0 ? NULL : fdopendir(fd);
}

/* Order is free: add what each entry hashes to. */
static uint64_t entry_sum(const struct dirent *e)
{
	return digest(e->d_type, e->d_name, strlen(e->d_name));
}

static void check_number(DIR *dir, const struct dirent *e, struct result *out)
{
	struct stat st;

	if (!strcmp(e->d_name, "..") || !strcmp(e->d_name, "."))
		return;
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino != e->d_ino)
		snprintf(out->note, sizeof(out->note),
			 "d_ino of %.60s is not its st_ino", e->d_name);
}

static void run_list(const struct op *op, struct root *root, struct result *out)
{
	DIR *dir = open_folder(op, root, out);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		out->rc++;
		out->digest += entry_sum(e);
		if (!root->overlay)
			check_number(dir, e, out);
	}
	closedir(dir);
}

/* A position from telldir() leads to the same entries again. */
static void run_telldir(const struct op *op, struct root *root, struct result *out)
{
	DIR *dir = open_folder(op, root, out);
	struct dirent *e;
	uint64_t first = 0, again = 0;
	unsigned int skip = op->bits % 40;
	long at;

	if (!dir)
		return;
	while (skip-- && readdir(dir))
		;
	at = telldir(dir);
	while ((e = readdir(dir)))
		first += entry_sum(e);
	seekdir(dir, at);
	while ((e = readdir(dir)))
		again += entry_sum(e);
	rewinddir(dir);
	while ((e = readdir(dir)))
		out->digest += entry_sum(e);
	if (first != again)
		snprintf(out->note, sizeof(out->note), "seekdir came to other entries");
	closedir(dir);
}

/* ---- reading a folder that changes ---- */

struct names {
	char (*name)[NAME_MAX + 1];
	size_t n, cap;
};

static void names_add(struct names *names, const char *name)
{
	if (names->n == names->cap) {
		names->cap = names->cap ? names->cap * 2 : 64;
		names->name = realloc(names->name, names->cap * sizeof(*names->name));
	}
	strcpy(names->name[names->n++], name);
}

static size_t names_count(const struct names *names, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < names->n; i++)
		count += strcmp(names->name[i], name) == 0;
	return count;
}

static void read_some(DIR *dir, size_t count, struct names *seen)
{
	struct dirent *e;

	while (count-- && (e = readdir(dir)))
		names_add(seen, e->d_name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Make, remove or rename one name of the folder; `names` is the folder, sorted. */
static void touch_one(int fd, const struct names *names, uint64_t seed,
		      struct names *touched)
{
	const char *old = names->n ? names->name[seed / 8 % names->n] : "n0";
	char fresh[32];

	snprintf(fresh, sizeof(fresh), "during%u", (unsigned int)(seed / 4096 % 8));
	if (!strcmp(old, ".") || !strcmp(old, ".."))
		return;
	names_add(touched, fresh);
	if (seed % 4 < 2) {
		int made = openat(fd, fresh, O_CREAT | O_WRONLY | O_NONBLOCK, 0600);

		if (made >= 0)
			close(made);
		return;
	}
	names_add(touched, old);
	if (seed % 4 == 2)
		unlinkat(fd, old, 0);
	else
		renameat(fd, old, fd, fresh);
}

static void check_seen(const struct names *before, const struct names *seen,
		       const struct names *touched, struct result *out)
{
	for (size_t i = 0; i < before->n && !*out->note; i++) {
		size_t count = names_count(seen, before->name[i]);

		if (count != 1 && names_count(touched, before->name[i]) == 0)
			snprintf(out->note, sizeof(out->note), "%.60s seen %zu times",
				 before->name[i], count);
	}
}

/* What was there all the time is seen once. */
static void run_changing(const struct op *op, struct root *root, struct result *out)
{
	DIR *dir = open_folder(op, root, out), *first;
	struct names before = {0}, seen = {0}, touched = {0};
	uint64_t seed = op->seed;

	if (!dir)
		return;
	first = open_folder(op, root, out);
	read_some(first, SIZE_MAX, &before);
	closedir(first);
	if (before.n)
		qsort(before.name, before.n, sizeof(*before.name), by_name);
	read_some(dir, op->bits % 64, &seen);
	for (unsigned int i = 0; i < 1 + op->bits / 64 % TOUCH_MAX; i++) {
		touch_one(dirfd(dir), &before, seed, &touched);
		seed = digest(seed, &i, sizeof(i));
		read_some(dir, seed % 7, &seen);
	}
	read_some(dir, SIZE_MAX, &seen);
	check_seen(&before, &seen, &touched, out);
	closedir(dir);
	free(before.name);
	free(seen.name);
	free(touched.name);
}

/* rm -rf: removes while it reads, and nothing may be left. */
static int remove_all(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0 &&
		    remove_all(dirfd(dir), e->d_name) < 0)
			rc = -1;
	}
	if (dir)
		closedir(dir);
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -1 : rc;
}

static void run_remove_all(const struct op *op, struct root *root, struct result *out)
{
	/* Not the big things at the top: there would be nothing left to do. */
	if (!strchr(op->a, '/') && op->bits % 8)
		return;
	out->rc = remove_all(root->dirfd, op->a);
}

static void run_fsync_folder(const struct op *op, struct root *root, struct result *out)
{
	int fd = openat(root->dirfd, op->a, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	out->rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
}

const struct op_kind folder_ops[] = {
	{"list", 20, FOLDER, NONE, false, run_list},
	{"telldir", 8, FOLDER, NONE, false, run_telldir},
	{"changing", 12, FOLDER, NONE, false, run_changing},
	{"remove-all", 8, FOLDER, NONE, false, run_remove_all},
	{"fsync-folder", 1, FOLDER, NONE, false, run_fsync_folder},
	{0},
};
