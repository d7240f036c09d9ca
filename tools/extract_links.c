/* The first names of inodes that have several. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/extract_internal.h"

/** Where an inode was made first. */
struct cps_first_name {
	char *path; /* owned; from the base folder */
	dev_t dev;
	ino_t ino;
};

void cps_first_names_release(struct cps_first_names *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->names[i].path);
	free(f->names);
	free(f->by_inode);
}

bool cps_first_names_has(const struct cps_first_names *f, uint32_t ino)
{
	return f->by_inode && ino < f->inode_count && f->by_inode[ino];
}

int cps_first_names_add(struct cps_first_names *f, uint32_t ino, int dirfd,
			const char *name, const char *path, struct cps_err *err)
{
	struct cps_first_name *first;
	struct stat st;

	if (!f->by_inode)
		f->by_inode = calloc(f->inode_count, sizeof(*f->by_inode));
	if (!f->by_inode ||
	    cps_grow(&f->names, &f->cap, f->count + 1, sizeof(*f->names)) < 0)
		return cps_err_nomem(err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cps_err_sys(err, -errno, "'%s'", path);
	first = &f->names[f->count];
	*first = (struct cps_first_name){strdup(path), st.st_dev, st.st_ino};
	if (!first->path)
		return cps_err_nomem(err);
	f->by_inode[ino] = (uint32_t)++f->count;
	return 0;
}

/* The folder of the first name, opened without leaving the base. */
static int open_parent(int base, const struct cps_first_name *first, const char **name)
{
	const char *slash = strrchr(first->path, '/');
	cps_auto(cps_free) char *parent =
		slash ? strndup(first->path, (size_t)(slash - first->path))
		      : strdup(".");

	*name = slash ? slash + 1 : first->path;
	return parent ? cps_open_beneath(base, parent, O_PATH | O_DIRECTORY) : -ENOMEM;
}

int cps_first_names_link(const struct cps_first_names *f, uint32_t ino, int dirfd,
			 const char *name)
{
	const struct cps_first_name *first = &f->names[f->by_inode[ino] - 1];
	const char *old;
	cps_auto(cps_fd) int parent = open_parent(f->base, first, &old);
	struct stat st;

	/* What is there must still be what was made. */
	if (parent < 0 || fstatat(parent, old, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != first->dev || st.st_ino != first->ino)
		return -ESTALE;
	return linkat(parent, old, dirfd, name, 0) < 0 ? -errno : 0;
}
