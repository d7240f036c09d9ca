#include "store/maintain_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/folder.h"
#include "store/image_internal.h"

static uint64_t disk_bytes(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
}

/* ---- gc ---- */

struct sweep {
	const struct cps_reach *reach;
	bool dry_run;
	uint64_t files, bytes;
	struct cps_err *err;
};

static int sweep_file(void *ctx, int dirfd, const char *name,
		      const struct cps_digest *id, const struct stat *st)
{
	struct sweep *s = ctx;

	if (!id || cps_reach_find(s->reach, id))
		return 0; /* what is no file of ours is fsck's to name */
	if (!s->dry_run && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return cps_err_sys(s->err, -errno, "remove '%s'", name);
	s->files++;
	s->bytes += disk_bytes(st);
	return 0;
}

/* A manifest that cannot be read keeps nothing alive; better to stop than to take the
 * layers away that a repair would want. */
static int refuse_unreadable(const struct cps_reach *reach, struct cps_err *err)
{
	char hex[CPS_DIGEST_TEXT_LEN];

	if (reach->damaged_top)
		return cps_err_set(err, -EBADMSG,
				   "%s; nothing is removed: what it stands on is not "
				   "known; remove the container first",
				   reach->damaged_top);
	for (size_t i = 0; i < reach->count; i++) {
		const struct cps_reach_item *it = &reach->items[i];

		if (it->unreadable)
			return cps_err_set(
				err, -EBADMSG,
				"image '%s': document %s is damaged (%s); nothing is "
				"removed: remove or repair the image first",
				cps_reach_image(reach, it),
				cps_digest_text(&it->digest, hex), it->why);
	}
	return 0;
}

/* Has it a name, in this entry or another, or a top that stands on it? */
static bool is_wanted(const struct cps_reach *reach, const struct cps_digest *manifest)
{
	for (size_t i = 0; i < reach->images.count; i++)
		if (reach->images.entries[i].name &&
		    cps_digest_equal(&reach->images.entries[i].digest, manifest))
			return true;
	for (size_t i = 0; i < reach->tops.count; i++)
		if (cps_digest_equal(&reach->tops.tops[i].manifest, manifest))
			return true;
	return false;
}

static bool takes(struct cps_store *store, const struct cps_gc_opts *opts,
		  const struct cps_image_entry *entry)
{
	const struct cps_blob_source source = {cps_store_blob_open, store};
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	if (!opts->takes)
		return true;
	return cps_image_resolve(&source, &entry->digest, entry->size, NULL, &image,
				 NULL) == 0 &&
	       opts->takes(opts->takes_ctx, image);
}

static int drop_untagged(struct cps_store *store, const struct cps_gc_opts *opts,
			 struct cps_gc_result *out, struct cps_err *err)
{
	cps_auto(cps_reach) struct cps_reach reach = {0};
	int rc = cps_reach_collect(store, &reach, err);

	if (rc == 0)
		rc = refuse_unreadable(&reach, err);
	for (size_t i = 0; rc == 0 && i < reach.images.count; i++) {
		const struct cps_image_entry *entry = &reach.images.entries[i];

		if (is_wanted(&reach, &entry->digest) || !takes(store, opts, entry))
			continue;
		out->untagged++;
		if (!opts->dry_run)
			rc = cps_image_forget(store, &entry->digest, err);
	}
	return rc;
}

static int sweep_all(struct cps_store *store, struct sweep *s,
		     struct cps_gc_result *out)
{
	int rc = cps_folder_each(cps_store_blobs_fd(store), sweep_file, s, s->err);
	uint64_t blobs = s->files;

	for (int kind = CPS_INDEX; rc == 0 && kind < CPS_DERIVED_KINDS; kind++)
		rc = cps_folder_each(cps_store_derived_fd(store, kind), sweep_file, s,
				     s->err);
	out->blobs += blobs;
	out->derived += s->files - blobs;
	out->bytes += s->bytes;
	return rc;
}

static int take_garbage(struct cps_store *store, const struct cps_gc_opts *opts,
			struct cps_gc_result *out, struct cps_err *err)
{
	cps_auto(cps_reach) struct cps_reach reach = {0};
	struct sweep s = {.reach = &reach, .dry_run = opts->dry_run, .err = err};
	int rc = cps_reach_collect(store, &reach, err);

	if (rc == 0)
		rc = refuse_unreadable(&reach, err);
	if (rc == 0)
		rc = sweep_all(store, &s, out);
	if (rc == 0 && opts->prune)
		rc = cps_prune_derived(store, &reach, opts, out, err);
	return rc;
}

int cps_gc(struct cps_store *store, const struct cps_gc_opts *opts,
	   struct cps_gc_result *out, struct cps_err *err)
{
	cps_auto(cps_fd) int lock = cps_store_lock(store, true, err);
	int rc = lock < 0 ? lock : 0;

	*out = (struct cps_gc_result){0};
	if (rc == 0 && opts->untagged) {
		rc = drop_untagged(store, opts, out, err);
		/* To forget is to write, and the disk may have no room for that yet. */
		if (rc == -ENOSPC) {
			out->untagged = 0;
			rc = take_garbage(store, opts, out, err);
			if (rc == 0)
				rc = drop_untagged(store, opts, out, err);
		}
	}
	return rc < 0 ? rc : take_garbage(store, opts, out, err);
}

/* ---- df ---- */

struct count {
	const struct cps_reach *reach;
	struct cps_usage *use;
};

static int count_blob(void *ctx, int dirfd, const char *name,
		      const struct cps_digest *id, const struct stat *st)
{
	struct count *c = ctx;

	if (id && cps_reach_find(c->reach, id)) {
		c->use->image_bytes += disk_bytes(st);
	} else {
		c->use->garbage++;
		c->use->garbage_bytes += disk_bytes(st);
	}
	return 0;
}

static int count_derived(void *ctx, int dirfd, const char *name,
			 const struct cps_digest *id, const struct stat *st)
{
	struct count *c = ctx;

	c->use->derived++;
	c->use->derived_bytes += disk_bytes(st);
	return 0;
}

/* A top's folder holds files and one level of folders. */
static int count_top_file(void *ctx, int dirfd, const char *name,
			  const struct cps_digest *id, const struct stat *st)
{
	struct count *c = ctx;
	cps_auto(cps_fd) int folder = -1;

	c->use->top_bytes += disk_bytes(st);
	if (!S_ISDIR(st->st_mode))
		return 0;
	folder = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* What is gone meanwhile counts nothing. */
	return folder < 0 ? 0 : cps_folder_each(folder, count_top_file, c, NULL);
}

static int count_tops(struct cps_store *store, struct count *c, struct cps_err *err)
{
	cps_auto(cps_fd) int tops = openat(cps_store_root_fd(store), "tops",
					   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	c->use->tops = c->reach->tops.count;
	return tops < 0 ? 0 : cps_folder_each(tops, count_top_file, c, err);
}

int cps_df(struct cps_store *store, struct cps_usage *out, struct cps_err *err)
{
	cps_auto(cps_reach) struct cps_reach reach = {0};
	struct count c = {.reach = &reach, .use = out};
	int rc = cps_reach_collect(store, &reach, err);

	*out = (struct cps_usage){0};
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < reach.images.count; i++) {
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= cps_digest_equal(&reach.images.entries[i].digest,
						 &reach.images.entries[j].digest);
		out->images += !seen;
	}
	rc = cps_folder_each(cps_store_blobs_fd(store), count_blob, &c, err);
	for (int kind = CPS_INDEX; rc == 0 && kind < CPS_DERIVED_KINDS; kind++)
		rc = cps_folder_each(cps_store_derived_fd(store, kind), count_derived,
				     &c, err);
	return rc < 0 ? rc : count_tops(store, &c, err);
}
