#include "store/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>

#include "store/base/le.h"
#include "store/codec/table.h"

#define FREE_SHARE  4u /* of what the disk has free, one part may be taken */
#define SPARE_SHARE 8u /* of what may be kept, this part is free at first */
#define BLOCK_BYTES 512u
/* Who asks for more, and faster, reads all there is, perhaps once in its life. */
#define BURST_BYTES (128ll << 20) /* of a blob that a mount keeps at once */
#define RATE_BYTES  (2ll << 20)   /* and what it may add each second */
#define WORD_BITS   64u

struct cps_kept {
	const struct cps_seek *seek; /* borrowed */
	int fd;
	_Atomic int64_t room;    /* bytes that may still be written */
	_Atomic int64_t written; /* bytes */
	struct timespec since;
	_Atomic uint64_t *present; /* a bit for each piece that may be there */
};

/* ---- which pieces are there ---- */

static bool has(const struct cps_kept *k, uint64_t piece)
{
	return atomic_load_explicit(&k->present[piece / WORD_BITS],
				    memory_order_relaxed) >>
		       (piece % WORD_BITS) &
	       1;
}

static void set(struct cps_kept *k, uint64_t piece)
{
	atomic_fetch_or_explicit(&k->present[piece / WORD_BITS],
				 (uint64_t)1 << (piece % WORD_BITS),
				 memory_order_relaxed);
}

static void clear(struct cps_kept *k, uint64_t piece)
{
	atomic_fetch_and_explicit(&k->present[piece / WORD_BITS],
				  ~((uint64_t)1 << (piece % WORD_BITS)),
				  memory_order_relaxed);
}

/* A place without data was never written. */
static void find_present(struct cps_kept *k)
{
	uint64_t pieces = k->seek->check_count;
	off_t data = 0, hole = 0;

	while ((data = lseek(k->fd, hole, SEEK_DATA)) >= 0 &&
	       (hole = lseek(k->fd, data, SEEK_HOLE)) > data)
		for (uint64_t i = (uint64_t)data / CPS_CHECK_BYTES;
		     i < pieces && i * CPS_CHECK_BYTES < (uint64_t)hole; i++)
			set(k, i);
}

/* ---- how much may be there ---- */

/** The files of the folder, seen once. */
struct census {
	uint64_t used; /* bytes on the disk */
	char oldest[CPS_DIGEST_HEX_LEN];
	time_t oldest_s;
};

static void count_file(struct census *c, int dirfd, const char *name)
{
	struct stat st;
	time_t used_s;

	if (strlen(name) >= sizeof(c->oldest) ||
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	used_s = st.st_atime > st.st_mtime ? st.st_atime : st.st_mtime;
	c->used += (uint64_t)st.st_blocks * BLOCK_BYTES;
	if (!*c->oldest || used_s < c->oldest_s) {
		strcpy(c->oldest, name);
		c->oldest_s = used_s;
	}
}

static int take_census(int dirfd, struct census *out)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	*out = (struct census){0};
	if (!dir) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	while ((de = readdir(dir)))
		count_file(out, dirfd, de->d_name);
	closedir(dir);
	return 0;
}

/* Bytes that may be added, after those that were used longest ago have gone. */
static int64_t make_room(int dirfd, uint64_t max_bytes)
{
	struct statvfs disk;
	struct census c;
	uint64_t free_bytes;

	while (take_census(dirfd, &c) == 0) {
		if (c.used <= max_bytes - max_bytes / SPARE_SHARE) {
			if (fstatvfs(dirfd, &disk) < 0)
				return 0;
			free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
			max_bytes -= c.used;
			return (int64_t)(max_bytes < free_bytes / FREE_SHARE
						 ? max_bytes
						 : free_bytes / FREE_SHARE);
		}
		if (!*c.oldest || unlinkat(dirfd, c.oldest, 0) < 0)
			return 0;
	}
	return 0;
}

/* ---- life ---- */

