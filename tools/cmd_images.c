/* The list of images. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "tools/document.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/options.h"
#include "tools/rows.h"
#include "tools/table.h"

/** One line: an image under one of its names. */
struct row {
	struct cps_ref ref; /* when it is named */
	bool named;
	struct cps_digest id, manifest;
	uint64_t bytes;
	char *created; /* owned */
	int64_t created_s;
};

struct rows {
	struct row *rows;
	size_t count;
	bool damaged; /* an image could not be read */
};

static void rows_release(struct rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->rows[i].created);
	free(r->rows);
}

static bool matches(const struct row *row, const char *pattern)
{
	cps_auto(cps_buf) struct cps_buf name = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf whole = CPS_BUF_INIT(0);
	struct cps_ref want;

	if (!pattern)
		return true;
	if (!row->named || cps_ref_repository(&row->ref, &name) < 0 ||
	    cps_ref_familiar(&row->ref, &whole) < 0)
		return false;
	if (fnmatch(pattern, cps_buf_cstr(&name), FNM_PATHNAME) == 0 ||
	    fnmatch(pattern, cps_buf_cstr(&whole), FNM_PATHNAME) == 0)
		return true;
	/* docker.io/library/debian is debian. */
	if (cps_ref_parse(pattern, &want, NULL) < 0)
		return false;
	if (!strchr(pattern, ':'))
		strcpy(want.tag, row->ref.tag);
	return cps_ref_same_name(&want, &row->ref);
}

/* Another process may have removed it since the list was read. */
static bool still_listed(struct cps_app *app, const struct cps_image_entry *e)
{
	struct cps_image_list now;
	bool found = false;

	if (cps_image_list(app->store, &now, NULL) < 0)
		return true;
	for (size_t i = 0; i < now.count && !found; i++)
		found = cps_digest_equal(&now.entries[i].digest, &e->digest) &&
			strcmp(now.entries[i].name ? now.entries[i].name : "",
			       e->name ? e->name : "") == 0;
	cps_image_list_release(&now);
	return found;
}

/* 0; 1 it is gone by now; -errno, complained of. */
static int fill_row(struct cps_app *app, const struct cps_image_entry *e,
		    struct row *row)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct cps_err err = CPS_ERR_INIT;
	char digest[CPS_DIGEST_TEXT_LEN];
	const char *name = e->name ? e->name : cps_digest_text(&e->digest, digest);
	int rc = cps_image_open(app->store, name, &image, &err);

	if (rc == -ENOENT && !still_listed(app, e))
		return 1;
	if (rc < 0) {
		cps_err_wrap(&err, 0, "images: '%s'", name);
		cps_complain(err.msg);
		return rc;
	}
	row->named = e->name && cps_ref_parse(e->name, &row->ref, NULL) == 0;
	row->manifest = e->digest;
	row->id = image->id;
	row->bytes = cps_image_bytes(image);
	row->created = CPS_TAKE(image->created);
	if (cps_time_parse(row->created, &row->created_s) < 0)
		row->created_s = INT64_MIN;
	return 0;
}

