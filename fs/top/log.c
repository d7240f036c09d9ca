#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <xxhash.h>

#include "fs/top/log_internal.h"
#include "store/base/fd.h"
#include "store/base/le.h"

#define MAGIC   "CAPASLOG"
#define VERSION 1u
#define RESERVE (1u << 20) /* bytes set aside for changes that free space */
#define GROW    (4u << 20) /* bytes allocated ahead, with the reserve */

/* ---- the header ---- */

static int write_header(struct cps_toplog *log)
{
	uint8_t raw[CPS_LOG_HEADER] = MAGIC;

	cps_put_le32(raw + 8, VERSION);
	cps_put_le32(raw + 12, (uint32_t)log->state);
	cps_put_le64(raw + 16, log->id);
	memcpy(raw + 24, log->chain.bytes, sizeof(log->chain.bytes));
	cps_put_le64(raw + 56, XXH3_64bits(raw, 56));
	return cps_pwrite_full(log->fd, raw, sizeof(raw), 0);
}

static int begin(struct cps_toplog *log)
{
	if (getrandom(&log->id, sizeof(log->id), 0) != sizeof(log->id))
		return -EIO;
	log->end = log->size = CPS_LOG_HEADER;
	return write_header(log);
}

int cps_toplog_end_state(struct cps_toplog *log)
{
	/* More than the header has room for: none of it is then passed over. */
	log->state = log->sequence <= UINT32_MAX ? log->sequence : 0;
	return write_header(log);
}

static int read_header(struct cps_toplog *log, struct cps_err *err)
{
	uint8_t raw[CPS_LOG_HEADER];
	ssize_t n = cps_pread_full(log->fd, raw, sizeof(raw), 0);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read the log");
	if (n != sizeof(raw) || memcmp(raw, MAGIC, 8) != 0 ||
	    cps_le64(raw + 56) != XXH3_64bits(raw, 56))
		return cps_err_set(err, -EBADMSG, "the log's header is damaged");
	if (cps_le32(raw + 8) != VERSION)
		return cps_err_set(err, -EBADMSG,
				   "the log is of version %u, which this capas does "
				   "not know",
				   cps_le32(raw + 8));
	if (memcmp(raw + 24, log->chain.bytes, sizeof(log->chain.bytes)) != 0)
		return cps_err_set(err, -ESTALE, "it stands on another image");
	log->state = cps_le32(raw + 12);
	log->id = cps_le64(raw + 16);
	log->end = CPS_LOG_HEADER;
	return 0;
}

/* Compaction puts another file under the name; a lock on the old one is worth nothing.
 */
static bool still_named(int fd, int dirfd, const char *name)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 &&
	       fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

static int open_locked(int dirfd, const char *name, bool write, struct cps_err *err)
{
	int flags = (write ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC;
	cps_auto(cps_fd) int fd = openat(dirfd, name, flags, 0600);

	if (fd < 0)
		return cps_err_sys(err, -errno, "open the log");
	if (!write)
		return CPS_TAKE_FD(fd);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return cps_err_sys(err, -errno, "lock the log");
	} else if (still_named(fd, dirfd, name)) {
		return CPS_TAKE_FD(fd);
	}
	return cps_err_set(err, -EBUSY, "it is mounted read-write already");
}

int cps_toplog_open(int dirfd, const char *name, const struct cps_digest *chain,
		    bool write, struct cps_toplog **out, struct cps_err *err)
{
	cps_auto(cps_toplog_close) struct cps_toplog *log = calloc(1, sizeof(*log));
	struct stat st;
	int rc;

	if (!log)
		return cps_err_nomem(err);
	log->can_allocate = true;
	log->chain = *chain;
	log->fd = open_locked(dirfd, name, write, err);
	if (log->fd < 0)
		return log->fd;
	if (fstat(log->fd, &st) < 0)
		return cps_err_sys(err, -errno, "stat the log");
	log->size = (uint64_t)st.st_size;
	/* A process that died while it made the log left nothing worth keeping. */
	if (write && log->size < CPS_LOG_HEADER) {
		rc = begin(log);
		if (rc < 0)
			return cps_err_sys(err, rc, "begin the log");
	} else {
		rc = read_header(log, err);
		if (rc < 0)
			return rc;
	}
	*out = CPS_TAKE(log);
	return 0;
}

