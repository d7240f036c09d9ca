/* Showing an image: history, inspect. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tools/document.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/inspect_container.h"
#include "tools/options.h"
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

static int cmd_history(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	CPS_BEGIN(args);
	if (cps_open_image(app, args.args[0], &image) < 0)
		return CPS_EXIT_FAILED;
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
			JSON,
		},
};

/* ---- inspect ---- */

/* RepoTags, and the same repositories with the manifest's digest, each once. */
static void put_names(struct json_t *doc, const struct cps_image_list *list,
		      const struct cps_digest *manifest)
{
	struct json_t *tags = cps_doc_new_array(), *digests = cps_doc_new_array();
	cps_auto(cps_buf) struct cps_buf before = CPS_BUF_INIT(0);
	char digest[CPS_DIGEST_TEXT_LEN];
	const char *name;
	size_t pos = 0;

	cps_digest_text(manifest, digest);
	cps_buf_str(&before, " ");
	while ((name = cps_next_name(list, manifest, &pos))) {
		cps_auto(cps_buf) struct cps_buf repo = CPS_BUF_INIT(0);
		struct cps_ref ref;

		cps_doc_put_text(tags, NULL, name);
		if (cps_ref_parse(name, &ref, NULL) < 0 ||
		    cps_buf_str(&repo, " ") < 0 ||
		    cps_ref_repository(&ref, &repo) < 0 ||
		    cps_buf_printf(&repo, "@%s ", digest) < 0 ||
		    strstr(cps_buf_cstr(&before), cps_buf_cstr(&repo)))
			continue;
		cps_buf_append(&before, repo.data + 1, repo.len - 1);
		cps_doc_put_bytes(digests, NULL, cps_buf_cstr(&repo) + 1, repo.len - 2);
	}
	cps_doc_put(doc, "RepoTags", tags);
	cps_doc_put(doc, "RepoDigests", digests);
}

static struct json_t *root_fs(const struct cps_image *image)
{
	struct json_t *doc = cps_doc_new_object(), *layers = cps_doc_new_array();
	char text[CPS_HUMAN_MAX];

	for (size_t i = 0; i < image->layer_count; i++)
		cps_doc_put_text(layers, NULL,
				 cps_id_text(&image->layers[i].diff_id, true, text));
	cps_doc_put_text(doc, "Type", "layers");
	cps_doc_put(doc, "Layers", layers);
	return doc;
}

static struct json_t *inspect(const struct cps_image *image,
			      const struct cps_image_list *list)
{
	struct json_t *doc = cps_doc_new_object();
	size_t steps = image->history_count;
	char text[CPS_HUMAN_MAX];

	cps_doc_put_text(doc, "Id", cps_id_text(&image->id, true, text));
	put_names(doc, list, &image->manifest_digest);
	cps_doc_put_text(doc, "Digest",
			 cps_id_text(&image->manifest_digest, true, text));
	cps_doc_put_text(doc, "Comment",
			 steps ? image->history[steps - 1].comment : "");
	cps_doc_put_text(doc, "Created", image->created);
	cps_doc_put_text(doc, "Author", image->author);
	cps_doc_put_member(doc, "Config", image->config.data, image->config.len,
			   "config");
	cps_doc_put_text(doc, "Architecture", image->architecture);
	if (image->variant[0])
		cps_doc_put_text(doc, "Variant", image->variant);
	cps_doc_put_text(doc, "Os", image->os);
	cps_doc_put_number(doc, "Size", cps_image_bytes(image));
	cps_doc_put(doc, "RootFS", root_fs(image));
	return doc;
}

static int cmd_inspect(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	struct cps_image_list list;
	int status = CPS_EXIT_OK;
	struct json_t *all;

	CPS_BEGIN(args);
	if (cps_image_list(app->store, &list, &app->err) < 0)
		return CPS_EXIT_FAILED;
	all = cps_doc_new_array();
	for (int i = 0; i < args.count; i++) {
		cps_auto(cps_image_free) struct cps_image *image = NULL;
		cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;

		/* A container comes before an image of that name, as docker has it. */
		if (cps_live_find(app, args.args[i], &live) == 0)
			cps_doc_put(all, NULL, cps_inspect_container(&live));
		else if (cps_open_image(app, args.args[i], &image) < 0)
			status = cps_item_failed(app, cmd);
		else
			cps_doc_put(all, NULL, inspect(image, &list));
	}
	cps_image_list_release(&list);
	rc = cps_doc_print(all, stdout);
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the document");
	return rc < 0 ? CPS_EXIT_FAILED : status;
}

const struct cps_command cps_cmd_inspect = {
	.name = "inspect",
	.run = cmd_inspect,
	.min_args = 1,
	.max_args = ANY,
	.args = "IMAGE|CONTAINER...",
	.summary = "show images and containers as JSON",
	.options =
		{
			SWITCH("json", 0, "accepted: it is always JSON"),
		},
};
