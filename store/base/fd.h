#ifndef CPS_BASE_FD_H
#define CPS_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/base/buf.h"

/* cps_auto(cps_fd) int fd = -1; */
static inline void cps_fd_auto(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/** Gives the descriptor away: the value is returned, the variable becomes -1. */
#define CPS_TAKE_FD(fd)                                                                \
	({                                                                             \
		int taken_ = (fd);                                                     \
		(fd) = -1;                                                             \
		taken_;                                                                \
	})

/** Read until `len` bytes or the end. Returns bytes read or -errno. */
ssize_t cps_read_full(int fd, void *buf, size_t len);
ssize_t cps_pread_full(int fd, void *buf, size_t len, uint64_t off);
/** Write all of it. 0 or -errno. */
int cps_write_full(int fd, const void *buf, size_t len);
int cps_pwrite_full(int fd, const void *buf, size_t len, uint64_t off);

/** Open a path from outside strictly beneath `dirfd` (openat2 RESOLVE_BENEATH |
 *  RESOLVE_NO_MAGICLINKS); symlinks that stay beneath are followed unless O_NOFOLLOW.
 *  An fd or -errno (-EXDEV for an escape). O_CLOEXEC is added. */
int cps_open_beneath(int dirfd, const char *path, int flags);

/** Open one component below `dirfd` as a regular file for reading: never follows a
 *  link, never blocks on a fifo. An fd; -EINVAL bad name; -ELOOP a symlink; -ENOTSUP
 *  not a regular file; else -errno. */
int cps_open_regular(int dirfd, const char *name);

/** Append what is left to read, up to the buffer's limit. 0; -EFBIG; -errno. */
int cps_read_all(int fd, struct cps_buf *out);

/** A read-only mapping of a whole file. */
struct cps_map {
	const uint8_t *data; /* NULL when the file is empty */
	size_t len;          /* bytes */
};

/** 0 or -errno. `fd` may be closed afterwards. */
int cps_map_fd(int fd, struct cps_map *out);
/** All of it will be read: have it mapped at once instead of page by page. */
void cps_map_fetch(const struct cps_map *map);
void cps_map_release(struct cps_map *map);

/* cps_auto(cps_map) struct cps_map map = {0}; */
static inline void cps_map_auto(struct cps_map *map)
{
	cps_map_release(map);
}

#endif
