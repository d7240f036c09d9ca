/* Listing containers, docker's way. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "store/base/log.h"
#include "tools/document.h"
#include "tools/options.h"
#include "tools/ps_text.h"
#include "tools/table.h"

#define SHORT_ID      12 /* digits */
#define COMMAND_WIDTH 20 /* characters between the quotes */

/* ---- words ---- */

const char *cps_status_word(const struct cps_live *live)
{
	if (cps_live_is_mounted(live))
		return "mounted";
	switch (live->state.status) {
	case CPS_CONTAINER_RUNNING:
		return "running";
	case CPS_CONTAINER_EXITED:
		return "exited";
	default:
		return "created";
	}
}

const char *cps_status_text(const struct cps_live *live, int64_t now_s,
			    char out[CPS_HUMAN_MAX + 16])
{
	const struct cps_container_state *s = &live->state;
	char text[CPS_HUMAN_MAX];
	int64_t started;

	if (cps_live_is_mounted(live))
		return "Mounted";
	if (s->status == CPS_CONTAINER_CREATED)
		return "Created";
	if (s->status == CPS_CONTAINER_EXITED) {
		snprintf(out, CPS_HUMAN_MAX + 16, "Exited (%d) %s", s->exit_code,
			 cps_ago_text(s->finished, now_s, text));
		return out;
	}
	if (cps_time_parse(s->started, &started) < 0)
		return "Up";
	snprintf(out, CPS_HUMAN_MAX + 16, "Up %s",
		 cps_duration_text(now_s - started, text));
	return out;
}

int cps_command_text(const struct cps_live *live, struct cps_buf *out)
{
	const struct cps_strings *lists[] = {&live->config.entrypoint,
					     &live->config.cmd};
	int rc = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->count && rc == 0; k++)
			rc = cps_buf_printf(out, "%s%s", out->len ? " " : "",
					    lists[i]->v[k]);
	return rc;
}

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
	struct cps_table table;
	struct cps_doc_list list;
	bool ids, whole, json;
	int64_t now_s;
};

static void print_row(struct printer *p, const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf command = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf quoted = CPS_BUF_INIT(0);
	char text[CPS_HUMAN_MAX + 16], id[CPS_TOP_ID_LEN];

	snprintf(id, sizeof(id), "%.*s", p->whole ? CPS_TOP_ID_LEN : SHORT_ID,
		 live->info.id);
	if (p->ids) {
		puts(id);
		return;
	}
	cps_command_text(live, &command);
	cps_buf_str(&quoted, "\"");
	cps_ellipsis(&quoted, cps_buf_cstr(&command), p->whole ? 0 : COMMAND_WIDTH);
	cps_buf_str(&quoted, "\"");
	cps_table_add(&p->table, id);
	cps_table_add(&p->table, live->info.image);
	/* Escaped already; what is escaped twice would not be what was typed. */
	cps_table_add_plain(&p->table, cps_buf_cstr(&quoted));
	cps_table_add(&p->table, cps_ago_text(live->info.created, p->now_s, text));
	cps_table_add(&p->table, cps_status_text(live, p->now_s, text));
	cps_table_add(&p->table, "");
	cps_table_add(&p->table, live->info.name);
}

static void print_json(struct printer *p, const struct cps_live *live)
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
}

/* Newest first. */
static int print_all(struct cps_app *app, const struct choice *choice,
		     struct printer *p)
{
	cps_auto(cps_top_list) struct cps_top_list tops = {0};
	int rc = cps_tops_list(app->store, &tops, &app->err);
	long shown = 0;

	for (size_t i = rc < 0 ? 0 : tops.count; i-- > 0;) {
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
		if (p->json)
			print_json(p, &live);
		else
			print_row(p, &live);
	}
	return rc;
}

static int cmd_ps(struct cps_app *app, const struct cps_command *cmd, int argc,
		  char **argv)
{
	static const char *const heads[] = {"CONTAINER ID", "IMAGE",  "COMMAND",
					    "CREATED",      "STATUS", "PORTS",
					    "NAMES"};
	struct printer p = {.table = CPS_TABLE_INIT(CPS_ARRAY_LEN(heads)),
			    .list = {.out = stdout},
			    .now_s = time(NULL)};
	struct choice choice;

	CPS_BEGIN(args);
	rc = read_choice(cmd, &args, &choice);
	if (rc)
		return rc;
	p.ids = CPS_HAS("quiet");
	p.whole = CPS_HAS("no-trunc");
	p.json = CPS_HAS("json");
	for (size_t i = 0; i < CPS_ARRAY_LEN(heads); i++)
		cps_table_add(&p.table, heads[i]);
	rc = print_all(app, &choice, &p);
	if (rc == 0 && p.json)
		rc = cps_doc_list_end(&p.list);
	else if (rc == 0 && !p.ids)
		rc = cps_table_print(&p.table);
	cps_table_release(&p.table);
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
			JSON,
		},
};
