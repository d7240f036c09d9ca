/* The tar stream of a plan, a piece at a time. */
#include <errno.h>
#include <string.h>

#include "store/base/log.h"
#include "store/pack.h"

#define BLOCK     512u
#define END_BYTES (2 * BLOCK)

struct cps_pack_stream {
	const struct cps_pack_plan *plan;
	const struct cps_pack_source *source;
	int64_t mtime_max_s;
	size_t next;         /* item */
	struct cps_buf head; /* header of the current item, or zeros */
	size_t head_at;
	const struct cps_pack_item *file; /* whose bytes come next; NULL: none */
	uint64_t size, off;               /* bytes of it */
	bool ended;
};

struct cps_pack_stream *cps_pack_stream_new(const struct cps_pack_plan *plan,
					    const struct cps_pack_source *source,
					    int64_t mtime_max_s)
{
	struct cps_pack_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->plan = plan;
	s->source = source;
	s->mtime_max_s = mtime_max_s;
	return s;
}

void cps_pack_stream_free(struct cps_pack_stream *s)
{
	if (!s)
		return;
	cps_buf_release(&s->head);
	free(s);
}

/* ---- headers ---- */

static bool is_ours_alone(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 ||
	       strncmp(name, "user.overlay.", 13) == 0 ||
	       strncmp(name, "user.capas.", 11) == 0;
}

/* What a union filesystem keeps to itself would steer whoever mounts the layer. */
static int filter_xattrs(struct cps_tar_entry *e, struct cps_tar_xattr **kept,
			 struct cps_err *err)
{
	size_t count = 0;

	if (e->xattr_count == 0)
		return 0;
	*kept = calloc(e->xattr_count, sizeof(**kept));
	if (!*kept)
		return cps_err_nomem(err);
	for (size_t i = 0; i < e->xattr_count; i++) {
		const char *name = e->xattrs[i].name;

		if (is_ours_alone(name)) {
			cps_warn("'/%s': xattr '%s' is left out", e->path, name);
			continue;
		}
		if (strchr(name, '='))
			cps_warn("'/%s': xattr '%s': for its '=' it is written in "
				 "libarchive's form, which docker and podman do not "
				 "read; `setfattr -x` removes it",
				 e->path, name);
		(*kept)[count++] = e->xattrs[i];
	}
	e->xattrs = *kept;
	e->xattr_count = count;
	return 0;
}

static int format_entry(struct cps_pack_stream *s, struct cps_tar_entry *e,
			struct cps_err *err)
{
	cps_auto(cps_free) struct cps_tar_xattr *kept = NULL;
	int rc = filter_xattrs(e, &kept, err);

	if (e->mtime_s >= s->mtime_max_s) {
		e->mtime_s = s->mtime_max_s;
		e->mtime_ns = 0;
	}
	if (rc == 0)
		rc = cps_tar_format_header(e, &s->head, err);
	return rc < 0 ? cps_err_wrap(err, rc, "'/%s'", e->path) : 0;
}

int cps_pack_describe(const struct cps_pack_plan *plan,
		      const struct cps_pack_source *source,
		      const struct cps_pack_item *item, struct cps_tar_entry *out,
		      struct cps_err *err)
{
	const char *path = cps_pack_path(plan, item);
	int rc;

	*out = (struct cps_tar_entry){.link = ""};
	rc = source->describe(source->ctx, item, path, out, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, "'/%s'", path);
	out->path = path;
	if (item->kind == CPS_PACK_LINK) {
		out->type = CPS_TAR_HARDLINK;
		out->link = cps_pack_path(plan, &plan->items[item->link_to]);
		/* The entry that it links to says them. */
		out->xattr_count = 0;
		out->size = 0;
	}
	return 0;
}

static int begin_entry(struct cps_pack_stream *s, const struct cps_pack_item *item,
		       struct cps_err *err)
{
	struct cps_tar_entry e;
	int rc = cps_pack_describe(s->plan, s->source, item, &e, err);

	if (rc == 0)
		rc = format_entry(s, &e, err);
	if (rc < 0 || e.type != CPS_TAR_REG || e.size == 0)
		return rc;
	s->file = item;
	s->size = e.size;
	s->off = 0;
	return 0;
}

static int begin_whiteout(struct cps_pack_stream *s, const struct cps_pack_item *item,
			  struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf path = CPS_BUF_INIT(0);
	const char *hidden = cps_pack_path(s->plan, item), *slash;
	struct cps_tar_entry e = {.link = "", .type = CPS_TAR_REG};
	int len;

	slash = strrchr(hidden, '/');
	len = slash ? (int)(slash + 1 - hidden) : 0;
	if (cps_buf_printf(&path, "%.*s.wh.%s", len, hidden, hidden + len) < 0)
		return cps_err_nomem(err);
	e.path = cps_buf_cstr(&path);
	return cps_tar_format_header(&e, &s->head, err);
}

/* ---- the stream ---- */

static int advance(struct cps_pack_stream *s, struct cps_err *err)
{
	const struct cps_pack_item *item;

	s->head.len = s->head_at = 0;
	if (s->next == s->plan->count) {
		s->ended = true;
		return cps_buf_zeros(&s->head, END_BYTES, NULL) < 0 ? cps_err_nomem(err)
								    : 0;
	}
	item = &s->plan->items[s->next++];
	switch (item->kind) {
	case CPS_PACK_WHITEOUT:
		return begin_whiteout(s, item, err);
	case CPS_PACK_ENTRY:
	case CPS_PACK_LINK:
		return begin_entry(s, item, err);
	default:
		return 0;
	}
}

static ssize_t take_head(struct cps_pack_stream *s, void *buf, size_t len)
{
	size_t n = s->head.len - s->head_at;

	if (n > len)
		n = len;
	memcpy(buf, s->head.data + s->head_at, n);
	s->head_at += n;
	return (ssize_t)n;
}

static ssize_t take_bytes(struct cps_pack_stream *s, void *buf, size_t len,
			  struct cps_err *err)
{
	const char *path = cps_pack_path(s->plan, s->file);
	ssize_t n;

	if (len > s->size - s->off)
		len = s->size - s->off;
	n = s->source->read(s->source->ctx, s->file, buf, len, s->off, err);
	if (n < 0)
		return cps_err_wrap(err, (int)n, "read '/%s'", path);
	if (n == 0)
		return cps_err_set(err, -EIO, "'/%s' became shorter while it was read",
				   path);
	s->off += (uint64_t)n;
	if (s->off < s->size)
		return n;
	s->file = NULL;
	s->head.len = s->head_at = 0;
	if (cps_buf_zeros(&s->head, -s->size & (BLOCK - 1), NULL) < 0)
		return cps_err_nomem(err);
	return n;
}

ssize_t cps_pack_stream_read(void *stream, void *buf, size_t len, struct cps_err *err)
{
	struct cps_pack_stream *s = stream;
	int rc;

	for (;;) {
		if (s->head_at < s->head.len)
			return take_head(s, buf, len);
		if (s->file)
			return take_bytes(s, buf, len, err);
		if (s->ended)
			return 0;
		rc = advance(s, err);
		if (rc < 0)
			return rc;
	}
}
