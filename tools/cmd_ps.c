/* Listing containers, docker's way. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "store/base/log.h"
#include "tools/document.h"
#include "tools/options.h"
#include "tools/ps_text.h"
#include "tools/rows.h"
#include "tools/table.h"

#define SHORT_ID      12 /* digits */
#define COMMAND_WIDTH 20 /* characters between the quotes */

/* ---- which ones ---- */

struct choice {
	bool all;
	long last; /* 0: not limited */
	const char *filters[CPS_VALUES_MAX];
	int filter_count;
};

static bool holds(const struct cps_live *live, const char *filter)
{
	const char *value = strchr(filter, '=') + 1;
	size_t len = (size_t)(value - filter - 1);

	if (len == 6 && strncmp(filter, "status", len) == 0)
		return strcmp(cps_status_word(live), value) == 0;
	if (len == 4 && strncmp(filter, "name", len) == 0)
		return strstr(live->info.name, value) != NULL;
	if (len == 2 && strncmp(filter, "id", len) == 0)
		return strncmp(live->info.id, value, strlen(value)) == 0;
	if (len == 8 && strncmp(filter, "ancestor", len) == 0)
		return strcmp(live->info.image, value) == 0;
	if (len == 5 && strncmp(filter, "label", len) == 0) {
		for (size_t i = 0; i < live->config.labels.count; i++) {
			const char *label = live->config.labels.v[i];
			size_t n = strlen(value);

			if (strncmp(label, value, n) == 0 &&
			    (!label[n] || (label[n] == '=' && !strchr(value, '='))))
				return true;
		}
		return false;
	}
	return live->state.status == CPS_CONTAINER_EXITED &&
	       live->state.exit_code == atoi(value); /* exited=N */
}

