#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/base/path.h"
#include "store/folder.h"
#include "store/maintain.h"
#include "store/reach.h"
#include "store/seek.h"
#include "store/tree.h"

struct check {
	struct cps_store *store;
	struct cps_reach reach;
	bool repair;
	const struct cps_progress *progress;
	uint64_t hashed, total; /* bytes of blobs */
	cps_fsck_fn found;
	void *ctx;
	enum cps_derived kind; /* of the folder that is being walked */
	int left;
	struct cps_err *err;
};

static void report(struct check *c, enum cps_fsck_kind kind, const char *what,
		   const char *why, bool repaired)
{
	c->found(c->ctx, kind, what, why, repaired);
	c->left += !repaired;
}

/* ---- blobs ---- */

static int verify_blob(struct check *c, const struct cps_digest *digest,
		       struct cps_err *why)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	int rc = cps_blob_open(c->store, digest, &blob, why);

	if (rc == 0)
		rc = cps_blob_verify(&blob, digest, why);
	c->hashed += blob.size;
	cps_progress_tell(c->progress, "blobs", c->hashed, c->total);
	return rc;
}

static int add_size(void *ctx, int dirfd, const char *name, const struct cps_digest *id,
		    const struct stat *st)
{
	struct check *c = ctx;

	c->total += id && S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	return 0;
}

static int check_blob(void *ctx, int dirfd, const char *name,
		      const struct cps_digest *id, const struct stat *st)
{
	struct check *c = ctx;
	const struct cps_reach_item *item;
	struct cps_err why = CPS_ERR_INIT;
	char what[CPS_NAME_MAX + 32];
	int rc;

	snprintf(what, sizeof(what), "blobs/sha256/%s", name);
	if (!id || !S_ISREG(st->st_mode)) {
		report(c, CPS_FSCK_STRAY, what, "not a blob", false);
		return 0;
	}
	rc = verify_blob(c, id, &why);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	item = cps_reach_find(&c->reach, id);
	if (item)
		cps_err_wrap(&why, rc, "needed by image '%s'",
			     cps_reach_image(&c->reach, item));
	report(c, CPS_FSCK_DAMAGED, what, why.msg,
	       c->repair && unlinkat(dirfd, name, 0) == 0);
	return 0;
}

static void check_reached(struct check *c)
{
	for (size_t i = 0; i < c->reach.count; i++) {
		const struct cps_reach_item *it = &c->reach.items[i];
		char what[CPS_DIGEST_TEXT_LEN + 16], why[CPS_ERR_MAX], hex[72];

		snprintf(what, sizeof(what), "blob %s",
			 cps_digest_text(&it->digest, hex));
		snprintf(why, sizeof(why), "image '%s': %s",
			 cps_reach_image(&c->reach, it), it->why ? it->why : "");
		if (it->missing && !it->optional) {
			snprintf(why, sizeof(why), "image '%s' needs it",
				 cps_reach_image(&c->reach, it));
			report(c, CPS_FSCK_MISSING, what, why, false);
		} else if (it->unreadable) {
			report(c, CPS_FSCK_DOCUMENT, what, why, false);
		}
	}
}

/* ---- derived files ---- */

static int verify_index(const struct cps_map *map, const struct cps_digest *id,
			struct cps_err *why)
{
	cps_auto(cps_index_close) struct cps_index *index = NULL;
	int rc = cps_index_open(map->data, map->len, id, &index, why);

	return rc < 0 ? rc : cps_index_verify(index, why);
}

static int verify_tree(const struct cps_map *map, const struct cps_digest *id,
		       struct cps_err *why)
{
	cps_auto(cps_tree_close) struct cps_tree *tree = NULL;
	int rc = cps_tree_open(map->data, map->len, id, &tree, why);

	return rc < 0 ? rc : cps_tree_verify(tree, why);
}

static int verify_seek(struct check *c, const struct cps_digest *id,
		       struct cps_err *why)
{
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	int rc = cps_seek_open(c->store, id, &seek, why);

	return rc < 0 ? rc : cps_seek_verify(seek, why);
}

/* A transcoded blob has no digest of its own: each of its spans has a checksum, and
 * decoding compares it. */
