/* The members of one layer become its index, by containerd's applier rules. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/base/path.h"
#include "store/index/format.h"
#include "store/index/graph.h"

#define LINK_ROUNDS_MAX 40 /* so that a chain costs no square of its length */

#define WHITEOUT        ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/** A hard link that came before its target. */
struct pending {
	uint32_t dent;
};

struct cps_index_builder {
	struct cps_graph g;
	struct pending *pending;
	size_t pending_count, pending_cap;
	uint32_t rank; /* of the member in the stream */
};

struct cps_index_builder *cps_index_builder_new(void)
{
	struct cps_index_builder *b = calloc(1, sizeof(*b));

	if (b && cps_graph_init(&b->g) < 0) {
		cps_index_builder_free(b);
		return NULL;
	}
	return b;
}

void cps_index_builder_free(struct cps_index_builder *b)
{
	if (!b)
		return;
	cps_graph_release(&b->g);
	free(b->pending);
	free(b);
}

static int refuse(const struct cps_tar_entry *e, const char *why, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf name = CPS_BUF_INIT(CPS_PATH_MAX);

	cps_escape(&name, e->path, strlen(e->path));
	return cps_err_set(err, -EBADMSG, "entry '%s' at byte %llu: %s",
			   cps_buf_cstr(&name), (unsigned long long)e->header_off, why);
}

/* ---- where an entry goes ---- */

/* A name that hides the lower folder of that name goes on doing so, whatever entry
 * comes to have it. */
static void set_hides(struct cps_index_builder *b, uint32_t dent, bool hides)
{
	struct cps_gnode_inode *in = cps_graph_of(&b->g, dent);

	b->g.dents[dent].hides = hides;
	if (hides && S_ISDIR(in->mode))
		in->flags |= CPS_INODE_OPAQUE;
}

static int add_whiteout(struct cps_index_builder *b, const struct cps_gwalk *at,
			const struct cps_tar_entry *e, struct cps_err *err)
{
	const char *name = at->name + strlen(WHITEOUT);
	size_t len = at->name_len - strlen(WHITEOUT);
	uint32_t old;
	int64_t inode;

	if (!cps_name_ok_n(name, len))
		return refuse(e, "a whiteout that names nothing", err);
	old = cps_graph_find(&b->g, at->dir, name, len);
	if (old != CPS_NONE) {
		/* Whiteouts hide lower layers only; an entry of this layer stays. */
		set_hides(b, old, true);
		return 0;
	}
	inode = cps_graph_inode(&b->g);
	if (inode < 0)
		return cps_err_nomem(err);
	b->g.inodes[inode].flags = CPS_INODE_WHITEOUT;
	if (cps_graph_link(&b->g, at->dir, name, len, (uint32_t)inode, b->rank) < 0)
		return cps_err_nomem(err);
	return 0;
}

/* Make room for a new entry. Did what it replaces hide a lower folder's content? */
static bool displace(struct cps_index_builder *b, const struct cps_gwalk *at)
{
	uint32_t old = cps_graph_find(&b->g, at->dir, at->name, at->name_len);

	if (old == CPS_NONE)
		return false;
	cps_graph_unlink(&b->g, old);
	return b->g.dents[old].hides || (cps_graph_of(&b->g, old)->flags &
					 (CPS_INODE_OPAQUE | CPS_INODE_WHITEOUT));
}

/* Another name of `inode`. Its dent or -ENOMEM. */
static int64_t put_name(struct cps_index_builder *b, const struct cps_gwalk *at,
			uint32_t inode)
{
	bool hides = displace(b, at);
	int64_t dent =
		cps_graph_link(&b->g, at->dir, at->name, at->name_len, inode, b->rank);

	if (dent >= 0)
		set_hides(b, (uint32_t)dent, hides);
	return dent;
}

