/* Changing contents: small ones in the log, large ones in a file of their own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fs/top/content.h"
#include "store/base/fd.h"

#define COPY_BYTES 16384u /* at once, from one place to another */

/* ---- a file of its own ---- */

/* Copy [off, off + len) of the content to the data file. */
static int copy_content(struct cps_top *top, const struct cps_node *n, uint64_t off,
			uint64_t len, int fd)
{
	uint64_t end = off + len;
	uint8_t buf[COPY_BYTES];
	struct cps_piece p;
	int rc = 0;

	for (; off < end && rc == 0; off += p.len) {
		ssize_t got = 0;

		rc = cps_piece_at(top, n, off, cps_least(end, off + sizeof(buf)), &p);
		if (rc < 0)
			break;
		if (p.in != n->gen || !p.file)
			got = cps_piece_read(top, n->ino, &p, buf, 0);
		cps_piece_end(top, &p);
		rc = got > 0 ? cps_pwrite_full(fd, buf, (size_t)got, off) : (int)got;
	}
	return rc;
}

static int copy_logged(struct cps_top *top, const struct cps_node *n, int fd)
{
	int rc = 0;

	for (size_t i = 0; i < n->ranges.count && rc == 0; i++)
		if (n->ranges.items[i].in == CPS_IN_LOG)
			rc = copy_content(top, n, n->ranges.items[i].off,
					  n->ranges.items[i].len, fd);
	return rc;
}

static bool has_range_in(const struct cps_node *n, uint32_t in, bool other)
{
	for (size_t i = 0; i < n->ranges.count; i++)
		if ((n->ranges.items[i].in == in) != other)
			return true;
	return false;
}

/* Nothing shows that the file itself would not hold: all of it may be its own. */
static bool may_own_whole(const struct cps_node *n)
{
	return n->base_len == 0 && !has_range_in(n, CPS_IN_LOG, true);
}

/* A data file that nobody has had. One of whoever was killed while he made it may be
 * there still. */
static int make_file(struct cps_top *top, uint32_t *gen, struct cps_file **out)
{
	int rc;

	do {
		*gen = top->next_gen;
		if (*gen == UINT32_MAX)
			return -ENOSPC;
		rc = cps_files_get(&top->files, *gen, true, out);
		if (rc == 0 || rc == -EEXIST)
			top->next_gen++;
	} while (rc == -EEXIST);
	return rc;
}

/* Give the inode a data file of its own, with what the log held of it. */
static int spill(struct cps_top *top, const struct cps_top_who *who, struct cps_node *n)
{
	struct cps_change c = {
		.type = CPS_CHANGE_SPILL,
		.ino = n->ino,
		.flags = may_own_whole(n) ? CPS_CHANGE_WHOLE : 0,
	};
	struct cps_file *file;
	int rc = make_file(top, &c.gen, &file);

	if (rc < 0)
		return rc;
	rc = copy_logged(top, n, cps_file_fd(file));
	if (rc == 0)
		cps_file_touch(file, has_range_in(n, CPS_IN_LOG, false));
	cps_files_put(&top->files, file);
	if (rc == 0)
		rc = cps_top_commit_change(top, who, &c);
	if (rc < 0)
		cps_files_doom(&top->files, c.gen);
	return rc;
}

/* May the inode's data file be written, or is it a mark's, or none? */
static bool has_own_file(const struct cps_top *top, const struct cps_node *n)
{
	return n->gen && n->gen >= top->frozen_gen;
}

/* ---- writing ---- */

/* fallocate(2) and copy_file_range(2) leave it to us to clear setuid, and do not say
 * whether the caller may keep it. */
static unsigned int ask_kill_priv(const struct cps_top_who *who,
				  const struct cps_node *n)
{
	return n->mode & (S_ISUID | S_ISGID) && !cps_who_keeps_setuid(who->pid)
		       ? CPS_CHANGE_KILL_PRIV
		       : 0;
}

