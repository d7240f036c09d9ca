/* Showing images and containers as docker inspect does. */
#include <errno.h>
#include <string.h>

#include "tools/document.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/inspect_container.h"
#include "tools/options.h"
#include "tools/template.h"

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

/* Members that templates ask for: an image that does not have one says so. */
static void complete_config(struct json_t *config)
{
	static const char *const texts[] = {"User", "WorkingDir"};
	static const char *const others[] = {"Env",     "Entrypoint", "Cmd",
					     "Volumes", "Labels",     "ExposedPorts"};

	for (size_t i = 0; i < CPS_ARRAY_LEN(texts); i++)
		if (!cps_doc_get(config, texts[i]))
			cps_doc_put_text(config, texts[i], "");
	for (size_t i = 0; i < CPS_ARRAY_LEN(others); i++)
		if (!cps_doc_get(config, others[i]))
			cps_doc_put_null(config, others[i]);
}

/** What is asked for. */
struct question {
	const char *format; /* NULL: all of it */
	bool images, containers;
	struct cps_image_list names;
	struct json_t *all; /* without a format */
};

static void question_auto(struct question *q)
{
	cps_image_list_release(&q->names);
	cps_doc_free(q->all);
}

/* A container comes before an image of that name, as docker has it. */
static int find(struct cps_app *app, const struct question *q, const char *text,
		struct json_t **out)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	int rc = q->containers ? cps_live_find(app, text, &live) : -ENOENT;

	if (rc == 0)
		*out = cps_inspect_container(&live);
	if (rc != -ENOENT || !q->images)
		return rc;
	rc = cps_open_image(app, text, &image);
	if (rc == -ENOENT && q->containers)
		cps_err_set(&app->err, rc, "'%s': no such object", text);
	if (rc < 0)
		return rc;
	*out = inspect(image, &q->names);
	complete_config(cps_doc_get(*out, "Config"));
	return 0;
}

static int answer(struct cps_app *app, struct question *q, const char *text)
{
	cps_auto(cps_buf) struct cps_buf line = CPS_BUF_INIT(0);
	struct json_t *doc = NULL;
	int rc = find(app, q, text, &doc);

	if (rc == 0 && !q->format) {
		cps_doc_put(q->all, NULL, doc);
		return 0;
	}
	if (rc == 0)
		rc = strcmp(q->format, "json") == 0
			     ? cps_doc_line(doc, &line)
			     : cps_template(q->format, doc, &line, &app->err);
	if (rc == 0)
		printf("%s\n", cps_buf_cstr(&line));
	cps_doc_free(doc);
	return rc;
}

static int cmd_inspect(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	cps_auto(question) struct question q = {.images = true, .containers = true};
	int status = CPS_EXIT_OK;
	const char *type;

	CPS_BEGIN(args);
	q.format = cps_args_get(cmd, &args, "format");
	type = cps_args_get(cmd, &args, "type");
	if (type && strcmp(type, "image") != 0 && strcmp(type, "container") != 0)
		return cps_usage(cmd, "--type is image or container");
	q.images = !type || type[0] == 'i';
	q.containers = !type || type[0] == 'c';
	if (cps_image_list(app->store, &q.names, &app->err) < 0)
		return CPS_EXIT_FAILED;
	q.all = cps_doc_new_array();
	for (int i = 0; i < args.count; i++)
		if (answer(app, &q, args.args[i]) < 0)
			status = cps_item_failed(app, cmd);
	if (q.format)
		return status;
	rc = cps_doc_print(CPS_TAKE(q.all), stdout);
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
			OPTION("format", 'f', "TEMPLATE",
			       "print so, e.g. '{{.State.Status}}'"),
			OPTION("type", 0, "TYPE", "only an image, or a container"),
			SWITCH("json", 0, "accepted: it is always JSON"),
		},
	.more = "A TEMPLATE has the fields that the JSON has. Of Go's templates these "
		"are known: {{.A.B}}, {{json .A}}, {{index .A \"KEY\"}}, len, upper, "
		"lower, join, print and pipes.",
};
