/* Hard links whose target is in a lower layer: the path is walked in all layers up to
 * the link's own, as they would be merged. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/path.h"
#include "store/index/merge.h"
#include "store/index/walk.h"

#define CHAIN_MAX 40 /* links to links */

/** A walk in some lowest layers. The folders on the way are kept for "..": each is
 *  the parts from the end of the one above it. */
struct below {
	struct cps_merge *m;
	struct cps_npart *parts;
	size_t part_count, part_cap;
	size_t *ends; /* of the parts of each folder; the root's first */
	size_t end_count, end_cap;
};

static const uint8_t *record(const struct below *b, const struct cps_npart *part)
{
	return cps_table_inode(b->m->sources[part->source].t, part->ino);
}

static int push(struct below *b, uint32_t ino, uint16_t source)
{
	if (cps_grow(&b->parts, &b->part_cap, b->part_count + 1, sizeof(*b->parts)) < 0)
		return -ENOMEM;
	b->parts[b->part_count++] = (struct cps_npart){ino, source};
	return 0;
}

static int close_folder(struct below *b)
{
	if (cps_grow(&b->ends, &b->end_cap, b->end_count + 1, sizeof(*b->ends)) < 0)
		return -ENOMEM;
	b->ends[b->end_count++] = b->part_count;
	return 0;
}

static void up(void *ctx)
{
	struct below *b = ctx;

	if (b->end_count > 1)
		b->part_count = b->ends[--b->end_count - 1];
}

static void to_root(void *ctx)
{
	struct below *b = ctx;

	b->end_count = 1;
	b->part_count = b->ends[0];
}

/* What one more layer says of a name whose folder's parts begin at `start`. */
static int learn(struct below *b, size_t start, const struct cps_npart *what,
		 bool *there, struct cps_npart *other)
{
	const uint8_t *p = record(b, what);
	uint16_t flags = cps_le16(p + 30);
	bool dir = S_ISDIR(cps_le16(p + 28)) && !(flags & CPS_INODE_WHITEOUT);

	if (!dir || (flags & CPS_INODE_OPAQUE))
		b->part_count = start;
	*there = !(flags & CPS_INODE_WHITEOUT);
	*other = *what;
	return dir ? push(b, what->ino, what->source) : 0;
}

/* The name in the folder where the walk is. A folder's parts are pushed; anything else
 * is told in *other. 0; -ENOENT; -EIO; -ENOMEM. */
static int find(struct below *b, const char *name, size_t len, struct cps_npart *other)
{
	size_t first = b->end_count > 1 ? b->ends[b->end_count - 2] : 0;
	size_t start = b->part_count;
	bool there = false;

	for (size_t i = first; i < start; i++) {
		const struct cps_npart part = b->parts[i];
		const struct cps_table *t = b->m->sources[part.source].t;
		const uint8_t *p = record(b, &part);
		uint64_t at = cps_le64(p), count = cps_le64(p + 8);
		struct cps_tdirent d;
		int rc = count > t->dirent_count
				 ? -EIO
				 : cps_names_find(t, at, count, name, len, &d);
		struct cps_npart what = {d.ino, part.source};

		if (rc == 0)
			rc = learn(b, start, &what, &there, other);
		if (b->m->lookups++ >= b->m->lookups_max)
			return -EFBIG;
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return there ? 0 : -ENOENT;
}

static int enter(void *ctx, const char *name, size_t len, const char **link,
		 size_t *link_len)
{
	struct below *b = ctx;
	size_t start = b->part_count;
	struct cps_npart other;
	const uint8_t *p;
	int rc = find(b, name, len, &other);

	if (rc < 0)
		return rc;
	if (b->part_count > start)
		return close_folder(b);
	p = record(b, &other);
	if (!S_ISLNK(cps_le16(p + 28)))
		return -ENOTDIR;
	*link_len = cps_le64(p + 8);
	*link = *link_len <= CPS_PATH_MAX
			? cps_table_string(b->m->sources[other.source].t, cps_le64(p),
					   *link_len)
			: NULL;
	return *link ? 1 : -EIO;
}

/* 0; -EISDIR; -ENOMEM; others: it is not there. */
static int target_of(struct cps_merge *m, uint16_t top, const char *path, size_t len,
		     struct cps_npart *out)
{
	struct below b = {.m = m};
	const struct cps_walk walk = {&b, enter, up, to_root};
	const char *last = NULL;
	size_t last_len, start;
	int rc = 0;

	for (uint16_t i = 0; i <= top && rc == 0; i++) {
		if (cps_le16(cps_table_inode(m->sources[i].t, 0) + 30) &
		    CPS_INODE_OPAQUE)
			b.part_count = 0;
		rc = push(&b, 0, i);
	}
	m->lookups += top;
	if (rc == 0)
		rc = close_folder(&b);
	if (rc == 0)
		rc = cps_walk_path(&walk, path, len, &last, &last_len);
	start = b.part_count;
	if (rc == 0)
		rc = last ? find(&b, last, last_len, out) : -ENOENT;
	if (rc == 0 && b.part_count > start)
		rc = -EISDIR;
	free(b.parts);
	free(b.ends);
	return rc;
}

static int refuse(struct cps_merge *m, uint16_t source, const char *what,
		  const struct cps_buf *path)
{
	cps_err_set(m->err, -EBADMSG, what, cps_buf_cstr(path));
	return cps_err_wrap(m->err, -EBADMSG, "layer %u",
			    m->sources[source].layer + 1u);
}

int cps_merge_link(struct cps_merge *m, struct cps_npart *link)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(4 * CPS_PATH_MAX);
	uint16_t own = link->source;
	int rc = 0;

	for (int i = 0; rc == 0; i++) {
		const struct cps_table *t = m->sources[link->source].t;
		const uint8_t *p = cps_table_inode(t, link->ino);
		uint64_t len = cps_le64(p + 8);
		const char *path;

		if (!(cps_le16(p + 30) & CPS_INODE_LINK))
			break;
		path = cps_table_string(t, cps_le64(p), len);
		if (!path || len > CPS_PATH_MAX)
			return cps_merge_damaged(m, link->source);
		if (i == 0)
			cps_escape(&text, path, len);
		rc = i < CHAIN_MAX ? target_of(m, link->source, path, len, link)
				   : -ELOOP;
	}
	if (rc == -ENOMEM)
		return cps_err_nomem(m->err);
	if (rc == -EFBIG)
		return cps_err_set(m->err, rc,
				   "layer %u: its hard links to lower layers take more "
				   "than %u lookups",
				   m->sources[own].layer + 1u, m->lookups_max);
	if (rc == -EISDIR)
		return refuse(m, own, "a hard link to the directory '%s'", &text);
	if (rc < 0)
		return refuse(m, own, "a hard link to '%s', which is not there", &text);
	if (++m->links <= CPS_LINKS_TOLD)
		cps_warn("layer %u: a hard link to '%s' of a lower layer%s",
			 m->sources[own].layer + 1u, cps_buf_cstr(&text),
			 m->links == CPS_LINKS_TOLD ? "; more are not told of" : "");
	return 0;
}