/* Newest first; images of one moment by name. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int rc;

	if (x->created_s != y->created_s)
		return x->created_s < y->created_s ? 1 : -1;
	rc = strcmp(x->ref.path, y->ref.path);
	return rc ? rc : strcmp(x->ref.tag, y->ref.tag);
}

static int collect_rows(struct cps_app *app, const char *pattern, struct rows *out)
{
	struct cps_image_list list;
	int rc = cps_image_list(app->store, &list, &app->err);

	if (rc < 0)
		return rc;
	out->rows = calloc(list.count + 1, sizeof(*out->rows));
	for (size_t i = 0; out->rows && i < list.count; i++) {
		struct row *row = &out->rows[out->count];

		*row = (struct row){0};
		rc = fill_row(app, &list.entries[i], row);
		if (rc < 0)
			out->damaged = true;
		else if (rc == 0 && matches(row, pattern))
			out->count++;
		else
			free(row->created);
	}
	cps_image_list_release(&list);
	if (!out->rows)
		return cps_err_nomem(&app->err);
	qsort(out->rows, out->count, sizeof(*out->rows), compare_rows);
	return 0;
}

static const char *repository(const struct row *row, struct cps_buf *out)
{
	return row->named && cps_ref_repository(&row->ref, out) == 0 ? cps_buf_cstr(out)
								     : "<none>";
}

static int print_rows(const struct rows *rows, bool digests, bool whole)
{
	cps_auto(cps_table) struct cps_table t = CPS_TABLE_INIT(digests ? 6u : 5u);
	char text[CPS_HUMAN_MAX];

	cps_table_add(&t, "REPOSITORY");
	cps_table_add(&t, "TAG");
	if (digests)
		cps_table_add(&t, "DIGEST");
	cps_table_add(&t, "IMAGE ID");
	cps_table_add(&t, "CREATED");
	cps_table_add(&t, "SIZE");
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];
		cps_auto(cps_buf) struct cps_buf repo = CPS_BUF_INIT(0);

		cps_table_add(&t, repository(row, &repo));
		cps_table_add(&t, row->named ? row->ref.tag : "<none>");
		if (digests)
			cps_table_add(&t, cps_id_text(&row->manifest, true, text));
		cps_table_add(&t, cps_id_text(&row->id, whole, text));
		cps_table_add(&t, cps_ago_text(row->created, time(NULL), text));
		cps_table_add(&t, cps_size_text(row->bytes, text));
	}
	return cps_table_print(&t);
}

static int print_rows_json(const struct rows *rows)
{
	struct cps_doc_list list = {.out = stdout};
	char text[CPS_HUMAN_MAX];

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];
		struct json_t *doc = cps_doc_new_object();
		cps_auto(cps_buf) struct cps_buf repo = CPS_BUF_INIT(0);

		cps_doc_put_text(doc, "ID", cps_id_text(&row->id, true, text));
		cps_doc_put_text(doc, "Repository", repository(row, &repo));
		cps_doc_put_text(doc, "Tag", row->named ? row->ref.tag : "<none>");
		cps_doc_put_text(doc, "Digest",
				 cps_id_text(&row->manifest, true, text));
		cps_doc_put_text(doc, "CreatedAt", row->created);
		cps_doc_put_number(doc, "Size", row->bytes);
		cps_doc_list_add(&list, doc);
	}
	return cps_doc_list_end(&list);
}

static int print_ids(const struct rows *rows, bool whole)
{
	char text[CPS_HUMAN_MAX];

	for (size_t i = 0; i < rows->count; i++)
		puts(cps_id_text(&rows->rows[i].id, whole, text));
	return 0;
}

static int print_rows_format(struct cps_app *app, const struct rows *all,
			     const char *format, bool whole)
{
	static const struct cps_heading headings[] = {{"ID", "IMAGE ID"},
						      {"Repository", "REPOSITORY"},
						      {"Tag", "TAG"},
						      {"Digest", "DIGEST"},
						      {"CreatedAt", "CREATED AT"},
						      {"CreatedSince", "CREATED"},
						      {"Size", "SIZE"},
						      {NULL, NULL}};
	cps_auto(cps_rows) struct cps_rows out = {0};
	int rc = cps_rows_begin(&out, format, headings, &app->err);

	for (size_t i = 0; i < all->count && rc == 0; i++) {
		const struct row *row = &all->rows[i];
		cps_auto(cps_buf) struct cps_buf repo = CPS_BUF_INIT(0);
		struct json_t *doc = cps_doc_new_object();
		char text[CPS_HUMAN_MAX];

		cps_doc_put_text(doc, "ID", cps_id_text(&row->id, whole, text));
		cps_doc_put_text(doc, "Repository", repository(row, &repo));
		cps_doc_put_text(doc, "Tag", row->named ? row->ref.tag : "<none>");
		cps_doc_put_text(doc, "Digest",
				 cps_id_text(&row->manifest, true, text));
		cps_doc_put_text(doc, "CreatedAt",
				 cps_local_time_text(row->created, text));
		cps_doc_put_text(doc, "CreatedSince",
				 cps_ago_text(row->created, time(NULL), text));
		cps_doc_put_text(doc, "Size", cps_size_text(row->bytes, text));
		rc = cps_rows_add(&out, doc, &app->err);
	}
	return rc < 0 ? rc : cps_rows_end(&out, &app->err);
}

static int cmd_images(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	__attribute__((cleanup(rows_release))) struct rows rows = {0};
	const char *format;

	CPS_BEGIN(args);
	if (collect_rows(app, args.count ? args.args[0] : NULL, &rows) < 0)
		return CPS_EXIT_FAILED;
	format = cps_rows_format(cps_args_get(cmd, &args, "format"));
	if (format && print_rows_format(app, &rows, format, CPS_HAS("no-trunc")) < 0)
		return CPS_EXIT_FAILED;
	if (format)
		rc = 0;
	else if (CPS_HAS("json"))
		rc = print_rows_json(&rows);
	else if (CPS_HAS("quiet"))
		rc = print_ids(&rows, CPS_HAS("no-trunc"));
	else
		rc = print_rows(&rows, CPS_HAS("digests"), CPS_HAS("no-trunc"));
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the list");
	return rc < 0 || rows.damaged ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_images = {
	.name = "images",
	.run = cmd_images,
	.max_args = 1,
	.args = "[NAME]",
	.summary = "list the images of the store, newest first",
	.options =
		{
			SWITCH("all", 'a', "accepted for docker's sake: all are shown"),
			IDS_ONLY,
			SWITCH("digests", 0, "show the digests of manifests"),
			NO_TRUNC,
			FORMAT,
			JSON,
		},
	.more = "NAME may hold * and ?, which match within one component.\n"
		"A TEMPLATE has the fields ID, Repository, Tag, Digest, CreatedSince, "
		"CreatedAt and Size. " TEMPLATE_MORE,
};
