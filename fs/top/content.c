/* Contents: what is the lower file's, what is in the log, what is in files beside it.
 */
#include "fs/top/content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/base/fd.h"

#define PIECES 16 /* of one read, looked up at once */

/* ---- pieces ---- */

static int get_file(struct cps_top *top, struct cps_piece *p)
{
	int rc = cps_files_get(&top->files, p->in, false, &p->file);

	/* It is the content that is lost, not the file that was asked for. */
	return rc == -ENOENT ? -EIO : rc;
}

int cps_piece_at(struct cps_top *top, const struct cps_node *n, uint64_t off,
		 uint64_t end, struct cps_piece *out)
{
	size_t at = cps_ranges_find(&n->ranges, off);
	const struct cps_range *r = at < n->ranges.count ? &n->ranges.items[at] : NULL;

	*out = (struct cps_piece){.off = off, .in = CPS_IN_HOLE};
	if (r && r->off <= off) {
		out->len = cps_least(end, r->off + r->len) - off;
		out->in = r->in;
		out->pos = r->in == CPS_IN_LOG ? r->pos + (off - r->off) : off;
		return out->in >= CPS_IN_FILES ? get_file(top, out) : 0;
	}
	if (r)
		end = cps_least(end, r->off);
	out->lost = n->flags & CPS_NODE_LOST;
	if (off < n->base_len && !out->lost) {
		out->lower = true;
		end = cps_least(end, n->base_len);
	}
	out->len = end - off;
	return 0;
}

void cps_piece_end(struct cps_top *top, struct cps_piece *piece)
{
	if (piece->file)
		cps_files_put(&top->files, piece->file);
	piece->file = NULL;
}

static ssize_t read_fd(int fd, void *buf, size_t len, uint64_t pos)
{
	ssize_t n = cps_pread_full(fd, buf, len, pos);

	/* A file that is shorter than what it owns ends in a hole. */
	if (n >= 0 && (size_t)n < len)
		memset((uint8_t *)buf + n, 0, len - (size_t)n);
	return n < 0 ? -EIO : (ssize_t)len;
}

ssize_t cps_piece_read(struct cps_top *top, uint64_t ino, const struct cps_piece *p,
		       void *buf, unsigned int flags)
{
	ssize_t n;

	if (p->lower) {
		n = cps_root_pread(top->root, cps_lower_pos(ino), buf, p->len, p->off,
				   flags);
		return n >= 0 && (uint64_t)n < p->len ? -EIO : n;
	}
	if (p->file)
		return read_fd(cps_file_fd(p->file), buf, p->len, p->pos);
	if (p->in == CPS_IN_LOG)
		return read_fd(cps_toplog_fd(top->log), buf, p->len, p->pos);
	if (p->lost)
		return -EIO;
	memset(buf, 0, p->len);
	return (ssize_t)p->len;
}

/* ---- reading ---- */

/* Some pieces of [off, end); how many. */
static int take_pieces(struct cps_top *top, const struct cps_node *n, uint64_t off,
		       uint64_t end, struct cps_piece *pieces)
{
	int count = 0, rc;

	while (off < end && count < PIECES) {
		rc = cps_piece_at(top, n, off, end, &pieces[count]);
		if (rc < 0)
			return count ? count : rc;
		off += pieces[count++].len;
	}
	return count;
}

static ssize_t read_pieces(struct cps_top *top, uint64_t ino, struct cps_piece *pieces,
			   int count, uint8_t *buf, unsigned int flags)
{
	ssize_t done = 0, got = 0;

	for (int i = 0; i < count && got >= 0; i++) {
		got = cps_piece_read(top, ino, &pieces[i], buf + done, flags);
		done += got;
	}
	cps_top_lock(top);
	for (int i = 0; i < count; i++)
		cps_piece_end(top, &pieces[i]);
	cps_top_unlock(top);
	return got < 0 ? got : done;
}

static bool is_as_below(uint64_t ino, const struct cps_node *n)
{
	return ino && cps_is_lower(ino) && (!n || !(n->flags & CPS_NODE_CONTENT));
}

static int type_error(const struct cps_node *n)
{
	if (!n)
		return -ENOENT;
	return S_ISREG(n->mode) ? 0 : S_ISDIR(n->mode) ? -EISDIR : -EINVAL;
}

/* Some bytes at `off`; *below tells that they were the lower file's, and all of them.
 */
static ssize_t read_some(struct cps_top *top, uint64_t ino, uint8_t *buf, size_t len,
			 uint64_t off, unsigned int flags, bool *below)
{
	struct cps_piece pieces[PIECES];
	const struct cps_node *n;
	int count = 0;

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	*below = is_as_below(ino, n);
	if (!*below)
		count = type_error(n);
	if (!*below && count == 0 && off < n->size)
		count = take_pieces(top, n, off, off + cps_least(len, n->size - off),
				    pieces);
	cps_top_unlock(top);
	if (*below)
		return cps_root_pread(top->root, cps_lower_pos(ino), buf, len, off,
				      flags);
	return count > 0 ? read_pieces(top, ino, pieces, count, buf, flags) : count;
}

