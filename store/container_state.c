/* state.json: what has become of a container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/container_internal.h"
#include "store/json.h"

#define ROOM_BYTES 4096u /* what the end of a run takes, and more */

static const char *const statuses[] = {
	[CPS_CONTAINER_CREATED] = "created",
	[CPS_CONTAINER_RUNNING] = "running",
	[CPS_CONTAINER_EXITED] = "exited",
};

void cps_container_state_release(struct cps_container_state *state)
{
	free(state->error);
	*state = (struct cps_container_state){0};
}

/* However full the disk is by then, the end of what runs has its place. */
static void keep_room(int folder)
{
	static const char zeros[ROOM_BYTES];
	cps_auto(cps_fd) int fd =
		openat(folder, CPS_STATE_FILE CPS_CONTAINER_ASIDE,
		       O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || cps_write_full(fd, zeros, sizeof(zeros)) < 0)
		cps_warn("no room is set aside in a container's folder: %s",
			 strerror(errno));
}

int cps_container_state_write(int folder, const struct cps_container_state *s,
			      bool durable, struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc =
		json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:i, s:I, s:s}", "Status",
			  statuses[s->status], "Pid", (json_int_t)s->pid, "PidStarted",
			  (json_int_t)s->pid_started, "Monitor", (json_int_t)s->monitor,
			  "StartedAt", s->started, "FinishedAt", s->finished,
			  "ExitCode", s->exit_code, "Runs", (json_int_t)s->runs,
			  "Error", s->error ? s->error : "");
	int rc;

	/* Only the error comes from outside, and it may hold any bytes. */
	if (!doc && s->error && s->error[0]) {
		struct cps_container_state plain = *s;

		plain.error = (char[]){"an error that is not UTF-8"};
		return cps_container_state_write(folder, &plain, durable, err);
	}
	if (!doc)
		return cps_err_nomem(err);
	rc = cps_container_save(folder, CPS_STATE_FILE, doc, durable, err);
	if (rc == 0 && s->status == CPS_CONTAINER_RUNNING)
		keep_room(folder);
	return rc;
}

static void get_time(const json_t *doc, const char *key, char out[CPS_TIME_TEXT])
{
	snprintf(out, CPS_TIME_TEXT, "%s", cps_json_text(doc, key));
}

static json_int_t get_number(const json_t *doc, const char *key)
{
	return json_integer_value(json_object_get(doc, key));
}

static int get_status(const json_t *doc, enum cps_container_status *out)
{
	const char *text = cps_json_text(doc, "Status");

	for (size_t i = 0; i < CPS_ARRAY_LEN(statuses); i++)
		if (strcmp(text, statuses[i]) == 0) {
			*out = (enum cps_container_status)i;
			return 0;
		}
	return -EBADMSG;
}

int cps_container_state_read(int folder, struct cps_container_state *out,
			     struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = NULL;
	int rc = cps_container_load(folder, CPS_STATE_FILE, &doc, err);

	*out = (struct cps_container_state){0};
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (doc && get_status(doc, &out->status) < 0)
		return cps_err_set(err, -EBADMSG, CPS_STATE_FILE ": 'Status' is none");
	out->pid = (pid_t)get_number(doc, "Pid");
	out->pid_started = (uint64_t)get_number(doc, "PidStarted");
	out->monitor = (pid_t)get_number(doc, "Monitor");
	out->exit_code = (int)get_number(doc, "ExitCode");
	out->runs = (unsigned int)get_number(doc, "Runs");
	get_time(doc, "StartedAt", out->started);
	get_time(doc, "FinishedAt", out->finished);
	out->error = strdup(cps_json_text(doc, "Error"));
	if (err && rc == -ENOENT)
		err->msg[0] = '\0';
	return out->error ? 0 : cps_err_nomem(err);
}