/** What was asked for. */
struct write {
	const struct cps_top_who *who;
	const void *data;
	size_t len;
	uint64_t off;
	unsigned int flags; /* of a change */
};

/* A file in too many pieces takes the whole neighbourhood of a write over, so that the
 * pieces become fewer. The change then is of the chunks around it. Between the end and
 * a write beyond it the file may hold what was cut off: zeros go there. */
static int take_chunks_over(struct cps_top *top, const struct cps_node *n, int fd,
			    struct cps_change *c)
{
	uint64_t start = c->off & ~(uint64_t)(CPS_CHUNK - 1), end = c->off + c->len;
	uint64_t wide = (end + CPS_CHUNK - 1) & ~(uint64_t)(CPS_CHUNK - 1);
	uint64_t kept = n->size > c->off ? n->size : c->off;
	int rc;

	if (end < n->size)
		end = cps_least(wide, n->size);
	rc = start < n->size
		     ? copy_content(top, n, start, cps_least(end, kept) - start, fd)
		     : 0;
	if (rc < 0 || start >= n->size)
		return rc;
	c->off = start;
	c->len = end - start;
	return 0;
}

static int write_file(struct cps_top *top, struct cps_node *n, const struct write *w)
{
	struct cps_change c = {
		.type = CPS_CHANGE_OWN,
		.ino = n->ino,
		.gen = n->gen,
		.off = w->off,
		.len = w->len,
		.flags = w->flags,
	};
	struct cps_file *file;
	int rc = cps_files_get(&top->files, n->gen, false, &file);

	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	/* Taking over is of bytes that may have been synced where they were. */
	cps_file_touch(file, n->ranges.count > CPS_RANGES_MANY);
	if (n->ranges.count > CPS_RANGES_MANY)
		rc = take_chunks_over(top, n, cps_file_fd(file), &c);
	if (rc == 0)
		rc = cps_pwrite_full(cps_file_fd(file), w->data, w->len, w->off);
	cps_files_put(&top->files, file);
	if (rc == 0)
		rc = cps_top_commit_change(top, w->who, &c);
	/* What is beyond the end would show when the file grows. */
	if (rc < 0 && w->off + w->len > n->size)
		cps_files_trim(&top->files, n->gen, n->size);
	return rc;
}

static int write_log(struct cps_top *top, struct cps_node *n, const struct write *w)
{
	struct cps_change c = {
		.type = CPS_CHANGE_DATA,
		.ino = n->ino,
		.off = w->off,
		.bulk = {w->data, w->len},
		.flags = w->flags,
	};

	return cps_top_commit_change(top, w->who, &c);
}

static int write_node(struct cps_top *top, struct cps_node *n, const struct write *w)
{
	int rc = 0;

	if (!has_own_file(top, n)) {
		if (w->len <= CPS_INLINE_MAX - cps_least(n->logged, CPS_INLINE_MAX))
			return write_log(top, n, w);
		rc = spill(top, w->who, n);
	}
	return rc < 0 ? rc : write_file(top, n, w);
}

static int get_regular(struct cps_top *top, uint64_t ino, struct cps_node **out)
{
	struct cps_brief brief;
	int rc;

	if (!top->writable)
		return -EROFS;
	rc = cps_top_brief(top, ino, &brief);
	if (rc < 0)
		return rc;
	if (!S_ISREG(brief.mode))
		return S_ISDIR(brief.mode) ? -EISDIR : -EINVAL;
	return cps_node_get(top, ino, out);
}

static int write_once(struct cps_top *top, uint64_t ino, struct write *w,
		      unsigned int flags)
{
	struct cps_node *n;
	int rc;

	cps_top_lock(top);
	rc = get_regular(top, ino, &n);
	if (rc == 0 && flags & CPS_TOP_WRITE_ASK_PRIV)
		w->flags |= ask_kill_priv(w->who, n);
	if (rc == 0 && w->flags & CPS_CHANGE_KILL_PRIV)
		rc = cps_top_kill_plain_sgid(top, w->who, n);
	if (rc == 0)
		rc = write_node(top, n, w);
	cps_top_unlock(top);
	return rc;
}