ssize_t cps_top_pread(struct cps_top *top, uint64_t ino, void *buf, size_t len,
		      uint64_t off, unsigned int flags)
{
	size_t done = 0;
	bool below = false;

	while (done < len && !below) {
		ssize_t n = read_some(top, ino, (uint8_t *)buf + done, len - done,
				      off + done, flags, &below);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* ---- holes ---- */

/* Within [off, end) of a data file: where data or a hole begins, or `end`. */
static int seek_file(const struct cps_piece *p, uint64_t end, int whence, uint64_t *out)
{
	off_t at = lseek(cps_file_fd(p->file), (off_t)p->off, whence);

	if (at >= 0)
		*out = cps_least((uint64_t)at, end);
	else if (errno == ENXIO) /* beyond its end: one hole */
		*out = whence == SEEK_HOLE ? p->off : end;
	else
		return -errno;
	return 0;
}

static int seek_lower(struct cps_top *top, uint64_t ino, uint64_t off, uint64_t end,
		      int whence, uint64_t *out)
{
	int rc = cps_view_seek(top->root, cps_lower_pos(ino), off, whence, out);

	if (rc == -ENXIO)
		*out = end;
	*out = cps_least(*out, end);
	return rc == -ENXIO ? 0 : rc;
}

static int seek_piece(struct cps_top *top, uint64_t ino, const struct cps_piece *p,
		      int whence, uint64_t *out)
{
	uint64_t end = p->off + p->len;

	if (p->lower)
		return seek_lower(top, ino, p->off, end, whence, out);
	if (p->file)
		return seek_file(p, end, whence, out);
	*out = (whence == SEEK_DATA) == (p->in == CPS_IN_LOG || p->lost) ? p->off : end;
	return 0;
}

static int seek_node(struct cps_top *top, const struct cps_node *n, uint64_t off,
		     int whence, uint64_t *out)
{
	struct cps_piece p;

	while (off < n->size) {
		int rc = cps_piece_at(top, n, off, n->size, &p);

		if (rc < 0)
			return rc;
		rc = seek_piece(top, n->ino, &p, whence, out);
		cps_piece_end(top, &p);
		if (rc < 0 || *out < p.off + p.len)
			return rc;
		off += p.len;
	}
	*out = n->size; /* the end is a hole of its own */
	return whence == SEEK_HOLE ? 0 : -ENXIO;
}

int cps_top_seek(struct cps_top *top, uint64_t ino, uint64_t off, int whence,
		 uint64_t *out)
{
	const struct cps_node *n;
	bool below;
	int rc;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	cps_top_lock(top);
	n = cps_node_find(top, ino);
	below = is_as_below(ino, n);
	rc = below ? 0 : type_error(n);
	if (rc == 0 && !below)
		rc = off < n->size ? seek_node(top, n, off, whence, out) : -ENXIO;
	cps_top_unlock(top);
	if (below)
		return cps_view_seek(top->root, cps_lower_pos(ino), off, whence, out);
	return rc == -EISDIR ? -EINVAL : rc;
}

/* ---- blocks ---- */

static uint64_t file_bytes(struct cps_top *top, uint32_t number)
{
	struct cps_file *file;
	struct stat st;
	uint64_t bytes = 0;

	if (cps_files_get(&top->files, number, false, &file) < 0)
		return 0;
	if (fstat(cps_file_fd(file), &st) == 0)
		bytes = (uint64_t)st.st_blocks * 512;
	cps_files_put(&top->files, file);
	return bytes;
}

static uint64_t whole_blocks(uint64_t bytes)
{
	return (bytes + CPS_VIEW_BLOCK - 1) & ~(uint64_t)(CPS_VIEW_BLOCK - 1);
}

static uint64_t range_bytes(struct cps_top *top, const struct cps_node *n,
			    const struct cps_range *r)
{
	/* What is left of a whole file may end beyond any. */
	if (r->in == CPS_IN_HOLE || r->off >= n->size)
		return 0;
	/* A file that was cut off has more until the next sync. */
	if (r->in >= CPS_IN_FILES && r->off == 0 && r->len >= n->size)
		return r->len == CPS_RANGE_END ? file_bytes(top, r->in)
					       : cps_least(file_bytes(top, r->in),
							   whole_blocks(n->size));
	return cps_least(r->len, n->size - r->off);
}

uint64_t cps_node_blocks(struct cps_top *top, const struct cps_node *n)
{
	uint64_t covered = 0, bytes = 0, lower = n->base_len;
	struct stat st;

	for (size_t i = 0; i < n->ranges.count; i++) {
		const struct cps_range *r = &n->ranges.items[i];

		bytes += range_bytes(top, n, r);
		if (r->off < n->base_len)
			covered += cps_least(r->off + r->len, n->base_len) - r->off;
	}
	if (lower && cps_view_stat(top->root, cps_lower_pos(n->ino), &st) == 0)
		lower = cps_least(lower, (uint64_t)st.st_blocks * 512);
	bytes += lower > covered ? lower - covered : 0;
	return bytes / 512 + (bytes % 512 != 0);
}
