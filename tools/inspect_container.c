#include "tools/inspect_container.h"

#include <string.h>

#include "store/base/fd.h"
#include "tools/human.h"
#include "tools/ps_text.h"
#include "tools/run/spec.h"

#define NEVER "0001-01-01T00:00:00Z" /* as docker writes it */

static struct json_t *state(const struct cps_live *live)
{
	const struct cps_container_state *s = &live->state;
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_text(doc, "Status", cps_status_word(live));
	cps_doc_put_bool(doc, "Running", cps_live_is_running(live));
	cps_doc_put_bool(doc, "Paused", false);
	cps_doc_put_bool(doc, "Restarting", false);
	cps_doc_put_bool(doc, "Dead", false);
	cps_doc_put_number(doc, "Pid", (uint64_t)(s->pid > 0 ? s->pid : 0));
	cps_doc_put_number(doc, "ExitCode", (uint64_t)s->exit_code);
	cps_doc_put_text(doc, "Error", s->error ? s->error : "");
	cps_doc_put_text(doc, "StartedAt", s->started[0] ? s->started : NEVER);
	cps_doc_put_text(doc, "FinishedAt", s->finished[0] ? s->finished : NEVER);
	return doc;
}

/* The first word, and the others. */
static void put_command(struct json_t *doc, const struct cps_container_config *c)
{
	const struct cps_strings *lists[] = {&c->entrypoint, &c->cmd};
	struct json_t *args = cps_doc_new_array();
	const char *path = NULL;

	for (size_t i = 0; i < CPS_ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->count; k++) {
			if (path)
				cps_doc_put_text(args, NULL, lists[i]->v[k]);
			else
				path = lists[i]->v[k];
		}
	cps_doc_put_text(doc, "Path", path ? path : "");
	cps_doc_put(doc, "Args", args);
}

/* Is something of the host's on the volume's path? */
static bool is_bound(const struct cps_container_config *c, const char *path)
{
	bool bound = false;

	for (size_t i = 0; i < c->binds.count && !bound; i++) {
		cps_auto(cps_bind) struct cps_bind bind = {0};

		bound = cps_bind_parse(c->binds.v[i], &bind, NULL) == 0 &&
			strcmp(bind.target, path) == 0;
	}
	return bound;
}

/* A volume without a name: it is in the top. */
static void put_own(struct json_t *list, const char *path)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_text(doc, "Type", "volume");
	cps_doc_put_text(doc, "Name", "");
	cps_doc_put_text(doc, "Destination", path);
	cps_doc_put_text(doc, "Mode", "");
	cps_doc_put_bool(doc, "RW", true);
	cps_doc_put(list, NULL, doc);
}

static struct json_t *mounts(const struct cps_container_config *c)
{
	struct json_t *list = cps_doc_new_array();

	for (size_t i = 0; i < c->binds.count; i++) {
		cps_auto(cps_bind) struct cps_bind bind = {0};
		struct json_t *doc;

		if (cps_bind_parse(c->binds.v[i], &bind, NULL) < 0)
			continue;
		doc = cps_doc_new_object();
		cps_doc_put_text(doc, "Type", bind.named ? "volume" : "bind");
		cps_doc_put_text(doc, bind.named ? "Name" : "Source", bind.source);
		cps_doc_put_text(doc, "Destination", bind.target);
		cps_doc_put_text(doc, "Mode", bind.read_only ? "ro" : "");
		cps_doc_put_bool(doc, "RW", !bind.read_only);
		cps_doc_put(list, NULL, doc);
	}
	for (size_t i = 0; i < c->volumes.count; i++)
		if (!is_bound(c, c->volumes.v[i]))
			put_own(list, c->volumes.v[i]);
	return list;
}

/* As they are in container.json. */
static void put_config(struct json_t *doc, const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_CONTAINER_MAX);
	cps_auto(cps_fd) int fd = cps_open_regular(live->folder, CPS_CONTAINER_FILE);

	if (fd < 0 || cps_read_all(fd, &text) < 0)
		return;
	cps_doc_put_member(doc, "Config", text.data, text.len, "Config");
	cps_doc_put_member(doc, "HostConfig", text.data, text.len, "HostConfig");
}

struct json_t *cps_inspect_container(const struct cps_live *live)
{
	cps_auto(cps_buf) struct cps_buf name = CPS_BUF_INIT(0);
	const struct cps_top_info *info = &live->info;
	struct json_t *doc = cps_doc_new_object();
	char text[CPS_HUMAN_MAX];

	cps_doc_put_text(doc, "Id", info->id);
	cps_doc_put_text(doc, "Created", info->created);
	if (live->by_run)
		put_command(doc, &live->config);
	cps_doc_put(doc, "State", state(live));
	cps_doc_put_text(doc, "Image", cps_id_text(&info->image_id, true, text));
	if (cps_buf_printf(&name, "/%s", info->name) == 0)
		cps_doc_put_text(doc, "Name", cps_buf_cstr(&name));
	if (live->by_run) {
		cps_doc_put(doc, "Mounts", mounts(&live->config));
		put_config(doc, live);
	}
	cps_doc_put_text(doc, "ImageName", info->image);
	cps_doc_put_text(doc, "Manifest", cps_id_text(&info->manifest, true, text));
	cps_doc_put_text(doc, "ChainID",
			 cps_digest_is_zero(&info->chain_id)
				 ? ""
				 : cps_id_text(&info->chain_id, true, text));
	return doc;
}
