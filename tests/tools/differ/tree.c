#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "differ.h"

#define SHOWN 12 /* differences printed */

struct entry {
	char *path;
	struct stat st;
	uint64_t born; /* ns; with the number it names a life */
	uint64_t content, xattrs;
	size_t group; /* first entry with this inode */
};

struct tree {
	struct entry *entry;
	size_t n, cap;
};

static time_t began; /* of the program: an mtime after it was not set by hand */

_Noreturn void die(const char *what)
{
	fprintf(stderr, "differ: %s: %s\n", what, strerror(errno));
	exit(2);
}

static _Noreturn void die_at(const char *call, const char *path)
{
	int err = errno;

	fprintf(stderr, "differ: %s of ", call);
	errno = err;
	die(path);
}

static uint64_t content_of(int dirfd, const char *name, const char *path)
{
	static uint8_t buffer[1 << 20];
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW);
	uint64_t sum = 0;
	ssize_t n;

	if (fd < 0)
		die_at("open", path);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		sum = digest(sum, buffer, (size_t)n);
	if (n < 0)
		die_at("read", path);
	close(fd);
	return sum;
}

static bool is_ignored(const char *name)
{
	return strncmp(name, IGNORED, strlen(IGNORED)) == 0;
}

/* The sum over all xattrs; their order is free. */
static uint64_t xattrs_of(int dirfd, const char *name, const char *path)
{
	char proc[NAME_MAX + 64], list[4096], value[4096];
	uint64_t sum = 0;
	ssize_t n, len;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", dirfd, name);
	n = llistxattr(proc, list, sizeof(list));
	if (n < 0)
		die(path);
	for (const char *at = list; at < list + n; at += strlen(at) + 1) {
		if (is_ignored(at))
			continue;
		len = lgetxattr(proc, at, value, sizeof(value));
		if (len < 0)
			die(path);
		sum += digest(digest(1, at, strlen(at)), value, (size_t)len);
	}
	return sum;
}

static void read_entry(struct tree *tree, int dirfd, const char *name, const char *path)
{
	struct entry *e;
	struct statx sx;

	if (tree->n == tree->cap) {
		tree->cap = tree->cap ? tree->cap * 2 : 1024;
		tree->entry = realloc(tree->entry, tree->cap * sizeof(*tree->entry));
	}
	e = &tree->entry[tree->n++];
	*e = (struct entry){.path = strdup(path)};
	if (fstatat(dirfd, name, &e->st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &sx) < 0)
		die(path);
	e->born = (uint64_t)sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec;
	e->xattrs = xattrs_of(dirfd, name, path);
	if (S_ISREG(e->st.st_mode)) {
		e->content = content_of(dirfd, name, path);
	} else if (S_ISLNK(e->st.st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

		if (n < 0)
			die(path);
		e->content = digest(0, target, (size_t)n);
	}
}

static void read_folder(struct tree *tree, int parent, const char *name,
			const char *path)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char below_path[PATH_MAX];
	struct dirent *e;

	if (!dir)
		die(path);
	while ((e = readdir(dir))) {
		size_t at = tree->n;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below_path, sizeof(below_path), "%s%s%s", path,
			 *path ? "/" : "", e->d_name);
		read_entry(tree, fd, e->d_name, below_path);
		if (S_ISDIR(tree->entry[at].st.st_mode))
			read_folder(tree, fd, e->d_name, below_path);
	}
	closedir(dir);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static const struct tree *sorted; /* for by_number() */

static int by_number(const void *a, const void *b)
{
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	ino_t x = sorted->entry[i].st.st_ino, y = sorted->entry[j].st.st_ino;

	return x != y ? (x < y ? -1 : 1) : (i < j ? -1 : i > j);
}

static void find_groups(struct tree *tree)
{
	size_t *order = calloc(tree->n + 1, sizeof(*order));

	for (size_t i = 0; i < tree->n; i++)
		order[i] = i;
	sorted = tree;
	qsort(order, tree->n, sizeof(*order), by_number);
	for (size_t i = 0; i < tree->n; i++) {
		struct entry *e = &tree->entry[order[i]];
		const struct entry *last = i ? &tree->entry[order[i - 1]] : NULL;

		e->group = last && last->st.st_ino == e->st.st_ino ? last->group
								   : order[i];
	}
	free(order);
}

struct tree *tree_read(const struct root *root)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!began)
		began = time(NULL);
	read_entry(tree, root->dirfd, ".", "");
	read_folder(tree, root->dirfd, ".", "");
	qsort(tree->entry, tree->n, sizeof(*tree->entry), by_path);
	find_groups(tree);
	return tree;
}

void tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		free(tree->entry[i].path);
	free(tree->entry);
	free(tree);
}

/* ---- comparing ---- */

/* An mtime that was set by hand is exact; any other is only known to be recent. */
static bool mtime_differs(const struct stat *a, const struct stat *b)
{
	if (a->st_mtim.tv_sec < OLD)
		return a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
		       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
	return b->st_mtim.tv_sec < began - 1;
}

