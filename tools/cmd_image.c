/* Showing what an image is made of: history. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tools/document.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/options.h"
#include "tools/rows.h"
#include "tools/table.h"

#define CREATED_BY_WIDTH 45 /* characters, as docker history cuts it */

/* ---- history ---- */

/** One step of an image's history, newest first. */
struct step {
	const struct cps_history *history;
	bool newest;
	uint64_t bytes;
	size_t layer; /* from 1; 0: it made none */
};

/* Start with *left = history_count and *layer = layer_count. */
static bool next_step(const struct cps_image *image, size_t *left, size_t *layer,
		      struct step *out)
{
	if (*left == 0)
		return false;
	*out = (struct step){
		.history = &image->history[*left - 1],
		.newest = *left == image->history_count,
	};
	(*left)--;
	if (out->history->empty_layer || *layer == 0)
		return true;
	out->layer = (*layer)--;
	out->bytes = image->layers[out->layer - 1].blob.size;
	return true;
}

static const char *step_id(const struct cps_image *image, const struct step *step,
			   bool whole, char out[CPS_HUMAN_MAX])
{
	return step->newest ? cps_id_text(&image->id, whole, out) : "<missing>";
}

static int print_history(const struct cps_image *image, bool whole)
{
	cps_auto(cps_table) struct cps_table t = CPS_TABLE_INIT(5u);
	size_t left = image->history_count, layer = image->layer_count;
	char text[CPS_HUMAN_MAX];
	struct step step;

	cps_table_add(&t, "IMAGE");
	cps_table_add(&t, "CREATED");
	cps_table_add(&t, "CREATED BY");
	cps_table_add(&t, "SIZE");
	cps_table_add(&t, "COMMENT");
	while (next_step(image, &left, &layer, &step)) {
		const struct cps_history *h = step.history;

		cps_table_add(&t, step_id(image, &step, whole, text));
		cps_table_add(&t, cps_ago_text(h->created, time(NULL), text));
		cps_table_add_cut(&t, h->created_by, whole ? 0 : CREATED_BY_WIDTH);
		cps_table_add(&t, cps_size_text(step.bytes, text));
		cps_table_add(&t, h->comment);
	}
	return cps_table_print(&t);
}

static int print_history_json(const struct cps_image *image)
{
	size_t left = image->history_count, layer = image->layer_count;
	struct cps_doc_list list = {.out = stdout};
	char text[CPS_HUMAN_MAX];
	struct step step;

	while (next_step(image, &left, &layer, &step)) {
		struct json_t *doc = cps_doc_new_object();

		cps_doc_put_text(doc, "ID", step_id(image, &step, true, text));
		cps_doc_put_text(doc, "CreatedAt", step.history->created);
		cps_doc_put_text(doc, "CreatedBy", step.history->created_by);
		cps_doc_put_number(doc, "Size", step.bytes);
		cps_doc_put_text(doc, "Comment", step.history->comment);
		cps_doc_put_number(doc, "Layer", step.layer);
		cps_doc_list_add(&list, doc);
	}
	return cps_doc_list_end(&list);
}

static int print_history_ids(const struct cps_image *image, bool whole)
{
	size_t left = image->history_count, layer = image->layer_count;
	char text[CPS_HUMAN_MAX];
	struct step step;

	while (next_step(image, &left, &layer, &step))
		puts(step_id(image, &step, whole, text));
	return 0;
}

static int print_history_format(struct cps_app *app, const struct cps_image *image,
				const char *format, bool whole)
{
	static const struct cps_heading headings[] = {{"ID", "IMAGE"},
						      {"CreatedAt", "CREATED AT"},
						      {"CreatedSince", "CREATED"},
						      {"CreatedBy", "CREATED BY"},
						      {"Size", "SIZE"},
						      {"Comment", "COMMENT"},
						      {NULL, NULL}};
	cps_auto(cps_rows) struct cps_rows out = {0};
	size_t left = image->history_count, layer = image->layer_count;
	int rc = cps_rows_begin(&out, format, headings, &app->err);
	char text[CPS_HUMAN_MAX];
	struct step step;

	while (rc == 0 && next_step(image, &left, &layer, &step)) {
		cps_auto(cps_buf) struct cps_buf by = CPS_BUF_INIT(0);
		struct json_t *doc = cps_doc_new_object();
		const struct cps_history *h = step.history;

		cps_ellipsis(&by, h->created_by, whole ? 0 : CREATED_BY_WIDTH);
		cps_doc_put_text(doc, "ID", step_id(image, &step, whole, text));
		cps_doc_put_text(doc, "CreatedAt", h->created);
		cps_doc_put_text(doc, "CreatedSince",
				 cps_ago_text(h->created, time(NULL), text));
		cps_doc_put_text(doc, "CreatedBy", cps_buf_cstr(&by));
		cps_doc_put_text(doc, "Size", cps_size_text(step.bytes, text));
		cps_doc_put_text(doc, "Comment", h->comment);
		rc = cps_rows_add(&out, doc, &app->err);
	}
	return rc < 0 ? rc : cps_rows_end(&out, &app->err);
}

static int cmd_history(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	const char *format;

	CPS_BEGIN(args);
	if (cps_open_image(app, args.args[0], &image) < 0)
		return CPS_EXIT_FAILED;
	format = cps_rows_format(cps_args_get(cmd, &args, "format"));
	if (format)
		return print_history_format(app, image, format, CPS_HAS("no-trunc")) < 0
			       ? CPS_EXIT_FAILED
			       : CPS_EXIT_OK;
	if (CPS_HAS("json"))
		rc = print_history_json(image);
	else if (CPS_HAS("quiet"))
		rc = print_history_ids(image, CPS_HAS("no-trunc"));
	else
		rc = print_history(image, CPS_HAS("no-trunc"));
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the history");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_history = {
	.name = "history",
	.run = cmd_history,
	.min_args = 1,
	.max_args = 1,
	.args = "IMAGE",
	.summary = "show the steps that made an image, newest first",
	.options =
		{
			NO_TRUNC,
			IDS_ONLY,
			FORMAT,
			JSON,
		},
	.more = "A TEMPLATE has the fields ID, CreatedSince, CreatedAt, CreatedBy, "
		"Size "
		"and Comment. " TEMPLATE_MORE,
};
