#include "fs/top/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <xxhash.h>

#include "store/base/fd.h"
#include "store/base/le.h"

#define MAGIC      "CAPASLOG"
#define VERSION    1u
#define RECORD_MAX (4u << 20)   /* bytes of fields, and of bulk */
#define WINDOW     (256u << 10) /* bytes read at once */
#define RESERVE    (1u << 20)   /* bytes set aside for changes that free space */
#define GROW       (4u << 20)   /* bytes allocated ahead, with the reserve */

struct cps_toplog {
	int fd;
	struct cps_digest chain;
	uint64_t id;
	uint64_t sequence; /* of the last record */
	uint64_t state;    /* the last one of the state; 0: there is none */
	uint64_t lost;     /* records of it that were passed over */
	uint64_t end;      /* of the last whole record */
	uint64_t size;     /* of the file, or where reading stops */
	uint64_t allocated;
	bool can_allocate;
	struct cps_buf fields; /* of the record that is written */
	struct cps_buf window; /* file bytes from window_at */
	uint64_t window_at;
};

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

/* ---- records ---- */

/** Where things are in a record. */
struct layout {
	size_t fields_len, bulk_len;
	size_t len; /* of it all */
};

static struct layout layout_of(const uint8_t *header)
{
	struct layout l = {cps_le32(header), cps_le32(header + 4), 0};

	l.len = (CPS_LOG_RECORD + l.fields_len + l.bulk_len + 7) & ~(size_t)7;
	return l;
}

static uint64_t sum_record(const struct cps_toplog *log, const uint8_t *header,
			   const void *fields, const void *bulk)
{
	struct layout l = layout_of(header);
	uint64_t seed = log->id ^ cps_le64(header);
	uint64_t sum = XXH3_64bits_withSeed(header + 16, CPS_LOG_RECORD - 16, seed);

	sum = XXH3_64bits_withSeed(fields, l.fields_len, sum);
	return l.bulk_len ? XXH3_64bits_withSeed(bulk, l.bulk_len, sum) : sum;
}

/* ---- reading ---- */

void cps_toplog_limit(struct cps_toplog *log, uint64_t upto)
{
	if (upto < log->size)
		log->size = upto;
}

/* `len` bytes at `off`, or NULL when the file does not have them. */
static const uint8_t *look(struct cps_toplog *log, uint64_t off, size_t len, int *rc)
{
	struct cps_buf *w = &log->window;
	size_t want = len > WINDOW ? len : WINDOW;
	ssize_t n;

	*rc = 0;
	if (len > log->size - off)
		return NULL;
	if (off >= log->window_at && off - log->window_at <= w->len &&
	    len <= w->len - (off - log->window_at))
		return w->data + (off - log->window_at);
	if (want > log->size - off)
		want = log->size - off;
	w->len = 0;
	*rc = cps_buf_zeros(w, want, NULL);
	if (*rc < 0)
		return NULL;
	n = cps_pread_full(log->fd, w->data, want, off);
	if (n < 0)
		*rc = (int)n;
	w->len = n < 0 ? 0 : (size_t)n;
	log->window_at = off;
	return w->len >= len ? w->data : NULL;
}

/* Is it the record of that sequence, as it was written? */
static bool valid(const struct cps_toplog *log, const uint8_t *r, uint64_t sequence)
{
	const uint8_t *fields = r + CPS_LOG_RECORD;

	return cps_le64(r + 16) == sequence &&
	       cps_le64(r + 8) ==
		       sum_record(log, r, fields, fields + layout_of(r).fields_len);
}

static int parse(uint64_t off, const uint8_t *r, struct cps_change *out)
{
	struct layout l = layout_of(r);

	*out = (struct cps_change){
		.type = cps_le16(r + 36),
		.who = cps_le32(r + 32),
		.time_ns = (int64_t)cps_le64(r + 24),
		.bulk = {r + CPS_LOG_RECORD + l.fields_len, l.bulk_len},
		.bulk_pos = off + CPS_LOG_RECORD + l.fields_len,
	};
	return cps_change_decode(r + CPS_LOG_RECORD, l.fields_len, out);
}

/* The whole record at `off`, if it is of the next sequence, or of one at most `after`
 * later. 1; 0; -errno. */
static int read_at(struct cps_toplog *log, uint64_t off, uint64_t after,
		   struct cps_change *out)
{
	uint64_t sequence;
	struct layout l;
	const uint8_t *r;
	int rc;

	if (log->size < CPS_LOG_RECORD || off > log->size - CPS_LOG_RECORD)
		return 0;
	r = look(log, off, CPS_LOG_RECORD, &rc);
	if (!r)
		return rc;
	sequence = cps_le64(r + 16);
	l = layout_of(r);
	if (l.fields_len > RECORD_MAX || l.bulk_len > RECORD_MAX ||
	    sequence <= log->sequence || sequence - log->sequence - 1 > after)
		return 0;
	r = look(log, off, l.len, &rc);
	if (!r)
		return rc;
	if (!valid(log, r, sequence) || parse(off, r, out) < 0)
		return 0;
	log->sequence = sequence;
	log->end = off + l.len;
	return 1;
}