static int open_file(const struct cps_seek *seek)
{
	int dirfd = cps_store_derived_fd(seek->store, CPS_KEPT), fd;
	char hex[CPS_DIGEST_HEX_LEN];
	struct stat st;

	cps_digest_hex(&seek->digest, hex);
	fd = openat(dirfd, hex, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -ENOTSUP;
}

int cps_kept_open(const struct cps_seek *seek, uint64_t max_bytes,
		  struct cps_kept **out)
{
	cps_auto(cps_kept_close) struct cps_kept *k = NULL;
	size_t words = seek->check_count / WORD_BITS + 1;
	int64_t room;

	if (!seek->store)
		return -ENOENT;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->fd = -1;
	k->seek = seek;
	clock_gettime(CLOCK_MONOTONIC, &k->since);
	k->present = calloc(words, sizeof(*k->present));
	if (!k->present)
		return -ENOMEM;
	room = make_room(cps_store_derived_fd(seek->store, CPS_KEPT), max_bytes);
	atomic_store(&k->room, room);
	k->fd = open_file(seek);
	if (k->fd < 0)
		return k->fd;
	find_present(k);
	*out = CPS_TAKE(k);
	return 0;
}

void cps_kept_close(struct cps_kept *kept)
{
	if (!kept)
		return;
	if (kept->fd >= 0)
		close(kept->fd);
	free(kept->present);
	free(kept);
}

/* ---- reading and writing ---- */

static ssize_t read_at(int fd, void *buf, size_t len, uint64_t off, bool nowait)
{
	struct iovec iov = {buf, len};

	if (!nowait)
		return cps_pread_full(fd, buf, len, off);
	return preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT) == (ssize_t)len
		       ? (ssize_t)len
		       : -EAGAIN;
}

ssize_t cps_kept_read(struct cps_kept *kept, uint32_t span, uint32_t off, void *buf,
		      size_t len, bool nowait)
{
	uint32_t within = off % CPS_CHECK_BYTES, piece_len;
	uint8_t scratch[CPS_CHECK_BYTES];
	uint8_t *data = scratch;
	struct cps_span s;
	uint64_t piece;
	ssize_t n;

	cps_seek_load(kept->seek, span, &s);
	piece = s.first_check + off / CPS_CHECK_BYTES;
	if (off >= s.out_len || !has(kept, piece))
		return -ENOENT;
	piece_len = s.out_len - (off - within);
	if (piece_len > CPS_CHECK_BYTES)
		piece_len = CPS_CHECK_BYTES;
	if (len > piece_len - within)
		len = piece_len - within;
	if (len == piece_len)
		data = buf;
	n = read_at(kept->fd, data, piece_len, piece * CPS_CHECK_BYTES, nowait);
	if (n == -EAGAIN)
		return n;
	if (n != (ssize_t)piece_len ||
	    (uint32_t)XXH3_64bits(data, piece_len) !=
		    cps_le32(kept->seek->checks + piece * CPS_CHECK_SIZE)) {
		clear(kept, piece);
		return -ENOENT;
	}
	if (data == scratch)
		memcpy(buf, scratch + within, len);
	return (ssize_t)len;
}

bool cps_kept_has(const struct cps_kept *kept, uint32_t span, uint32_t from,
		  uint32_t to)
{
	struct cps_span s;
	uint64_t piece, end;

	cps_seek_load(kept->seek, span, &s);
	piece = s.first_check + from / CPS_CHECK_BYTES;
	end = s.first_check + cps_span_checks(to < s.out_len ? to : s.out_len);
	while (piece < end && has(kept, piece))
		piece++;
	return piece >= end;
}

/* Reserve room for `len` bytes. */
static bool may_write(struct cps_kept *k, int64_t len)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return atomic_load(&k->written) + len <=
		       BURST_BYTES + (now.tv_sec - k->since.tv_sec) * RATE_BYTES &&
	       atomic_fetch_sub(&k->room, len) >= len;
}

void cps_kept_add(struct cps_kept *kept, uint32_t span, uint32_t from, uint32_t to,
		  const uint8_t *data)
{
	struct cps_span s;
	uint64_t first, end;

	cps_seek_load(kept->seek, span, &s);
	first = s.first_check + from / CPS_CHECK_BYTES;
	end = s.first_check + cps_span_checks(to);
	while (first < end && has(kept, first)) {
		first++;
		from += CPS_CHECK_BYTES;
		data += CPS_CHECK_BYTES;
	}
	if (first >= end || !may_write(kept, to - from))
		return;
	atomic_fetch_add(&kept->written, to - from);
	if (cps_pwrite_full(kept->fd, data, to - from, first * CPS_CHECK_BYTES) < 0) {
		atomic_store(&kept->room, 0);
		return;
	}
	while (first < end)
		set(kept, first++);
}
