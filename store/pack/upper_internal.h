#ifndef CPS_UPPER_INTERNAL_H
#define CPS_UPPER_INTERNAL_H

#include <sys/stat.h>

#include "store/base/path.h"
#include "store/upper.h"

/* ---- folders by path, without following anything (upper_open.c) ---- */

/** The folder that was opened last, so that its entries cost one open each. */
struct cps_upper_dir {
	int root;            /* borrowed */
	int fd;              /* owned; -1: the root itself */
	struct cps_buf path; /* of it */
};

/** Open the folder of `len` bytes of `path`, component by component. A borrowed fd,
 * good until the next call; -errno. */
int cps_upper_open_dir(struct cps_upper_dir *dir, const char *path, size_t len);
/** The folder of `path`, and its last component. */
int cps_upper_open_parent(struct cps_upper_dir *dir, const char *path,
			  const char **name);
void cps_upper_dir_release(struct cps_upper_dir *dir);

/* ---- attributes (upper_xattr.c) ---- */

/** Attributes of one file, kept while they are looked at. */
struct cps_upper_xattrs {
	struct cps_buf names, values;
	struct cps_tar_xattr *items; /* sorted by name */
	size_t count, cap;
};

/** All of them, of whatever `name` in `dirfd` is (never followed). */
int cps_upper_xattrs_read(int dirfd, const char *name, struct cps_upper_xattrs *out);
void cps_upper_xattrs_release(struct cps_upper_xattrs *xattrs);

/** What the attributes of a union filesystem say. */
struct cps_upper_marks {
	bool whiteout, opaque;
	const char *refused; /* an attribute whose meaning lies in other layers; NULL */
	bool has_override;
	uint32_t uid, gid,
		mode; /* fuse-overlayfs: what it shows; the type too when told */
	dev_t rdev;
};

/** Read them and take them out of the list; what is left belongs into the layer. Mode
 *  and device of `st` are the start of an override. */
void cps_upper_marks_take(struct cps_upper_xattrs *xattrs, const struct stat *st,
			  struct cps_upper_marks *out);
/** fstatat(2) and what the marks say, together. */
int cps_upper_look(int dirfd, const char *name, struct stat *st,
		   struct cps_upper_xattrs *xattrs, struct cps_upper_marks *marks);

/* ---- planning (upper.c, upper_plan.c) ---- */

struct cps_upper {
	struct cps_upper_dir dir;
	struct cps_pack_plan plan;
	struct cps_pack_source source;
	struct cps_pack_stream *stream;
	struct cps_upper_xattrs xattrs; /* of the entry that was described last */
	char link[CPS_PATH_MAX + 1];
	int file;         /* open for reading; -1 */
	struct stat seen; /* of it */
	bool closed;      /* bytes are not asked for: files are not opened */
};

int cps_upper_find(struct cps_upper *upper, const struct cps_tree *lower,
		   struct cps_err *err);

#endif
