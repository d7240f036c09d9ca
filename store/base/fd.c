#include "store/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "store/base/mem.h"
#include "store/base/path.h"

ssize_t cps_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t cps_pread_full(int fd, void *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pread(fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int cps_write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int cps_pwrite_full(int fd, const void *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)buf + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int cps_open_beneath(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int cps_open_regular(int dirfd, const char *name)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	if (!cps_name_ok(name))
		return -EINVAL;
	/* O_NONBLOCK: a fifo under a blob's name must not stop us. */
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	return CPS_TAKE_FD(fd);
}

int cps_read_all(int fd, struct cps_buf *out)
{
	uint8_t chunk[16384];

	for (;;) {
		ssize_t n = cps_read_full(fd, chunk, sizeof(chunk));
		int rc;

		if (n <= 0)
			return (int)n;
		rc = cps_buf_append(out, chunk, (size_t)n);
		if (rc < 0)
			return rc;
	}
}

int cps_map_fd(int fd, struct cps_map *out)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) < 0)
		return -errno;
	*out = (struct cps_map){0};
	if (st.st_size == 0)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	out->data = data;
	out->len = (size_t)st.st_size;
	return 0;
}

void cps_map_fetch(const struct cps_map *map)
{
	/* Where the kernel does not know how, the pages come one by one. */
	if (map->data)
		madvise((void *)(uintptr_t)map->data, map->len, MADV_POPULATE_READ);
}

void cps_map_release(struct cps_map *map)
{
	if (map->data)
		munmap((void *)(uintptr_t)map->data, map->len);
	*map = (struct cps_map){0};
}