int cps_top_write(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		  const void *data, size_t len, uint64_t off, unsigned int flags)
{
	struct write w = {
		.who = who,
		.data = data,
		.len = len,
		.off = off,
		.flags = (flags & CPS_TOP_WRITE_KILL_PRIV ? CPS_CHANGE_KILL_PRIV : 0) |
			 (flags & CPS_TOP_WRITE_CACHED ? CPS_CHANGE_KEEP_TIMES : 0) |
			 (flags & CPS_TOP_WRITE_LATE ? CPS_CHANGE_KEEP_CAPS : 0),
	};
	int rc;

	if (len == 0)
		return 0;
	if (off > INT64_MAX - len)
		return -EFBIG;
	rc = write_once(top, ino, &w, flags);
	return rc == -ENOSPC && cps_top_reclaim(top) ? write_once(top, ino, &w, flags)
						     : rc;
}

/* ---- space ---- */

static int allocate(struct cps_top *top, const struct cps_top_who *who,
		    struct cps_node *n, uint64_t off, uint64_t len)
{
	struct cps_file *file;
	int rc = 0;

	if (!has_own_file(top, n))
		rc = spill(top, who, n);
	if (rc == 0)
		rc = cps_files_get(&top->files, n->gen, false, &file);
	if (rc < 0)
		return rc;
	cps_files_tighten(&top->files, n->gen);
	if (fallocate(cps_file_fd(file), FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) <
	    0)
		rc = errno == EOPNOTSUPP ? 0 : -errno;
	cps_files_put(&top->files, file);
	return rc;
}

static int make_hole(struct cps_top *top, const struct cps_top_who *who,
		     struct cps_node *n, int mode, uint64_t off, uint64_t len)
{
	struct cps_change c = {
		.type = CPS_CHANGE_ZERO,
		.ino = n->ino,
		.off = off,
		.len = len,
		.flags = ask_kill_priv(who, n),
	};
	int rc;

	if (!(mode & FALLOC_FL_KEEP_SIZE))
		c.size = off + len;
	else if (off >= n->size)
		c.len = 0; /* the times change all the same */
	else if (len > n->size - off)
		c.len = n->size - off;
	rc = cps_top_commit_change(top, who, &c);
	/* ZERO_RANGE keeps the space, for what is written there next. */
	if (rc == 0 && mode & FALLOC_FL_PUNCH_HOLE)
		cps_node_loosen(top, n, off, off + c.len);
	return rc;
}

static int extend(struct cps_top *top, const struct cps_top_who *who,
		  struct cps_node *n, int mode, uint64_t off, uint64_t len)
{
	struct cps_change c = {
		.type = CPS_CHANGE_ATTR,
		.ino = n->ino,
		.mask = CPS_TOP_SIZE,
		.size = n->size,
		.flags = ask_kill_priv(who, n),
	};
	int rc = allocate(top, who, n, off, len);

	if (!(mode & FALLOC_FL_KEEP_SIZE) && n->size < off + len)
		c.size = off + len;
	return rc < 0 ? rc : cps_top_commit_change(top, who, &c);
}

int cps_top_fallocate(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		      int mode, uint64_t off, uint64_t len)
{
	const int zeroing = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct cps_node *n;
	int rc;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | zeroing) || (mode & zeroing) == zeroing)
		return -EOPNOTSUPP;
	if (len == 0 || len > INT64_MAX || off > INT64_MAX - len)
		return len ? -EFBIG : -EINVAL;
	cps_top_lock(top);
	rc = get_regular(top, ino, &n);
	if (rc == 0 && ask_kill_priv(who, n))
		rc = cps_top_kill_plain_sgid(top, who, n);
	if (rc == 0)
		rc = mode & zeroing ? make_hole(top, who, n, mode, off, len)
				    : extend(top, who, n, mode, off, len);
	cps_top_unlock(top);
	return rc;
}
