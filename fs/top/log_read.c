/* Reading a log: its records, and what is behind the last whole one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/top/log_internal.h"
#include "store/base/fd.h"

#define WINDOW (256u << 10) /* bytes read at once */

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

/* The whole record at `off`, if it is of the next sequence, or of one at most `after`
 * later. 1; 0; -errno. */
static int read_at(struct cps_toplog *log, uint64_t off, uint64_t after,
		   struct cps_change *out)
{
	uint64_t sequence;
	struct cps_record_layout l;
	const uint8_t *r;
	int rc;

	if (log->size < CPS_RECORD_HEADER || off > log->size - CPS_RECORD_HEADER)
		return 0;
	r = look(log, off, CPS_RECORD_HEADER, &rc);
	if (!r)
		return rc;
	sequence = cps_record_sequence(r);
	l = cps_record_layout(r);
	if (l.fields_len > CPS_RECORD_PART_MAX || l.bulk_len > CPS_RECORD_PART_MAX ||
	    sequence <= log->sequence || sequence - log->sequence - 1 > after)
		return 0;
	r = look(log, off, l.len, &rc);
	if (!r)
		return rc;
	if (cps_record_parse(r, l.len, log->id, sequence, off, out) < 0)
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
		after = (off - from) / CPS_RECORD_HEADER;
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
