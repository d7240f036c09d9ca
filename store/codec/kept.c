#include "store/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
/* Others write as well: after so much, or this part of what may be kept, look again. */
#define GRANT_BYTES (4u << 20)
#define GRANT_SHARE 16u
#define BLOCK_BYTES 512u
/* Who asks for more, and faster, reads all there is, perhaps once in its life. */
#define BURST_BYTES (128ull << 20) /* of a blob that a mount keeps at once */
#define RATE_BYTES  (2ull << 20)   /* and what it may add each second */
#define WORD_BITS   64u

struct cps_kept {
	const struct cps_seek *seek; /* borrowed */
	int fd;
	struct timespec since;
	pthread_mutex_t lock;      /* of what may be written */
	uint64_t max_bytes;        /* of all that the store keeps; 0: write no more */
	uint64_t granted;          /* bytes that may be written before looking again */
	uint64_t written;          /* bytes */
	_Atomic uint64_t *present; /* a bit for each piece that may be there */
	_Atomic uint64_t
		*known; /* a bit for each word of `present`: it was found out */
};

/* ---- which pieces are there ---- */

static bool bit_of(const _Atomic uint64_t *bits, uint64_t at)
{
	return atomic_load(&bits[at / WORD_BITS]) >> (at % WORD_BITS) & 1;
}

static void set(_Atomic uint64_t *bits, uint64_t at)
{
	atomic_fetch_or(&bits[at / WORD_BITS], (uint64_t)1 << (at % WORD_BITS));
}

static void clear(_Atomic uint64_t *bits, uint64_t at)
{
	atomic_fetch_and(&bits[at / WORD_BITS], ~((uint64_t)1 << (at % WORD_BITS)));
}

/* A place without data was never written. Asked when a read comes near, since a mount
 * seldom reads of all there is. */
static void find_present(const struct cps_kept *k, uint64_t word)
{
	uint64_t first = word * WORD_BITS, end = first + WORD_BITS;
	off_t data, hole = (off_t)(first * CPS_CHECK_BYTES);

	if (end > k->seek->check_count)
		end = k->seek->check_count;
	while ((uint64_t)hole < end * CPS_CHECK_BYTES &&
	       (data = lseek(k->fd, hole, SEEK_DATA)) >= 0 &&
	       (hole = lseek(k->fd, data, SEEK_HOLE)) > data)
		for (uint64_t i = (uint64_t)data / CPS_CHECK_BYTES;
		     i < end && i * CPS_CHECK_BYTES < (uint64_t)hole; i++)
			set(k->present, i);
	set(k->known, word);
}

static bool has(const struct cps_kept *k, uint64_t piece)
{
	if (!bit_of(k->known, piece / WORD_BITS))
		find_present(k, piece / WORD_BITS);
	return bit_of(k->present, piece);
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

/* What all files together may take. */
static uint64_t limit_of(int dirfd, uint64_t max_bytes, const struct census *c)
{
	struct statvfs disk;
	uint64_t share;

	if (fstatvfs(dirfd, &disk) < 0)
		return 0;
	share = ((uint64_t)disk.f_bavail * disk.f_frsize + c->used) / FREE_SHARE;
	return max_bytes < share ? max_bytes : share;
}

/* Bytes that may be added. */
static uint64_t room_left(int dirfd, uint64_t max_bytes)
{
	struct census c;
	uint64_t limit;

	if (take_census(dirfd, &c) < 0)
		return 0;
	limit = limit_of(dirfd, max_bytes, &c);
	return limit > c.used ? limit - c.used : 0;
}

/* Files that were used longest ago go. */
static void make_room(int dirfd, uint64_t max_bytes)
{
	struct census c;

	while (take_census(dirfd, &c) == 0) {
		uint64_t limit = limit_of(dirfd, max_bytes, &c);

		if (c.used <= limit - limit / SPARE_SHARE || !*c.oldest ||
		    unlinkat(dirfd, c.oldest, 0) < 0)
			return;
	}
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

	if (!seek->store)
		return -ENOENT;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->fd = -1;
	k->seek = seek;
	k->max_bytes = max_bytes;
	pthread_mutex_init(&k->lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &k->since);
	k->present = calloc(words, sizeof(*k->present));
	if (!k->present)
		return -ENOMEM;
	k->known = calloc(words / WORD_BITS + 1, sizeof(*k->known));
	if (!k->known)
		return -ENOMEM;
	make_room(cps_store_derived_fd(seek->store, CPS_KEPT), max_bytes);
	k->fd = open_file(seek);
	if (k->fd < 0)
		return k->fd;
	*out = CPS_TAKE(k);
	return 0;
}

void cps_kept_close(struct cps_kept *kept)
{
	if (!kept)
		return;
	if (kept->fd >= 0)
		close(kept->fd);
	pthread_mutex_destroy(&kept->lock);
	free(kept->present);
	free(kept->known);
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
		clear(kept->present, piece);
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

/* Bytes that may be written now, of which `len` are asked for; 0 when there is no room
 * or the file has gone. */
static uint64_t grant(const struct cps_kept *k, uint64_t len)
{
	uint64_t room =
		room_left(cps_store_derived_fd(k->seek->store, CPS_KEPT), k->max_bytes);
	uint64_t most = k->max_bytes / GRANT_SHARE;
	struct stat st;

	if (room < len || fstat(k->fd, &st) < 0 || st.st_nlink == 0)
		return 0;
	if (most > GRANT_BYTES)
		most = GRANT_BYTES;
	if (most < len)
		most = len;
	return most < room ? most : room;
}

/* Under the lock. */
static bool reserve(struct cps_kept *k, uint64_t len)
{
	struct timespec now;
	uint64_t age_s;

	clock_gettime(CLOCK_MONOTONIC, &now);
	age_s = (uint64_t)(now.tv_sec - k->since.tv_sec);
	if (!k->max_bytes || k->written + len > BURST_BYTES + age_s * RATE_BYTES)
		return false;
	if (k->granted < len)
		k->granted = grant(k, len);
	if (k->granted < len) {
		k->max_bytes = 0;
		return false;
	}
	k->granted -= len;
	k->written += len;
	return true;
}

static bool may_write(struct cps_kept *k, uint64_t len)
{
	bool may;

	pthread_mutex_lock(&k->lock);
	may = reserve(k, len);
	pthread_mutex_unlock(&k->lock);
	return may;
}

static void write_no_more(struct cps_kept *k)
{
	pthread_mutex_lock(&k->lock);
	k->max_bytes = 0;
	pthread_mutex_unlock(&k->lock);
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
	if (cps_pwrite_full(kept->fd, data, to - from, first * CPS_CHECK_BYTES) < 0) {
		write_no_more(kept);
		return;
	}
	while (first < end)
		set(kept->present, first++);
}
