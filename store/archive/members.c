#include "store/archive/members.h"

#include <errno.h>
#include <string.h>

#include "store/base/path.h"
#include "store/tar.h"

#define MEMBERS_MAX 200000u
#define LINKS_MAX   8

struct member {
	char *name; /* cleaned: components joined by one '/' */
	char *link; /* where a symlink leads, cleaned; NULL: a file */
	uint64_t off, size;
};

struct cps_members {
	struct cps_blob blob;
	struct member *list;
	size_t count, cap;
};

struct reader {
	const struct cps_blob *blob;
	uint64_t off;
};

static ssize_t read_at(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct reader *r = ctx;
	ssize_t n = cps_blob_pread(r->blob, buf, len, r->off);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read the archive");
	r->off += (uint64_t)n;
	return n;
}

static int skip(void *ctx, uint64_t len, struct cps_err *err)
{
	struct reader *r = ctx;

	if (len > r->blob->size - r->off)
		return cps_err_set(err, -ENODATA, "the archive ends inside a member");
	r->off += len;
	return 0;
}

/* Lexical: "a/./b", "/a/b" and "x/../a/b" are one key. */
static char *clean(const char *base, const char *path)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(CPS_PATH_MAX * 2);
	const char *parts[] = {path[0] == '/' ? "" : base, path};

	if (cps_buf_str(&out, "") < 0)
		return NULL;
	for (size_t i = 0; i < 2; i++) {
		size_t pos = 0, len, all = strlen(parts[i]);
		const char *name;

		while (cps_path_next(parts[i], all, &pos, &name, &len)) {
			if (len == 2 && name[0] == '.' && name[1] == '.') {
				while (out.len && out.data[--out.len] != '/')
					;
				continue;
			}
			if (out.len && cps_buf_str(&out, "/") < 0)
				return NULL;
			if (cps_buf_append(&out, name, len) < 0)
				return NULL;
		}
	}
	out.data[out.len] = '\0';
	return (char *)cps_buf_steal(&out, NULL);
}

static char *link_target(const struct cps_tar_entry *e)
{
	const char *slash = strrchr(e->path, '/');
	cps_auto(cps_free) char *base =
		slash && e->type == CPS_TAR_SYMLINK
			? strndup(e->path, (size_t)(slash - e->path))
			: strdup("");

	return base ? clean(base, e->link) : NULL;
}

static int add(struct cps_members *m, const struct cps_tar_entry *e)
{
	struct member *member;

	if (e->type != CPS_TAR_REG && e->type != CPS_TAR_SYMLINK &&
	    e->type != CPS_TAR_HARDLINK)
		return 0;
	if (e->sparse || m->count >= MEMBERS_MAX)
		return -EBADMSG;
	if (cps_grow(&m->list, &m->cap, m->count + 1, sizeof(*m->list)) < 0)
		return -ENOMEM;
	member = &m->list[m->count];
	*member = (struct member){.off = e->data_off, .size = e->size};
	member->name = clean("", e->path);
	if (!member->name)
		return -ENOMEM;
	m->count++;
	if (e->type != CPS_TAR_REG) {
		member->link = link_target(e);
		if (!member->link)
			return -ENOMEM;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name,
		      ((const struct member *)b)->name);
}

static int scan(struct cps_members *m, struct cps_err *err)
{
	struct reader r = {.blob = &m->blob};
	cps_auto(cps_tar_close) struct cps_tar *tar = cps_tar_open(read_at, skip, &r);
	struct cps_tar_entry e;
	int rc;

	if (!tar)
		return cps_err_nomem(err);
	while ((rc = cps_tar_next(tar, &e, err)) == 1) {
		rc = add(m, &e);
		if (rc < 0)
			return cps_err_sys(err, rc, "member '%s'", e.path);
		/* The strict reader allows a stream that stops between members. */
		if (e.type == CPS_TAR_REG &&
		    (e.data_off > m->blob.size || e.size > m->blob.size - e.data_off))
			return cps_err_set(err, -EBADMSG,
					   "the archive ends inside '%s'", e.path);
	}
	if (rc == 0 && m->count)
		qsort(m->list, m->count, sizeof(*m->list), by_name);
	/* Some readers take the first of two, some the last. */
	for (size_t i = 1; rc == 0 && i < m->count; i++)
		if (strcmp(m->list[i - 1].name, m->list[i].name) == 0)
			rc = cps_err_set(err, -EBADMSG, "the archive has '%s' twice",
					 m->list[i].name);
	return rc;
}

int cps_members_scan(struct cps_blob *blob, struct cps_members **out,
		     struct cps_err *err)
{
	struct cps_members *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return cps_err_nomem(err);
	m->blob = *blob;
	blob->fd = -1;
	rc = scan(m, err);
	if (rc < 0) {
		cps_members_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

static const struct member *find(const struct cps_members *m, const char *name)
{
	const struct member key = {.name = (char *)(uintptr_t)name};

	return m->count ? bsearch(&key, m->list, m->count, sizeof(key), by_name) : NULL;
}

bool cps_members_has(const struct cps_members *members, const char *name)
{
	return find(members, name) != NULL;
}

int cps_members_open(const struct cps_members *members, const char *name,
		     struct cps_blob *out)
{
	cps_auto(cps_free) char *key = clean("", name);
	const struct member *m = key ? find(members, key) : NULL;

	for (int hops = 0; m && m->link; hops++) {
		if (hops == LINKS_MAX)
			return -ELOOP;
		m = find(members, m->link);
	}
	if (!m)
		return -ENOENT;
	if (cps_blob_dup(&members->blob, out, NULL) < 0)
		return -EMFILE;
	out->base = members->blob.base + m->off;
	out->size = m->size;
	return 0;
}

void cps_members_free(struct cps_members *members)
{
	if (!members)
		return;
	for (size_t i = 0; i < members->count; i++) {
		free(members->list[i].name);
		free(members->list[i].link);
	}
	free(members->list);
	cps_blob_close(&members->blob);
	free(members);
}