static int add_link(struct cps_index_builder *b, const struct cps_gwalk *at,
		    const struct cps_tar_entry *e, struct cps_err *err)
{
	struct cps_gwalk to;
	uint32_t target = CPS_NONE;
	int64_t inode, off, dent;
	int rc = cps_graph_walk(&b->g, e->link, strlen(e->link), false, 0, &to);

	if (rc == -ENOMEM)
		return cps_err_nomem(err);
	if (rc == 0 && to.name)
		target = cps_graph_find(&b->g, to.dir, to.name, to.name_len);
	if (rc == 0 && (!to.name || (target != CPS_NONE &&
				     S_ISDIR(cps_graph_of(&b->g, target)->mode))))
		return refuse(e, "a hard link to a directory", err);
	if (target != CPS_NONE &&
	    cps_graph_find(&b->g, at->dir, at->name, at->name_len) == target)
		return 0; /* to itself */
	if (target != CPS_NONE &&
	    !(cps_graph_of(&b->g, target)->flags & CPS_INODE_WHITEOUT))
		return put_name(b, at, b->g.dents[target].inode) < 0
			       ? cps_err_nomem(err)
			       : 0;
	inode = cps_graph_inode(&b->g);
	off = cps_graph_string(&b->g, e->link, strlen(e->link));
	if (inode < 0 || off < 0)
		return cps_err_nomem(err);
	b->g.inodes[inode].flags = CPS_INODE_LINK;
	b->g.inodes[inode].data = (uint64_t)off;
	b->g.inodes[inode].size = strlen(e->link);
	dent = put_name(b, at, (uint32_t)inode);
	if (dent < 0 || cps_grow(&b->pending, &b->pending_cap, b->pending_count + 1,
				 sizeof(*b->pending)) < 0)
		return cps_err_nomem(err);
	b->pending[b->pending_count++].dent = (uint32_t)dent;
	return 0;
}

static int add_plain(struct cps_index_builder *b, const struct cps_gwalk *at,
		     const struct cps_tar_entry *e, struct cps_err *err)
{
	uint32_t old = cps_graph_find(&b->g, at->dir, at->name, at->name_len);
	int64_t inode;

	if (old != CPS_NONE && e->type == CPS_TAR_DIR &&
	    S_ISDIR(cps_graph_of(&b->g, old)->mode)) {
		b->g.dents[old].order = b->rank;
		return cps_graph_describe(&b->g, b->g.dents[old].inode, e) < 0
			       ? cps_err_nomem(err)
			       : 0;
	}
	inode = cps_graph_inode(&b->g);
	if (inode < 0 || cps_graph_describe(&b->g, (uint32_t)inode, e) < 0 ||
	    put_name(b, at, (uint32_t)inode) < 0)
		return cps_err_nomem(err);
	return 0;
}

static int add_root(struct cps_index_builder *b, const struct cps_gwalk *at,
		    const struct cps_tar_entry *e, struct cps_err *err)
{
	if (e->type != CPS_TAR_DIR)
		return refuse(e, "the root must be a directory", err);
	return cps_graph_describe(&b->g, b->g.dents[at->dir].inode, e) < 0
		       ? cps_err_nomem(err)
		       : 0;
}

static bool starts(const struct cps_gwalk *at, const char *prefix)
{
	size_t n = strlen(prefix);

	return at->name_len >= n && memcmp(at->name, prefix, n) == 0;
}

static int place(struct cps_index_builder *b, const struct cps_gwalk *at,
		 const struct cps_tar_entry *e, struct cps_err *err)
{
	if (!at->name)
		return add_root(b, at, e, err);
	if (at->name_len > CPS_NAME_MAX)
		return refuse(e, "a name over 255 bytes", err);
	if (at->name_len == strlen(WHITEOUT_OPAQUE) && starts(at, WHITEOUT_OPAQUE)) {
		cps_graph_of(&b->g, at->dir)->flags |= CPS_INODE_OPAQUE;
		return 0;
	}
	if (starts(at, WHITEOUT_META)) {
		cps_debug("'%s' is another tool's bookkeeping", e->path);
		return 0;
	}
	if (starts(at, WHITEOUT))
		return add_whiteout(b, at, e, err);
	if (e->type == CPS_TAR_HARDLINK)
		return add_link(b, at, e, err);
	return add_plain(b, at, e, err);
}

static int check_limits(const struct cps_graph *g, struct cps_err *err)
{
	size_t text =
		g->strings.len + g->xattrs.len + g->extent_count * sizeof(*g->extents);

	if (g->dent_count > CPS_LAYER_NAMES_MAX)
		return cps_err_set(err, -EFBIG, "more than %u names in a layer",
				   CPS_LAYER_NAMES_MAX);
	if (text > CPS_LAYER_TEXT_MAX)
		return cps_err_set(
			err, -EFBIG,
			"more than %u MiB of names and attributes in a layer",
			CPS_LAYER_TEXT_MAX >> 20);
	return 0;
}

