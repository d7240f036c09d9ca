#include "fs/top/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/top/replay.h"
#include "store/base/fd.h"

#define WORTH_IT   (1u << 20) /* bytes; a smaller log is left alone */
#define NODE_BYTES 160u       /* of a record, about */
#define NAME_BYTES 80u
#define PIECE      16384u /* bytes of content in one record */
#define ASIDE      "log.new"

static uint64_t live_bytes(const struct cps_top *top)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < top->nodes.slot_count; i++) {
		const struct cps_node *n = top->nodes.slots[i];

		if (!n)
			continue;
		bytes += NODE_BYTES + n->xattrs.len +
			 (cps_node_dents(n)->count - cps_node_dents(n)->gone) *
				 NAME_BYTES;
		for (size_t r = 0; r < n->ranges.count; r++)
			bytes += n->ranges.items[r].in == CPS_IN_LOG
					 ? n->ranges.items[r].len
					 : 0;
	}
	return bytes;
}

/* ---- the new log ---- */

/** Two logs: what is copied, and where to. */
struct copy {
	struct cps_top *top;
	struct cps_toplog *log;
};

static int put_whos(struct copy *to, const char *name, struct cps_err *err)
{
	const struct cps_digest *chain = cps_toplog_chain(to->log);
	cps_auto(cps_toplog_close) struct cps_toplog *log = NULL;
	struct cps_change c;
	uint32_t next = 1;
	int rc = cps_toplog_open(to->top->dirfd, name, chain, false, &log, err);

	while (rc >= 0 && (rc = cps_toplog_next(log, &c)) == 1) {
		if (c.type != CPS_CHANGE_WHO)
			continue;
		/* One before it may be lost. */
		c.gen = c.gen > next ? c.gen : next;
		next = c.gen + 1;
		rc = cps_toplog_append(to->log, &c, false);
	}
	return rc;
}

/* A file's times may be further away than nanoseconds can tell. */
static int64_t in_ns(const struct timespec *t)
{
	const int64_t most = INT64_MAX / 1000000000 - 1;
	int64_t s = t->tv_sec > most ? most : t->tv_sec < -most ? -most : t->tv_sec;

	return s * 1000000000 + t->tv_nsec;
}

/* Records that put_content() and put_dents() will write of it. */
static uint64_t count_records(const struct cps_node *n)
{
	uint64_t count = cps_node_dents(n)->count - cps_node_dents(n)->gone;

	for (size_t i = 0; i < n->ranges.count; i++)
		count += n->ranges.items[i].in == CPS_IN_LOG
				 ? (n->ranges.items[i].len + PIECE - 1) / PIECE
				 : 1;
	return count;
}

static int put_node(struct copy *to, const struct cps_node *n)
{
	struct cps_change c = {
		.type = CPS_CHANGE_NODE,
		.who = n->who,
		.time_ns = in_ns(&n->ctime),
		.ino = n->ino,
		.dir = n->parent,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.nlink = n->nlink,
		.rdev = n->rdev,
		.size = n->size,
		.base_len = n->base_len,
		.len = count_records(n),
		.gen = n->gen,
		.atime = n->atime,
		.mtime = n->mtime,
		.ctime = n->ctime,
		.name2 = {n->target, n->target ? n->size : 0},
		.value = {n->xattrs.data, n->xattrs.len},
		.flags = (n->flags & CPS_NODE_CONTENT ? CPS_CHANGE_CONTENT : 0) |
			 (n->flags & CPS_NODE_ATTRS ? CPS_CHANGE_ATTRS : 0) |
			 (n->flags & CPS_NODE_XATTRS ? CPS_CHANGE_XATTRS : 0) |
			 (n->flags & CPS_NODE_LOST ? CPS_CHANGE_LOST : 0),
	};

	return cps_toplog_append(to->log, &c, false);
}

static int put_logged(struct copy *to, const struct cps_node *n,
		      const struct cps_range *r)
{
	uint8_t buf[PIECE];

	for (uint64_t at = 0; at < r->len;) {
		size_t len = r->len - at < sizeof(buf) ? r->len - at : sizeof(buf);
		struct cps_change c = {
			.type = CPS_CHANGE_DATA,
			.who = n->who,
			.ino = n->ino,
			.off = r->off + at,
			.bulk = {buf, len},
			.flags = CPS_CHANGE_KEEP_TIMES,
		};
		ssize_t got = cps_pread_full(cps_toplog_fd(to->top->log), buf, len,
					     r->pos + at);
		int rc = got < 0 ? (int)got : (size_t)got < len ? -EIO : 0;

		if (rc == 0)
			rc = cps_toplog_append(to->log, &c, false);
		if (rc < 0)
			return rc;
		at += len;
	}
	return 0;
}

