#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "differ.h"

#define TRIES     6
#define PATH_LONG 3500 /* leave room for one more name */

/* Names to make: few, so that they meet again; some that are trouble elsewhere. */
static void new_name(char out[NAME_MAX + 1])
{
	static const char *const odd[] = {
		".wh.n1", ".wh..wh..opq",  "new\nline", "\xff\xfe bad",
		"-rf",    ".fuse_hidden1", "tr:i,c\\k", "\xc3\xb1-\xc3\xba"};

	if (chance(85)) {
		snprintf(out, NAME_MAX + 1, "n%u", (unsigned int)below(24));
	} else if (chance(70)) {
		strcpy(out, odd[below(sizeof(odd) / sizeof(*odd))]);
	} else {
		size_t len = 252 + below(4);

		memset(out, 'L', len);
		out[0] = (char)('a' + below(3));
		out[len] = '\0';
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted: the order of readdir() is not the same twice. */
static size_t names_of(int fd, char ***out)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	size_t n = 0, cap = 0;

	*out = NULL;
	while (dir && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			*out = realloc(*out, cap * sizeof(**out));
		}
		(*out)[n++] = strdup(e->d_name);
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(*out, n, sizeof(**out), by_name);
	return n;
}

/* One of the names in `path`, appended to it. */
static bool descend(int dirfd, char path[PATH_MAX], bool *is_folder)
{
	int fd = openat(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	char **names;
	size_t n = fd < 0 ? 0 : names_of(fd, &names), len = strlen(path);
	struct stat st;

	if (n) {
		snprintf(path + len, PATH_MAX - len, "%s%s", len ? "/" : "",
			 names[below(n)]);
		*is_folder = fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			     S_ISDIR(st.st_mode);
	}
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	if (fd >= 0)
		free(names);
	return n > 0;
}

static bool suits(int dirfd, const char *path, enum pick what)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return what == ANY || (what == FILES && S_ISREG(st.st_mode)) ||
	       (what == FOLDER && S_ISDIR(st.st_mode));
}

static bool wander(int dirfd, enum pick what, char path[PATH_MAX])
{
	bool folder = true;

	path[0] = '\0';
	do {
		if (!descend(dirfd, path, &folder))
			break;
	} while (folder && chance(what == FILES ? 90 : 60) && strlen(path) < PATH_LONG);
	return *path && suits(dirfd, path, what);
}

void pick_path(int dirfd, enum pick what, char out[PATH_MAX])
{
	char name[NAME_MAX + 1];
	size_t len;

	out[0] = '\0';
	if (what == NONE)
		return;
	if (what == EITHER)
		what = chance(50) ? ANY : NEW;
	if (chance(4)) /* now and then what does not fit */
		what = ANY + below(NEW - ANY + 1);
	for (int i = 0; i < TRIES; i++)
		if (wander(dirfd, what == NEW ? FOLDER : what, out))
			break;
	if (what == NEW) {
		new_name(name);
		len = strlen(out);
		if (len >= PATH_LONG || chance(8))
			out[len = 0] = '\0';
		snprintf(out + len, PATH_MAX - len, "%s%s", len ? "/" : "", name);
	} else if (!*out) {
		strcpy(out, "no-such");
	}
}
