/* Keeping the store: gc, df, fsck. */
#include <errno.h>

#include "store/maintain.h"
#include "tools/document.h"
#include "tools/gc_filter.h"
#include "tools/human.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/table.h"

/* ---- gc ---- */

static int print_removed(const struct cps_gc_result *r, bool dry)
{
	char size[CPS_HUMAN_MAX];

	printf("%s %llu blobs, %llu derived files, %llu untagged images: %s\n",
	       dry ? "Would remove" : "Removed", (unsigned long long)r->blobs,
	       (unsigned long long)r->derived, (unsigned long long)r->untagged,
	       cps_size_text(r->bytes, size));
	return 0;
}

static int print_removed_json(const struct cps_gc_result *r)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_number(doc, "ImagesDeleted", r->untagged);
	cps_doc_put_number(doc, "BlobsDeleted", r->blobs);
	cps_doc_put_number(doc, "DerivedDeleted", r->derived);
	cps_doc_put_number(doc, "SpaceReclaimed", r->bytes);
	return cps_doc_print(doc, stdout);
}

static int cmd_gc(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	static struct cps_gc_filter filter;
	struct cps_gc_opts opts = {0};
	struct cps_gc_result r;

	CPS_BEGIN(args);
	opts.untagged = CPS_HAS("untagged");
	opts.dry_run = CPS_HAS("dry-run");
	rc = cps_gc_filter_parse(cmd, &args, &filter, &opts);
	if (rc)
		return rc;
	rc = cps_gc(app->store, &opts, &r, &app->err);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	rc = CPS_HAS("json") ? print_removed_json(&r) : print_removed(&r, opts.dry_run);
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the document");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_gc = {
	.name = "gc",
	.run = cmd_gc,
	.args = "",
	.summary = "remove what no image needs",
	.options =
		{
			SWITCH("untagged", 0, "also remove images that have no name"),
			OPTION("keep-storage", 0, "SIZE",
			       "also remove derived files, down to SIZE"),
			OPTION("filter", 0, "F", "only what F says: until=T, label=L"),
			SWITCH("dry-run", 'n', "only tell what would be removed"),
			JSON,
		},
	.more = "Derived files (indexes, restart points, trees, decoded content) are "
		"made anew on use; those that were used longest ago go first, as far "
		"as the disk notes that.\n"
		"until=24h, until=7d or until=2026-01-31T12:00:00Z: of the derived "
		"files those that were not used since, and of the untagged images "
		"those that were made before. label=NAME[=VALUE] and "
		"label!=NAME[=VALUE]: of the untagged images those that have it, or "
		"do not.",
};

/* ---- df ---- */

struct usage_row {
	const char *type;
	uint64_t count, bytes;
	uint64_t reclaimable; /* bytes that gc would take */
};

static int print_usage(const struct usage_row *rows, size_t count)
{
	cps_auto(cps_table) struct cps_table t = CPS_TABLE_INIT(4u);
	char text[CPS_HUMAN_MAX];

	cps_table_add(&t, "TYPE");
	cps_table_add(&t, "TOTAL");
	cps_table_add(&t, "SIZE");
	cps_table_add(&t, "RECLAIMABLE");
	for (size_t i = 0; i < count; i++) {
		const struct usage_row *r = &rows[i];

		cps_table_add(&t, r->type);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)r->count);
		cps_table_add(&t, text);
		cps_table_add(&t, cps_size_text(r->bytes, text));
		cps_table_add(&t, cps_size_text(r->reclaimable, text));
	}
	return cps_table_print(&t);
}

static int print_usage_json(const struct usage_row *rows, size_t count)
{
	struct cps_doc_list list = {.out = stdout};

	for (size_t i = 0; i < count; i++) {
		struct json_t *doc = cps_doc_new_object();

		cps_doc_put_text(doc, "Type", rows[i].type);
		cps_doc_put_number(doc, "TotalCount", rows[i].count);
		cps_doc_put_number(doc, "Size", rows[i].bytes);
		cps_doc_put_number(doc, "Reclaimable", rows[i].reclaimable);
		cps_doc_list_add(&list, doc);
	}
	return cps_doc_list_end(&list);
}

static int cmd_df(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	struct cps_usage u;

	CPS_BEGIN(args);
	if (cps_df(app->store, &u, &app->err) < 0)
		return CPS_EXIT_FAILED;
	const struct usage_row rows[] = {
		{"Images", u.images, u.image_bytes, 0},
		{"Garbage", u.garbage, u.garbage_bytes, u.garbage_bytes},
		{"Derived", u.derived, u.derived_bytes, 0},
		{"Containers", u.tops, u.top_bytes, 0},
	};
	rc = CPS_HAS("json") ? print_usage_json(rows, CPS_ARRAY_LEN(rows))
			     : print_usage(rows, CPS_ARRAY_LEN(rows));
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the table");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_df = {
	.name = "df",
	.run = cmd_df,
	.args = "",
	.summary = "show what the store holds",
	.options =
		{
			JSON,
		},
};

/* ---- fsck ---- */

/** Where findings go as they come. */
struct findings {
	struct cps_meter meter;
	struct json_t *list; /* NULL: they are printed as text */
};

static void on_found(void *ctx, enum cps_fsck_kind kind, const char *what,
		     const char *why, bool repaired)
{
	static const char *const kinds[] = {
		[CPS_FSCK_MISSING] = "missing",     [CPS_FSCK_DAMAGED] = "damaged",
		[CPS_FSCK_DOCUMENT] = "unreadable", [CPS_FSCK_DERIVED] = "derived",
		[CPS_FSCK_STRAY] = "stray",
	};
	struct findings *f = ctx;
	struct json_t *doc;

	cps_meter_end(&f->meter);
	if (!f->list) {
		printf("%s: ", kinds[kind]);
		cps_print_escaped(what);
		printf(": ");
		cps_print_escaped(why);
		puts(repaired ? " (removed)" : "");
		return;
	}
	doc = cps_doc_new_object();
	cps_doc_put_text(doc, "Kind", kinds[kind]);
	cps_doc_put_text(doc, "Name", what);
	cps_doc_put_text(doc, "Reason", why);
	cps_doc_put_bool(doc, "Repaired", repaired);
	cps_doc_put(f->list, NULL, doc);
}

static int print_verdict_json(struct json_t *findings, int left)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_bool(doc, "Clean", left == 0);
	cps_doc_put(doc, "Findings", findings);
	return cps_doc_print(doc, stdout);
}

static int cmd_fsck(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	struct cps_progress progress;
	struct findings f = {0};
	int left;

	CPS_BEGIN(args);
	if (CPS_HAS("json"))
		f.list = cps_doc_new_array();
	progress = cps_meter_begin(&f.meter, app, "fsck", false);
	left = cps_fsck(app->store, CPS_HAS("repair"), &progress, on_found, &f,
			&app->err);
	cps_meter_end(&f.meter);
	if (left < 0) {
		cps_doc_free(f.list);
		return CPS_EXIT_FAILED;
	}
	if (f.list)
		rc = print_verdict_json(f.list, left);
	else if (left == 0)
		puts("clean");
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the document");
	return left || rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_fsck = {
	.name = "fsck",
	.run = cmd_fsck,
	.args = "",
	.summary = "verify every byte of the store",
	.options =
		{
			SWITCH("repair", 0,
			       "remove what is damaged, so that a load brings it back"),
			JSON,
		},
	.more = "Exit status 1 when something is wrong.",
};