static int put_range(struct copy *to, const struct cps_node *n,
		     const struct cps_range *r)
{
	struct cps_change c = {
		.type = r->in == CPS_IN_HOLE ? CPS_CHANGE_ZERO : CPS_CHANGE_OWN,
		.who = n->who,
		.ino = n->ino,
		.off = r->off,
		.len = r->len,
		.gen = r->in,
		.flags = CPS_CHANGE_KEEP_TIMES,
	};

	if (r->in == CPS_IN_LOG)
		return put_logged(to, n, r);
	if (r->in != CPS_IN_HOLE && r->off == 0 && r->len == CPS_RANGE_END) {
		c.type = CPS_CHANGE_SPILL;
		c.flags = CPS_CHANGE_WHOLE;
		c.len = 0;
	} else if (r->len > INT64_MAX - r->off) {
		/* The rest of one that was cut in two: the file's end will do. */
		c.len = n->size > r->off ? n->size - r->off : 0;
	}
	return cps_toplog_append(to->log, &c, false);
}

static int put_dents(struct copy *to, const struct cps_node *n)
{
	const struct cps_dent *d;
	size_t pos = 0;
	int rc = 0;

	while (rc == 0 && (d = cps_dents_each(cps_node_dents(n), &pos))) {
		struct cps_change c = {
			.type = CPS_CHANGE_DIRENT,
			.who = n->who,
			.dir = n->ino,
			.ino = d->ino,
			.name = {d->name, d->name_len},
		};

		rc = cps_toplog_append(to->log, &c, false);
	}
	return rc;
}

static int put_content(struct copy *to, const struct cps_node *n)
{
	int rc = 0;

	for (size_t i = 0; i < n->ranges.count && rc == 0; i++)
		rc = put_range(to, n, &n->ranges.items[i]);
	return rc;
}

/* What content does to size and times, the second record of its node takes back. */
static int put_node_again(struct copy *to, const struct cps_node *n)
{
	return n->ranges.count ? put_node(to, n) : 0;
}

static bool is_gone(const struct cps_top *top, uint64_t ino)
{
	const struct cps_node *n = cps_node_find(top, ino);

	return n ? n->nlink == 0 : cps_is_dead(top, ino);
}

/* Nothing names them, so only this tells a file handle that they are gone. */
static int put_gone(struct copy *to)
{
	uint64_t count = cps_tree_inode_count(to->top->root->tree);
	int rc = 0;

	for (uint64_t ino = CPS_TOP_ROOT + 1; ino <= count && rc == 0; ino++) {
		struct cps_change c = {.type = CPS_CHANGE_GONE, .ino = ino};

		while (ino <= count && is_gone(to->top, ino))
			ino++;
		c.len = ino - c.ino;
		if (c.len)
			rc = cps_toplog_append(to->log, &c, false);
	}
	return rc;
}

typedef int (*each_fn)(struct copy *to, const struct cps_node *n);

static int for_each(struct copy *to, each_fn fn)
{
	int rc = 0;

	for (size_t i = 0; i < to->top->nodes.slot_count && rc == 0; i++)
		if (to->top->nodes.slots[i] && to->top->nodes.slots[i]->nlink)
			rc = fn(to, to->top->nodes.slots[i]);
	return rc;
}

static int fill(struct copy *to, const char *name, struct cps_err *err)
{
	static const each_fn passes[] = {put_node, put_content, put_node_again,
					 put_dents};
	struct cps_change c = {
		.type = CPS_CHANGE_START,
		.ino = to->top->next_ino,
		.gen = to->top->next_gen,
	};
	int rc = put_whos(to, name, err);

	if (rc == 0)
		rc = cps_toplog_append(to->log, &c, false);
	for (size_t i = 0; i < CPS_ARRAY_LEN(passes) && rc == 0; i++)
		rc = for_each(to, passes[i]);
	if (rc == 0)
		rc = put_gone(to);
	if (rc == 0)
		rc = cps_toplog_end_state(to->log);
	if (rc == 0 && fdatasync(cps_toplog_fd(to->log)) < 0)
		rc = -errno;
	return rc;
}

/* Whoever can make more of it finds it beside the new one. */
static int keep_damaged(struct cps_top *top, const char *name)
{
	unlinkat(top->dirfd, CPS_TOP_DAMAGED, 0);
	return linkat(top->dirfd, name, top->dirfd, CPS_TOP_DAMAGED, 0) < 0 ? -errno
									    : 0;
}

int cps_top_compact(struct cps_top *top, const char *name, struct cps_err *err)
{
	cps_auto(cps_toplog_close) struct cps_toplog *log = NULL;
	struct copy to = {.top = top};
	int rc;

	if (top->named_gen || cps_toplog_end(top->log) < WORTH_IT ||
	    live_bytes(top) * 2 > cps_toplog_end(top->log))
		return 0;
	unlinkat(top->dirfd, ASIDE, 0);
	rc = cps_toplog_open(top->dirfd, ASIDE, cps_toplog_chain(top->log), true, &log,
			     err);
	if (rc < 0)
		return 0; /* no room for another: the log is good as it is */
	to.log = log;
	rc = fill(&to, name, err);
	if (rc == 0 && cps_toplog_lost(top->log))
		rc = keep_damaged(top, name);
	if (rc == 0 && renameat(top->dirfd, ASIDE, top->dirfd, name) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(top->dirfd, ASIDE, 0);
	else if (fsync(top->dirfd) < 0)
		return cps_err_sys(err, -errno, "sync the top's folder");
	return 0;
}
