/* Derived files of images that are there: made anew on use, so they may go when they
 * take too much. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/folder.h"
#include "store/maintain_internal.h"

/** A file that could go. */
struct file {
	struct cps_digest id;
	int64_t used_s;
	uint64_t bytes;
	enum cps_derived kind;
};

struct collection {
	const struct cps_reach *reach;
	enum cps_derived kind;
	struct file *files;
	size_t count, cap;
	uint64_t bytes;
	struct cps_err *err;
};

static int collect(void *ctx, int dirfd, const char *name, const struct cps_digest *id,
		   const struct stat *st)
{
	struct collection *c = ctx;
	bool read_later = st->st_atime > st->st_mtime;

	/* What nothing reaches is garbage, and has gone before. */
	if (!id || !S_ISREG(st->st_mode) || !cps_reach_find(c->reach, id))
		return 0;
	if (cps_grow(&c->files, &c->cap, c->count + 1, sizeof(*c->files)) < 0)
		return cps_err_nomem(c->err);
	c->files[c->count++] = (struct file){
		.id = *id,
		.used_s = read_later ? st->st_atime : st->st_mtime,
		.bytes = (uint64_t)st->st_blocks * 512,
		.kind = c->kind,
	};
	c->bytes += c->files[c->count - 1].bytes;
	return 0;
}

/* What was used longest ago comes first; of those that are as old, the largest. */
static int by_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used_s != y->used_s)
		return x->used_s < y->used_s ? -1 : 1;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int cps_prune_derived(struct cps_store *store, const struct cps_reach *reach,
		      const struct cps_gc_opts *opts, struct cps_gc_result *out,
		      struct cps_err *err)
{
	struct collection c = {.reach = reach, .err = err};
	int rc = 0;

	for (c.kind = CPS_INDEX; rc == 0 && c.kind < CPS_DERIVED_KINDS; c.kind++)
		rc = cps_folder_each(cps_store_derived_fd(store, c.kind), collect, &c,
				     err);
	if (rc == 0 && c.count)
		qsort(c.files, c.count, sizeof(*c.files), by_use);
	for (size_t i = 0; rc == 0 && i < c.count; i++) {
		const struct file *f = &c.files[i];

		/* An empty one takes nothing, and yet is something. */
		if (c.bytes <= opts->keep_bytes && opts->keep_bytes)
			break;
		if (f->used_s >= opts->unused_since_s)
			break;
		if (!opts->dry_run)
			cps_derived_drop(store, f->kind, &f->id);
		c.bytes -= f->bytes;
		out->bytes += f->bytes;
		out->derived++;
	}
	free(c.files);
	return rc;
}
