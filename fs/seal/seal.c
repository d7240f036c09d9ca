/* A top as the view and the source of a plan. */
#include "fs/seal/seal.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

struct cps_seal {
	struct cps_top *top; /* borrowed */
	struct cps_pack_plan plan;
	struct cps_pack_source source;
	struct cps_pack_stream *stream;
	/* Of the entry that was described last: */
	char link[CPS_PATH_MAX + 1];
	struct cps_buf names, values;
	struct cps_tar_xattr *xattrs;
	size_t xattr_cap;
};

/* ---- the view ---- */

static uint32_t lower_of(uint64_t ino)
{
	return ino < CPS_TOP_FRESH ? (uint32_t)(ino - 1) : CPS_PACK_NO_INODE;
}

static int fill_name(struct cps_top *top, uint64_t ino, struct cps_pack_name *out)
{
	struct stat st;
	int rc = cps_top_stat(top, ino, &st);

	if (rc < 0)
		return rc;
	out->handle = ino;
	out->lower = lower_of(ino);
	out->mode = st.st_mode;
	out->nlink = (uint32_t)st.st_nlink;
	out->modified = cps_top_modified(top, ino);
	return 0;
}

static int list(void *ctx, uint64_t dir, struct cps_pack_list *out, struct cps_err *err)
{
	struct cps_top_entry e = {.next = 0};
	struct cps_top *top = ctx;
	int rc;

	while ((rc = cps_top_readdir(top, dir, e.next, &e)) == 1) {
		struct cps_pack_name name = {.name = e.name};

		if (e.dot)
			continue;
		rc = fill_name(top, e.ino, &name);
		if (rc == 0)
			rc = cps_pack_list_add(out, &name, strlen(e.name));
		if (rc < 0)
			break;
	}
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", e.name) : 0;
}

/* ---- the source ---- */

static int read_xattr(struct cps_seal *s, uint64_t ino, const char *name, size_t *len)
{
	ssize_t n = cps_top_xattr_get(s->top, ino, name, NULL, 0);
	uint8_t *at;

	/* A byte more, so that an empty value has an address too. */
	if (n >= 0 && cps_buf_zeros(&s->values, (size_t)n + 1, &at) < 0)
		n = -ENOMEM;
	if (n > 0)
		n = cps_top_xattr_get(s->top, ino, name, at, (size_t)n);
	*len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? (int)n : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct cps_tar_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The names, and room for as many records. */
static int list_xattrs(struct cps_seal *s, uint64_t ino)
{
	ssize_t n = cps_top_xattr_list(s->top, ino, NULL, 0);
	uint8_t *at;

	s->names.len = s->values.len = 0;
	if (n <= 0)
		return (int)n;
	if (cps_buf_zeros(&s->names, (size_t)n, &at) < 0 ||
	    cps_grow(&s->xattrs, &s->xattr_cap, (size_t)n, sizeof(*s->xattrs)) < 0)
		return -ENOMEM;
	n = cps_top_xattr_list(s->top, ino, (char *)at, (size_t)n);
	return n < 0 ? (int)n : 0;
}

static int fill_xattrs(struct cps_seal *s, uint64_t ino, struct cps_tar_entry *out)
{
	size_t count = 0, at = 0;
	int rc = list_xattrs(s, ino);

	for (size_t pos = 0; rc == 0 && pos < s->names.len;) {
		const char *name = (const char *)s->names.data + pos;
		size_t len;

		pos += strlen(name) + 1;
		/* Every lower inode shows the one, nobody has set it; the other is
		 * between a sandbox and us. */
		if (strcmp(name, CPS_VIEW_LAYER_XATTR) == 0 ||
		    strcmp(name, CPS_TOP_STUB_XATTR) == 0)
			continue;
		rc = read_xattr(s, ino, name, &len);
		s->xattrs[count++] = (struct cps_tar_xattr){name, NULL, (uint32_t)len};
	}
	if (rc < 0)
		return rc;
	/* Now the values do not move any more. */
	for (size_t i = 0; i < count; i++) {
		s->xattrs[i].value = s->values.data + at;
		at += s->xattrs[i].value_len + 1;
	}
	if (count)
		qsort(s->xattrs, count, sizeof(*s->xattrs), by_name);
	out->xattrs = s->xattrs;
	out->xattr_count = count;
	return 0;
}

static int describe(void *ctx, const struct cps_pack_item *item, const char *path,
		    struct cps_tar_entry *out, struct cps_err *err)
{
	struct cps_seal *s = ctx;
	struct stat st;
	int rc = cps_top_stat(s->top, item->handle, &st);

	if (rc == 0 && S_ISLNK(st.st_mode)) {
		rc = cps_top_readlink(s->top, item->handle, s->link, sizeof(s->link));
		out->link = s->link;
	}
	if (rc == 0)
		rc = fill_xattrs(s, item->handle, out);
	if (rc < 0)
		return cps_err_sys(err, rc, "cannot be read");
	out->type = cps_tar_type_of(st.st_mode);
	out->mode = st.st_mode & 07777;
	out->uid = st.st_uid;
	out->gid = st.st_gid;
	out->major = major(st.st_rdev);
	out->minor = minor(st.st_rdev);
	out->mtime_s = st.st_mtim.tv_sec;
	out->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	out->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

static ssize_t read_bytes(void *ctx, const struct cps_pack_item *item, void *buf,
			  size_t len, uint64_t off, struct cps_err *err)
{
	struct cps_seal *s = ctx;
	ssize_t n = cps_top_pread(s->top, item->handle, buf, len, off, 0);

	return n < 0 ? cps_err_sys(err, (int)n, "cannot be read") : n;
}

/* ---- the seal ---- */

int cps_seal_plan(struct cps_top *top, enum cps_seal_what what, int64_t mtime_max_s,
		  struct cps_seal **out, struct cps_err *err)
{
	cps_auto(cps_seal_free) struct cps_seal *s = calloc(1, sizeof(*s));
	struct cps_pack_view view = {.ctx = top, .list = list};
	const struct cps_tree *lower =
		what == CPS_SEAL_WHOLE ? NULL : cps_top_root(top)->tree;
	int rc;

	if (!s)
		return cps_err_nomem(err);
	s->top = top;
	s->source = (struct cps_pack_source){s, describe, read_bytes};
	rc = fill_name(top, CPS_TOP_ROOT, &view.root);
	if (rc < 0)
		return cps_err_sys(err, rc, "the root folder");
	rc = cps_pack_compare(&view, lower, what == CPS_SEAL_LAYER, &s->plan, err);
	if (rc < 0)
		return rc;
	s->stream = cps_pack_stream_new(&s->plan, &s->source, mtime_max_s);
	if (!s->stream)
		return cps_err_nomem(err);
	*out = CPS_TAKE(s);
	return 0;
}

bool cps_seal_is_empty(const struct cps_seal *seal)
{
	return cps_pack_is_empty(&seal->plan);
}

ssize_t cps_seal_read(void *seal, void *buf, size_t len, struct cps_err *err)
{
	struct cps_seal *s = seal;

	return cps_pack_stream_read(s->stream, buf, len, err);
}

int cps_seal_diff(const struct cps_seal *seal, cps_pack_diff_fn fn, void *ctx,
		  struct cps_err *err)
{
	return cps_pack_diff(&seal->plan, fn, ctx, err);
}

void cps_seal_free(struct cps_seal *seal)
{
	if (!seal)
		return;
	cps_pack_stream_free(seal->stream);
	cps_pack_release(&seal->plan);
	cps_buf_release(&seal->names);
	cps_buf_release(&seal->values);
	free(seal->xattrs);
	free(seal);
}