static int verify_span(struct check *c, const struct cps_digest *id,
		       struct cps_err *why)
{
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_free) uint8_t *buf = malloc(CPS_SPAN_MAX);
	int rc = cps_seek_open(c->store, id, &seek, why);

	if (rc == 0)
		rc = cps_blob_open(c->store, id, &blob, why);
	if (rc == 0 && !buf)
		rc = cps_err_nomem(why);
	for (uint32_t i = 0; rc == 0 && i < cps_seek_span_count(seek); i++) {
		cps_auto(cps_cursor_close) struct cps_cursor *cursor = NULL;
		uint64_t off;
		uint32_t len;

		cps_seek_span(seek, i, &off, &len);
		rc = cps_cursor_open(seek, &blob, i, &cursor);
		if (rc == 0)
			rc = cps_cursor_read(cursor, buf, len);
		if (rc < 0)
			cps_err_sys(why, rc, "span %u cannot be decoded", i);
	}
	/* A blob that is gone leaves a span file that gc will take. */
	return rc == -ENOENT ? 0 : rc;
}

static int verify_derived(struct check *c, int dirfd, const char *name,
			  const struct cps_digest *id, struct cps_err *why)
{
	cps_auto(cps_map) struct cps_map map = {0};
	cps_auto(cps_fd) int fd = cps_open_regular(dirfd, name);
	int rc = fd < 0 ? fd : cps_map_fd(fd, &map);

	if (rc < 0)
		return cps_err_sys(why, rc, "cannot be read");
	switch (c->kind) {
	case CPS_INDEX:
		return verify_index(&map, id, why);
	case CPS_TREE:
		return verify_tree(&map, id, why);
	case CPS_SEEK:
		return verify_seek(c, id, why);
	case CPS_SPAN:
		return verify_span(c, id, why);
	default:
		return 0; /* what is kept is verified whenever it is read */
	}
}

static const char *const folder_names[] = {
	[CPS_INDEX] = "index",
	[CPS_SEEK] = "seek",
	[CPS_TREE] = "tree",
	[CPS_SPAN] = "span",
	[CPS_KEPT] = "kept",
};

static int check_derived(void *ctx, int dirfd, const char *name,
			 const struct cps_digest *id, const struct stat *st)
{
	struct check *c = ctx;
	struct cps_err why = CPS_ERR_INIT;
	char what[CPS_NAME_MAX + 32];
	int rc;

	snprintf(what, sizeof(what), "%s/sha256/%s", folder_names[c->kind], name);
	if (!id || !S_ISREG(st->st_mode)) {
		report(c, CPS_FSCK_STRAY, what, "not a derived file", false);
		return 0;
	}
	rc = verify_derived(c, dirfd, name, id, &why);
	if (rc < 0 && rc != -ENOENT)
		report(c, CPS_FSCK_DERIVED, what, why.msg,
		       c->repair && unlinkat(dirfd, name, 0) == 0);
	return 0;
}

static int check_top(void *ctx, const char *folder, const struct cps_top_info *info,
		     const char *why)
{
	struct check *c = ctx;
	struct cps_digest id;
	char what[CPS_NAME_MAX + 16];

	snprintf(what, sizeof(what), "tops/%s", folder);
	if (!info)
		report(c,
		       cps_digest_parse_hex(folder, &id) == 0 ? CPS_FSCK_DOCUMENT
							      : CPS_FSCK_STRAY,
		       what, why, false);
	return 0;
}

static int run_checks(struct check *c)
{
	int rc = cps_reach_collect(c->store, &c->reach, c->err);

	if (rc < 0) {
		report(c, CPS_FSCK_DOCUMENT, "index.json", c->err->msg, false);
		return 0;
	}
	rc = cps_folder_each(cps_store_blobs_fd(c->store), add_size, c, c->err);
	if (rc == 0)
		rc = cps_folder_each(cps_store_blobs_fd(c->store), check_blob, c,
				     c->err);
	if (rc == 0)
		check_reached(c);
	if (rc == 0)
		rc = cps_tops_each(c->store, check_top, c, c->err);
	for (int kind = CPS_INDEX; rc == 0 && kind < CPS_DERIVED_KINDS; kind++) {
		c->kind = (enum cps_derived)kind;
		rc = cps_folder_each(cps_store_derived_fd(c->store, c->kind),
				     check_derived, c, c->err);
	}
	return rc;
}

int cps_fsck(struct cps_store *store, bool repair, const struct cps_progress *progress,
	     cps_fsck_fn found, void *ctx, struct cps_err *err)
{
	/* Shared: nothing must vanish while it is looked at. */
	cps_auto(cps_fd) int lock = cps_store_lock(store, false, err);
	struct check c = {.store = store,
			  .repair = repair,
			  .progress = progress,
			  .found = found,
			  .ctx = ctx,
			  .err = err};
	int rc = lock < 0 ? lock : run_checks(&c);

	cps_reach_release(&c.reach);
	return rc < 0 ? rc : c.left;
}
