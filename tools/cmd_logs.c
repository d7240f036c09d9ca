/* What a container wrote to its outputs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "store/base/fd.h"
#include "store/compose.h"
#include "tools/live.h"
#include "tools/options.h"
#include "tools/run/life.h"
#include "tools/run/output.h"

#define LOOK_MS 250 /* between two looks whether the container lives */

/** Lines on their way to our own outputs. */
struct printer {
	struct cps_output_reader reader;
	bool times;
	uint64_t skip;    /* lines */
	bool inside[3];   /* in the middle of a line, by stream */
	bool skipping[3]; /* of one that is skipped */
};

static void put_time(const struct cps_output_record *record, FILE *out)
{
	char text[32];

	cps_time_text(record->time_ns / 1000000000, text);
	fprintf(out, "%.19s.%09lldZ ", text, (long long)(record->time_ns % 1000000000));
}

static void print(struct printer *p, const struct cps_output_record *record)
{
	FILE *out = record->stream == 1 ? stdout : stderr;
	const char *at = (const char *)record->data, *end = at + record->len;

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl + 1 : end) - at);

		if (!p->inside[record->stream]) {
			p->skipping[record->stream] = p->skip > 0;
			p->skip -= p->skip > 0;
			if (p->times && !p->skipping[record->stream])
				put_time(record, out);
		}
		if (!p->skipping[record->stream])
			fwrite(at, 1, len, out);
		p->inside[record->stream] = !nl;
		at += len;
	}
}

static int print_new(struct printer *p)
{
	struct cps_output_record record;
	int rc;

	while ((rc = cps_output_next(&p->reader, &record)) == 1)
		print(p, &record);
	fflush(stderr);
	return fflush(stdout) != 0 ? -errno : rc;
}

/* How many lines there are by now. */
static int count_lines(int fd, uint64_t *out)
{
	cps_auto(cps_free) struct printer *p = calloc(1, sizeof(*p));
	struct cps_output_record record;
	int rc = p ? 0 : -ENOMEM;

	if (rc < 0)
		return rc;
	p->reader.fd = fd;
	*out = 0;
	while ((rc = cps_output_next(&p->reader, &record)) == 1) {
		const uint8_t *at = record.data, *end = at + record.len;

		while (at < end) {
			const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));

			*out += !p->inside[record.stream];
			p->inside[record.stream] = !nl;
			at = nl ? nl + 1 : end;
		}
	}
	return rc;
}

static int follow(struct cps_app *app, struct cps_live *live, struct printer *p)
{
	cps_auto(cps_fd) int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64], events[4096];
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->reader.fd);
	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
		return cps_err_sys(&app->err, -errno, "watch the output");
	while (rc == 0 && live->alive) {
		struct pollfd fds = {.fd = watch, .events = POLLIN};

		poll(&fds, 1, LOOK_MS);
		while (read(watch, events, sizeof(events)) > 0)
			;
		cps_container_state_release(&live->state);
		/* Looked at first: what was written before the end is still read. */
		rc = cps_life_read(live->folder, &live->state, &live->alive, NULL);
		if (rc == 0)
			rc = print_new(p);
	}
	return rc;
}

static int tail(struct cps_app *app, const char *text, int fd, struct printer *p)
{
	uint64_t lines;
	char *end;
	long long n;
	int rc;

	if (!text || strcmp(text, "all") == 0)
		return 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end || n < 0)
		return 0; /* as docker has it: all */
	rc = count_lines(fd, &lines);
	p->skip = rc == 0 && lines > (uint64_t)n ? lines - (uint64_t)n : 0;
	return rc < 0 ? cps_err_sys(&app->err, rc, "the output") : 0;
}

static int cmd_logs(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	cps_auto(cps_free) struct printer *p = calloc(1, sizeof(*p));
	cps_auto(cps_fd) int fd = -1;

	CPS_BEGIN(args);
	rc = p ? cps_live_find(app, args.args[0], &live) : cps_err_nomem(&app->err);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	fd = openat(live.folder, CPS_OUTPUT_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return CPS_EXIT_OK; /* it never ran */
	p->reader.fd = fd;
	p->times = CPS_HAS("timestamps");
	rc = tail(app, cps_args_get(cmd, &args, "tail"), fd, p);
	if (rc == 0)
		rc = print_new(p);
	if (rc == 0 && CPS_HAS("follow"))
		rc = follow(app, &live, p);
	if (rc < 0 && !app->err.msg[0])
		cps_err_sys(&app->err, rc, "the output of '%s'", args.args[0]);
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_logs = {
	.name = "logs",
	.run = cmd_logs,
	.min_args = 1,
	.max_args = 1,
	.args = "CONTAINER",
	.summary = "print what a container wrote to its outputs",
	.options =
		{
			SWITCH("follow", 'f', "go on until it ends"),
			OPTION("tail", 'n', "N", "only the last N lines"),
			SWITCH("timestamps", 't', "the time before each line"),
		},
};