/* The next whole record behind a damaged one of the state. Changes are not passed over:
 * those after them may build on them. */
static int pass_over(struct cps_toplog *log, struct cps_change *out)
{
	const uint64_t from = log->end, last = log->sequence, left = log->state - last;
	uint64_t off = from, after;
	int rc = 0;

	while (rc == 0 && off < log->size) {
		off += 8;
		after = (off - from) / CPS_LOG_RECORD;
		rc = read_at(log, off, after < left ? after : left, out);
	}
	if (rc == 1) {
		log->lost += log->sequence - last - 1;
	} else if (rc == 0) {
		log->lost += left;
		log->state = last;
	}
	return rc;
}

int cps_toplog_next(struct cps_toplog *log, struct cps_change *out)
{
	int rc = read_at(log, log->end, 0, out);

	return rc == 0 && log->sequence < log->state ? pass_over(log, out) : rc;
}

bool cps_toplog_in_state(const struct cps_toplog *log)
{
	return log->sequence <= log->state;
}

uint64_t cps_toplog_lost(const struct cps_toplog *log)
{
	return log->lost;
}

uint64_t cps_toplog_rest(const struct cps_toplog *log)
{
	return log->size > log->end ? log->size - log->end : 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* Walk the tail, and copy it to `fd` unless that is -1. 1 when it holds anything but
 * zeros; 0; -errno. */
static int walk_rest(struct cps_toplog *log, int fd)
{
	uint8_t buf[65536];
	bool zero = true;

	for (uint64_t off = log->end; off < log->size;) {
		ssize_t n = cps_pread_full(log->fd, buf, sizeof(buf), off);
		int rc;

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		zero = zero && all_zero(buf, (size_t)n);
		rc = fd < 0 ? 0 : cps_write_full(fd, buf, (size_t)n);
		if (rc < 0)
			return rc;
		off += (uint64_t)n;
	}
	return zero ? 0 : 1;
}

static int keep_rest(struct cps_toplog *log, int dirfd, const char *keep)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	cps_auto(cps_fd) int fd = openat(dirfd, keep, flags, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = walk_rest(log, fd);
	return rc >= 0 && fsync(fd) < 0 ? -errno : rc;
}

int cps_toplog_cut(struct cps_toplog *log, int dirfd, const char *keep,
		   struct cps_err *err)
{
	int rc;

	if (!cps_toplog_rest(log))
		return 0;
	/* Zeros are what a power cut leaves: what was kept once is worth more. */
	rc = walk_rest(log, -1);
	if (rc == 1)
		rc = keep_rest(log, dirfd, keep);
	if (rc >= 0 && ftruncate(log->fd, (off_t)log->end) < 0)
		rc = -errno;
	if (rc < 0)
		return cps_err_sys(err, rc, "set the log's damaged end aside");
	log->size = log->end;
	return rc;
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

static void fill_header(const struct cps_toplog *log, const struct cps_change *change,
			uint8_t *header)
{
	cps_put_le32(header, (uint32_t)log->fields.len);
	cps_put_le32(header + 4, (uint32_t)change->bulk.len);
	cps_put_le64(header + 16, log->sequence + 1);
	cps_put_le64(header + 24, (uint64_t)change->time_ns);
	cps_put_le32(header + 32, change->who);
	cps_put_le32(header + 36, change->type);
	cps_put_le64(header + 8,
		     sum_record(log, header, log->fields.data, change->bulk.data));
}

int cps_toplog_append(struct cps_toplog *log, struct cps_change *change, bool reserve)
{
	static const uint8_t padding[8];
	uint8_t header[CPS_LOG_RECORD];
	struct iovec iov[4] = {{header, sizeof(header)}};
	struct layout l;
	int rc;

	log->fields.len = 0;
	rc = cps_change_encode(change, &log->fields);
	if (rc < 0)
		return rc;
	if (log->fields.len > RECORD_MAX || change->bulk.len > RECORD_MAX)
		return -EFBIG;
	fill_header(log, change, header);
	l = layout_of(header);
	rc = make_room(log, log->end + l.len, reserve);
	if (rc < 0)
		return rc;
	iov[1] = (struct iovec){log->fields.data, l.fields_len};
	iov[2] = (struct iovec){(void *)change->bulk.data, l.bulk_len};
	iov[3] = (struct iovec){(void *)padding,
				l.len - CPS_LOG_RECORD - l.fields_len - l.bulk_len};
	rc = write_record(log, iov, CPS_ARRAY_LEN(iov), l.len);
	if (rc < 0)
		return rc;
	change->bulk_pos = log->end + CPS_LOG_RECORD + l.fields_len;
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