int cps_toplog_hold(struct cps_toplog *log, int dirfd, const char *name,
		    struct cps_err *err)
{
	if (flock(log->fd, LOCK_SH | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return cps_err_sys(err, -errno, "lock the log");
	} else if (still_named(log->fd, dirfd, name)) {
		return 0;
	}
	return cps_err_set(err, -EBUSY, "it is mounted read-write");
}

void cps_toplog_let_go(struct cps_toplog *log)
{
	flock(log->fd, LOCK_UN);
}

void cps_toplog_close(struct cps_toplog *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	cps_buf_release(&log->fields);
	cps_buf_release(&log->window);
	free(log);
}

/* ---- appending ---- */

static int allocate(struct cps_toplog *log, uint64_t upto)
{
	if (fallocate(log->fd, FALLOC_FL_KEEP_SIZE, (off_t)log->end,
		      (off_t)(upto - log->end)) < 0)
		return -errno;
	log->allocated = upto;
	return 0;
}

/* Space ahead, so that a full disk can still record what frees space. */
static int make_room(struct cps_toplog *log, uint64_t end, bool reserve)
{
	uint64_t want = end + (reserve ? 0 : RESERVE);
	int rc;

	if (!log->can_allocate || want <= log->allocated)
		return 0;
	rc = allocate(log, want + GROW);
	if (rc == -EOPNOTSUPP)
		log->can_allocate = false;
	else if (rc == -ENOSPC && !reserve)
		return allocate(log, want);
	/* Else the write itself will tell. */
	return 0;
}

static int write_record(struct cps_toplog *log, struct iovec *iov, int count,
			size_t total)
{
	ssize_t n;

	do {
		n = pwritev(log->fd, iov, count, (off_t)log->end);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)total)
		return 0;
	/* What is half there must not be taken for damage later. */
	if (n > 0 && ftruncate(log->fd, (off_t)log->end) == 0)
		log->allocated = log->end;
	return n < 0 ? -errno : -ENOSPC;
}

int cps_toplog_append(struct cps_toplog *log, struct cps_change *change, bool reserve)
{
	static const uint8_t padding[8];
	uint8_t header[CPS_RECORD_HEADER];
	struct iovec iov[4] = {{header, sizeof(header)}};
	struct cps_record_layout l;
	int rc;

	log->fields.len = 0;
	rc = cps_change_encode(change, &log->fields);
	if (rc < 0)
		return rc;
	if (log->fields.len > CPS_RECORD_PART_MAX ||
	    change->bulk.len > CPS_RECORD_PART_MAX)
		return -EFBIG;
	cps_record_format(log->id, log->sequence + 1, &log->fields, change, header);
	l = cps_record_layout(header);
	rc = make_room(log, log->end + l.len, reserve);
	if (rc < 0)
		return rc;
	iov[1] = (struct iovec){log->fields.data, l.fields_len};
	iov[2] = (struct iovec){(void *)change->bulk.data, l.bulk_len};
	iov[3] = (struct iovec){(void *)padding,
				l.len - CPS_RECORD_HEADER - l.fields_len - l.bulk_len};
	rc = write_record(log, iov, CPS_ARRAY_LEN(iov), l.len);
	if (rc < 0)
		return rc;
	change->bulk_pos = log->end + CPS_RECORD_HEADER + l.fields_len;
	log->sequence++;
	log->end += l.len;
	log->size = log->end;
	return 0;
}

const struct cps_digest *cps_toplog_chain(const struct cps_toplog *log)
{
	return &log->chain;
}

uint64_t cps_toplog_end(const struct cps_toplog *log)
{
	return log->end;
}

int cps_toplog_fd(const struct cps_toplog *log)
{
	return log->fd;
}