int cps_index_add(struct cps_index_builder *b, const struct cps_tar_entry *e,
		  struct cps_err *err)
{
	size_t len = strlen(e->path);
	char path[CPS_PATH_MAX + 1];
	struct cps_gwalk at;
	int rc;

	if (len > CPS_PATH_MAX)
		return refuse(e, "a path over 4095 bytes", err);
	rc = check_limits(&b->g, err);
	if (rc < 0)
		return rc;
	b->rank++;
	len = cps_path_clean(e->path, len, path); /* as containerd does */
	rc = cps_graph_walk(&b->g, path, len, true, b->rank, &at);
	switch (rc) {
	case 0:
		return place(b, &at, e, err);
	case -ENOTDIR:
		return refuse(e, "its parent is not a directory", err);
	case -ELOOP:
		return refuse(e, "too many symbolic links above it", err);
	case -ENAMETOOLONG:
		return refuse(e, "a name or path too long", err);
	default:
		return cps_err_nomem(err);
	}
}

/* ---- the end ---- */

static int resolve(struct cps_index_builder *b, struct cps_gnode_dent *d)
{
	struct cps_gnode_inode *in = &b->g.inodes[d->inode];
	struct cps_gwalk to;
	uint32_t target;
	int rc = cps_graph_walk(&b->g, (const char *)b->g.strings.data + in->data,
				in->size, false, 0, &to);

	if (rc < 0 || !to.name)
		return rc == -ENOMEM ? rc : 0;
	target = cps_graph_find(&b->g, to.dir, to.name, to.name_len);
	if (target == CPS_NONE)
		return 0;
	in = cps_graph_of(&b->g, target);
	if (in->flags & (CPS_INODE_LINK | CPS_INODE_WHITEOUT))
		return 0;
	if (S_ISDIR(in->mode))
		return -EISDIR;
	d->inode = b->g.dents[target].inode;
	return 1;
}

/* Links to links that come later resolve in as many rounds as they are long; no
 * progress ends it. */
static int resolve_pending(struct cps_index_builder *b, struct cps_err *err)
{
	bool progress = true;

	for (unsigned int round = 0; progress && round < LINK_ROUNDS_MAX; round++) {
		progress = false;
		for (size_t i = 0; i < b->pending_count; i++) {
			struct cps_gnode_dent *d = &b->g.dents[b->pending[i].dent];
			int rc = 0;

			if (!d->dead && (b->g.inodes[d->inode].flags & CPS_INODE_LINK))
				rc = resolve(b, d);
			if (rc == -EISDIR)
				return cps_err_set(err, -EBADMSG,
						   "entry '%.*s': a hard link to a "
						   "directory",
						   (int)d->name_len,
						   b->g.strings.data + d->name);
			if (rc < 0)
				return cps_err_nomem(err);
			progress |= rc == 1;
		}
	}
	return 0;
}

static int refuse_pending(const struct cps_index_builder *b, struct cps_err *err)
{
	for (size_t i = 0; i < b->pending_count; i++) {
		const struct cps_gnode_dent *d = &b->g.dents[b->pending[i].dent];
		const struct cps_gnode_inode *in = &b->g.inodes[d->inode];
		cps_auto(cps_buf) struct cps_buf link = CPS_BUF_INIT(4 * CPS_PATH_MAX);

		if (d->dead || !(in->flags & CPS_INODE_LINK))
			continue;
		cps_escape(&link, (const char *)b->g.strings.data + in->data, in->size);
		return cps_err_set(err, -EBADMSG,
				   "a hard link to '%s', which is not there",
				   cps_buf_cstr(&link));
	}
	return 0;
}

int cps_index_finish(struct cps_index_builder *b, const struct cps_digest *diff_id,
		     bool lowest, struct cps_buf *out, struct cps_err *err)
{
	int rc = resolve_pending(b, err);

	if (rc == 0 && lowest)
		rc = refuse_pending(b, err);
	return rc < 0 ? rc : cps_graph_write(&b->g, diff_id, out, err);
}
