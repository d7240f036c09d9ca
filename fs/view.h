#ifndef CPS_FS_VIEW_H
#define CPS_FS_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "store/base/path.h"
#include "store/root.h"

/* What a file system says about a root, without any FUSE in it. Every function only
 * reads, is safe from any thread, and returns -ENOENT for an inode that is not there
 * and -EIO for a damaged tree. */

#define CPS_VIEW_BLOCK     4096u       /* bytes; st_blksize and f_bsize */
#define CPS_VIEW_XATTR_MAX (64u << 10) /* bytes of a value or of a list of names */

/** Names the layer that a file or folder comes from; no image holds it. */
#define CPS_VIEW_LAYER_XATTR "user.capas.layer"

/** What stat(2) and readdir(3) call the inode: 0 is nobody's number. */
static inline uint64_t cps_view_number(uint32_t ino)
{
	return (uint64_t)ino + 1;
}

int cps_view_stat(const struct cps_root *root, uint32_t ino, struct stat *out);

void cps_view_statfs(const struct cps_root *root, struct statvfs *out);

/** "." is the inode itself, whatever its type, and ".." a directory's parent: file
 *  handles are resolved with them. 0; -ENOENT; -ENOTDIR. */
int cps_view_lookup(const struct cps_root *root, uint32_t dir, const char *name,
		    uint32_t *ino);

/** One line of a listing. */
struct cps_view_entry {
	char name[CPS_NAME_MAX + 1];
	uint32_t ino;
	uint8_t type;  /* DT_* */
	uint64_t next; /* cookie of the entry after this one */
	bool dot;      /* "." or ".." */
};

/** The entry at `cookie`; a listing starts at 0, and cookies mean the same for ever.
 *  1; 0 at the end; -ENOTDIR. */
int cps_view_readdir(const struct cps_root *root, uint32_t dir, uint64_t cookie,
		     struct cps_view_entry *out);

/** A symlink's target, NUL-terminated. 0; -EINVAL not a symlink; -ENAMETOOLONG. */
int cps_view_readlink(const struct cps_root *root, uint32_t ino, char *buf,
		      size_t size);

/** A value as getxattr(2): its length, with size 0 nothing is copied. -ENODATA no such
 *  attribute; -ERANGE `size` is too small. */
ssize_t cps_view_xattr_get(const struct cps_root *root, uint32_t ino, const char *name,
			   void *buf, size_t size);

/** The names as listxattr(2), each ended by a NUL. -ERANGE; -E2BIG over
 *  CPS_VIEW_XATTR_MAX. */
ssize_t cps_view_xattr_list(const struct cps_root *root, uint32_t ino, char *buf,
			    size_t size);

/** Does any inode carry a POSIX ACL? Looks at all of them if one may. */
bool cps_view_has_acls(const struct cps_root *root);

/** SEEK_DATA and SEEK_HOLE. 0; -ENXIO `off` at the end or no data after it; -EINVAL
 *  another whence or no regular file. */
int cps_view_seek(const struct cps_root *root, uint32_t ino, uint64_t off, int whence,
		  uint64_t *out);

#endif