static bool filter_ok(const char *filter)
{
	static const char *const names[] = {
		"status=", "name=", "id=", "ancestor=", "label=", "exited="};

	for (size_t i = 0; i < CPS_ARRAY_LEN(names); i++)
		if (strncmp(filter, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool chosen(const struct choice *choice, const struct cps_live *live)
{
	if (!choice->all && !cps_live_is_running(live))
		return false;
	for (int i = 0; i < choice->filter_count; i++)
		if (!holds(live, choice->filters[i]))
			return false;
	return true;
}

static int read_choice(const struct cps_command *cmd, const struct cps_args *args,
		       struct choice *out)
{
	const char *last = cps_args_get(cmd, args, "last"), *filter;
	int pos = 0;
	char *end;

	*out = (struct choice){.all = cps_args_get(cmd, args, "all") != NULL};
	if (cps_args_get(cmd, args, "latest"))
		last = "1";
	if (last) {
		out->last = strtol(last, &end, 10);
		if (*end || end == last)
			return cps_usage(cmd, "'%s' is no number", last);
		out->all = true;
	}
	while ((filter = cps_args_each(cmd, args, "filter", &pos))) {
		if (!filter_ok(filter))
			return cps_usage(cmd,
					 "invalid filter '%s': it is status=, name=, "
					 "id=, ancestor=, label= or exited=",
					 filter);
		out->filters[out->filter_count++] = filter;
		/* As docker has it, whoever asks for a state wants to see it. */
		if (strncmp(filter, "status=", 7) == 0 ||
		    strncmp(filter, "exited=", 7) == 0)
			out->all = true;
	}
	return 0;
}

/* ---- printing ---- */

/** Where a row goes. */
struct printer {
	struct cps_app *app;
	struct cps_table table;
	struct cps_doc_list list;
	struct cps_rows rows;
	const char *format;
	bool ids, whole, json, sizes;
	int64_t now_s;
};

static const char *id_text(const struct printer *p, const struct cps_live *live,
			   char out[CPS_TOP_ID_LEN])
{
	snprintf(out, CPS_TOP_ID_LEN, "%.*s", p->whole ? CPS_TOP_ID_LEN : SHORT_ID,
		 live->info.id);
	return out;
}

/* In quotes, cut as docker does it. */
static int quoted_command(const struct printer *p, const struct cps_live *live,
			  struct cps_buf *out)
{
	cps_auto(cps_buf) struct cps_buf command = CPS_BUF_INIT(0);
	int rc = cps_command_text(live, &command);

	if (rc == 0)
		rc = cps_buf_str(out, "\"");
	if (rc == 0)
		rc = cps_ellipsis(out, cps_buf_cstr(&command),
				  p->whole ? 0 : COMMAND_WIDTH);
	return rc < 0 ? rc : cps_buf_str(out, "\"");
}

static int print_row(struct printer *p, const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf quoted = CPS_BUF_INIT(0);
	char text[2 * CPS_HUMAN_MAX], id[CPS_TOP_ID_LEN];

	if (p->ids) {
		puts(id_text(p, live, id));
		return 0;
	}
	if (quoted_command(p, live, &quoted) < 0)
		return cps_err_nomem(&p->app->err);
	cps_table_add(&p->table, id_text(p, live, id));
	cps_table_add(&p->table, live->info.image);
	/* Escaped already; what is escaped twice would not be what was typed. */
	cps_table_add_plain(&p->table, cps_buf_cstr(&quoted));
	cps_table_add(&p->table, cps_ago_text(live->info.created, p->now_s, text));
	cps_table_add(&p->table, cps_status_text(live, p->now_s, text));
	cps_table_add(&p->table, "");
	cps_table_add(&p->table, live->info.name);
	if (p->sizes)
		cps_table_add(&p->table, cps_written_text(p->app->store, live, text));
	return 0;
}

static int print_json(struct printer *p, const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf command = CPS_BUF_INIT(0);
	struct json_t *doc = cps_doc_new_object();
	char text[CPS_HUMAN_MAX + 16];

	cps_command_text(live, &command);
	cps_doc_put_text(doc, "ID", live->info.id);
	cps_doc_put_text(doc, "Names", live->info.name);
	cps_doc_put_text(doc, "Image", live->info.image);
	cps_doc_put_bytes(doc, "Command", cps_buf_cstr(&command), command.len);
	cps_doc_put_text(doc, "CreatedAt", live->info.created);
	cps_doc_put_text(doc, "State", cps_status_word(live));
	cps_doc_put_text(doc, "Status", cps_status_text(live, p->now_s, text));
	if (live->state.status == CPS_CONTAINER_EXITED)
		cps_doc_put_number(doc, "ExitCode", (uint64_t)live->state.exit_code);
	cps_doc_list_add(&p->list, doc);
	return 0;
}

/* "a=b,c=d", and by name for {{.Label "a"}}. */
static int put_labels(struct json_t *doc, const struct cps_strings *labels)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	struct json_t *by_name = cps_doc_new_object();
	int rc = 0;

	for (size_t i = 0; i < labels->count && rc == 0; i++) {
		const char *label = labels->v[i], *eq = strchr(label, '=');
		size_t len = eq ? (size_t)(eq - label) : strlen(label);
		cps_auto(cps_free) char *name = strndup(label, len);

		rc = cps_buf_printf(&text, "%s%s", i ? "," : "", label);
		if (name)
			cps_doc_put_text(by_name, name, eq ? eq + 1 : "");
	}
	cps_doc_put(doc, "Label", by_name);
	cps_doc_put_bytes(doc, "Labels", cps_buf_cstr(&text), text.len);
	return rc;
}

static void put_mounts(struct json_t *doc, const struct cps_container_config *c)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);

	for (size_t i = 0; i < c->binds.count; i++)
		cps_buf_printf(&text, "%s%.*s", i ? "," : "",
			       (int)strcspn(c->binds.v[i], ":"), c->binds.v[i]);
	cps_doc_put_text(doc, "Mounts", cps_buf_cstr(&text));
}

/* As docker's templates know a container. */
static int print_formatted(struct printer *p, const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf quoted = CPS_BUF_INIT(0);
	struct json_t *doc = cps_doc_new_object();
	char text[2 * CPS_HUMAN_MAX], id[CPS_TOP_ID_LEN];

	quoted_command(p, live, &quoted);
	cps_doc_put_text(doc, "Command", cps_buf_cstr(&quoted));
	cps_doc_put_text(doc, "CreatedAt",
			 cps_local_time_text(live->info.created, text));
	cps_doc_put_text(doc, "ID", id_text(p, live, id));
	cps_doc_put_text(doc, "Image", live->info.image);
	put_labels(doc, &live->config.labels);
	put_mounts(doc, &live->config);
	cps_doc_put_text(doc, "Names", live->info.name);
	cps_doc_put_text(doc, "Networks", live->by_run ? live->config.network : "");
	cps_doc_put_text(doc, "Ports", "");
	cps_doc_put_text(doc, "RunningFor",
			 cps_ago_text(live->info.created, p->now_s, text));
	cps_doc_put_text(doc, "Size",
			 strstr(p->format, "Size") || p->sizes
				 ? cps_written_text(p->app->store, live, text)
				 : "");
	cps_doc_put_text(doc, "State", cps_status_word(live));
	cps_doc_put_text(doc, "Status", cps_status_text(live, p->now_s, text));
	return cps_rows_add(&p->rows, doc, &p->app->err);
}