static const char *difference(const struct tree *ref, const struct entry *a,
			      const struct tree *tree, const struct entry *b)
{
	bool folder = S_ISDIR(a->st.st_mode);

	if (a->st.st_mode != b->st.st_mode)
		return "mode";
	if (a->st.st_uid != b->st.st_uid || a->st.st_gid != b->st.st_gid)
		return "owner";
	if (!folder && a->st.st_size != b->st.st_size)
		return "size";
	/* A folder may count its subfolders or say 1, but not something else. */
	if (a->st.st_nlink != b->st.st_nlink && !(folder && b->st.st_nlink == 1))
		return "nlink";
	if ((S_ISCHR(a->st.st_mode) || S_ISBLK(a->st.st_mode)) &&
	    a->st.st_rdev != b->st.st_rdev)
		return "device number";
	if (mtime_differs(&a->st, &b->st))
		return "mtime";
	if (a->content != b->content)
		return "content";
	if (a->xattrs != b->xattrs)
		return "xattrs";
	if (strcmp(ref->entry[a->group].path, tree->entry[b->group].path) != 0)
		return "hard links";
	if (b->st.st_dev != tree->entry[0].st.st_dev)
		return "st_dev";
	return NULL;
}

static void show(const struct root *root, const struct entry *e)
{
	fprintf(stderr,
		"    %-8s mode %06o owner %u:%u size %lld nlink %lu rdev %u:%u mtime "
		"%lld.%09ld ino %lu content %016llx xattrs %016llx\n",
		root->name, e->st.st_mode, e->st.st_uid, e->st.st_gid,
		(long long)e->st.st_size, (unsigned long)e->st.st_nlink,
		major(e->st.st_rdev), minor(e->st.st_rdev),
		(long long)e->st.st_mtim.tv_sec, e->st.st_mtim.tv_nsec,
		(unsigned long)e->st.st_ino, (unsigned long long)e->content,
		(unsigned long long)e->xattrs);
}

static void show_xattrs(const struct root *root, const char *path)
{
	char full[PATH_MAX * 2], list[4096], value[512];
	ssize_t n, len;

	snprintf(full, sizeof(full), "%s/%s", root->path, path);
	n = llistxattr(full, list, sizeof(list));
	for (const char *at = list; n > 0 && at < list + n; at += strlen(at) + 1) {
		len = lgetxattr(full, at, value, sizeof(value));
		fprintf(stderr, "    %-8s %s (%zd)", root->name, at, len);
		for (ssize_t i = 0; i < len && i < 60; i++)
			fprintf(stderr, " %02x", (unsigned char)value[i]);
		fputc('\n', stderr);
	}
}

unsigned int tree_compare(const struct root *ref_root, const struct tree *ref,
			  const struct root *root, const struct tree *tree)
{
	unsigned int bad = 0;
	size_t i = 0, j = 0;

	while (i < ref->n || j < tree->n) {
		const struct entry *a = i < ref->n ? &ref->entry[i] : NULL;
		const struct entry *b = j < tree->n ? &tree->entry[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
		const char *what = order < 0   ? "missing"
				   : order > 0 ? "too much"
					       : difference(ref, a, tree, b);

		if (what && bad++ < SHOWN) {
			fprintf(stderr, "  %s: '%s': %s\n", root->name,
				order > 0 ? b->path : a->path, what);
			if (order <= 0)
				show(ref_root, a);
			if (order >= 0)
				show(root, b);
			if (strcmp(what, "xattrs") == 0) {
				show_xattrs(ref_root, a->path);
				show_xattrs(root, b->path);
			}
		}
		i += order <= 0;
		j += order >= 0;
	}
	return bad;
}

/* ---- numbers that stay ---- */

struct life {
	ino_t ref;
	uint64_t born;
	ino_t number;
};

static struct life *lives; /* of the one root that is held to this, sorted */
static size_t lives_n;

static int by_life(const void *a, const void *b)
{
	const struct life *x = a, *y = b;

	if (x->ref != y->ref)
		return x->ref < y->ref ? -1 : 1;
	return x->born < y->born ? -1 : x->born > y->born;
}

/* The trees are the same, so entry i of one is entry i of the other. */
unsigned int tree_numbers(const struct tree *ref, const struct root *root,
			  const struct tree *tree)
{
	struct life *next = calloc(tree->n + 1, sizeof(*next));
	unsigned int bad = 0;

	for (size_t i = 0; i < tree->n; i++) {
		struct life *l = &next[i], *old;

		*l = (struct life){ref->entry[i].st.st_ino, ref->entry[i].born,
				   tree->entry[i].st.st_ino};
		old = lives_n ? bsearch(l, lives, lives_n, sizeof(*l), by_life) : NULL;
		if (old && old->number != l->number && bad++ < SHOWN)
			fprintf(stderr, "  %s: '%s': its number was %lu, now %lu\n",
				root->name, tree->entry[i].path,
				(unsigned long)old->number, (unsigned long)l->number);
	}
	qsort(next, tree->n, sizeof(*next), by_life);
	free(lives);
	lives = next;
	lives_n = tree->n;
	return bad;
}