static int print_one(struct printer *p, const struct cps_live *live)
{
	if (p->format && !p->ids)
		return print_formatted(p, live);
	return p->json ? print_json(p, live) : print_row(p, live);
}

/* Newest first. */
static int print_all(const struct choice *choice, struct printer *p)
{
	cps_auto(cps_top_list) struct cps_top_list tops = {0};
	struct cps_app *app = p->app;
	int rc = cps_tops_list(app->store, &tops, &app->err);
	long shown = 0;

	for (size_t i = rc < 0 ? 0 : tops.count; i-- > 0 && rc == 0;) {
		cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
		int found = cps_live_open(app, &tops.tops[i], &live);

		if (found == -ENOENT)
			continue; /* removed meanwhile */
		if (found < 0) {
			cps_warn("%s", app->err.msg);
			continue;
		}
		if (!chosen(choice, &live) || (choice->last && shown == choice->last))
			continue;
		shown++;
		rc = print_one(p, &live);
	}
	return rc;
}

/* The columns' heads, as the format wants them. */
static int begin(struct printer *p)
{
	static const char *const heads[] = {"CONTAINER ID", "IMAGE",  "COMMAND",
					    "CREATED",      "STATUS", "PORTS",
					    "NAMES",        "SIZE"};
	static const struct cps_heading headings[] = {
		{"ID", "CONTAINER ID"},
		{"Image", "IMAGE"},
		{"Command", "COMMAND"},
		{"CreatedAt", "CREATED AT"},
		{"RunningFor", "CREATED"},
		{"Ports", "PORTS"},
		{"State", "STATE"},
		{"Status", "STATUS"},
		{"Size", "SIZE"},
		{"Names", "NAMES"},
		{"Labels", "LABELS"},
		{"Label", "LABEL"},
		{"Mounts", "MOUNTS"},
		{"Networks", "NETWORKS"},
		{NULL, NULL},
	};

	if (p->format && !p->ids)
		return cps_rows_begin(&p->rows, p->format, headings, &p->app->err);
	p->table.columns = CPS_ARRAY_LEN(heads) - (p->sizes ? 0 : 1);
	for (size_t i = 0; i < p->table.columns; i++)
		cps_table_add(&p->table, heads[i]);
	return 0;
}

static int end(struct printer *p)
{
	if (p->ids)
		return 0;
	if (p->format)
		return cps_rows_end(&p->rows, &p->app->err);
	return p->json ? cps_doc_list_end(&p->list) : cps_table_print(&p->table);
}

static int cmd_ps(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	struct printer p = {.app = app, .list = {.out = stdout}, .now_s = time(NULL)};
	struct choice choice;

	CPS_BEGIN(args);
	rc = read_choice(cmd, &args, &choice);
	if (rc)
		return rc;
	p.ids = CPS_HAS("quiet");
	p.whole = CPS_HAS("no-trunc");
	p.json = CPS_HAS("json");
	p.sizes = CPS_HAS("size");
	p.format = cps_rows_format(cps_args_get(cmd, &args, "format"));
	rc = begin(&p);
	if (rc == 0)
		rc = print_all(&choice, &p);
	if (rc == 0)
		rc = end(&p);
	cps_table_release(&p.table);
	cps_rows_release(&p.rows);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_ps = {
	.name = "ps",
	.run = cmd_ps,
	.args = "",
	.summary = "list containers, newest first",
	.options =
		{
			SWITCH("all", 'a', "also those that do not run"),
			IDS_ONLY,
			NO_TRUNC,
			SWITCH("latest", 'l', "the newest one"),
			OPTION("last", 'n', "N", "the newest N"),
			OPTION("filter", 'f', "KEY=VALUE",
			       "status, name, id, ancestor, label or exited"),
			SWITCH("size", 's', "also what was written"),
			FORMAT,
			JSON,
		},
	.more = "A TEMPLATE has the fields ID, Image, Command, CreatedAt, RunningFor, "
		"State, Status, Names, Labels, Mounts, Networks and Size; "
		"{{.Label \"NAME\"}} is one label. " TEMPLATE_MORE,
};
