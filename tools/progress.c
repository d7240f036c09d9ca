#include "tools/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "tools/human.h"

#define REDRAW_MS      100  /* a terminal's line is not drawn more often */
#define FIRST_DRAW_MS  200  /* what is done by then needs no line */
#define FIRST_PLAIN_MS 1000 /* the same for plain lines */
#define PLAIN_MS       5000 /* and from one plain line to the next of one thing */
#define BAR_WIDTH      24   /* characters */
#define COLUMNS_MAX    200  /* of the terminal that are used */

static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

bool cps_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return is_terminal() && !(no && no[0]);
}

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 80;
	return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* "load: layer 2/3: 12.3MB of 45.6MB (27%)" */
static void describe(const struct cps_meter *m, const char *what, uint64_t done,
		     uint64_t total, char out[256])
{
	char a[CPS_HUMAN_MAX], b[CPS_HUMAN_MAX];

	cps_size_text(done, a);
	if (total == 0)
		snprintf(out, 256, "%s: %s: %s", m->verb, what, a);
	else
		snprintf(out, 256, "%s: %s: %s of %s (%u%%)", m->verb, what, a,
			 cps_size_text(total, b),
			 (unsigned int)((double)done * 100 / (double)total));
}

static void put_bar(uint64_t done, uint64_t total)
{
	size_t filled = (size_t)((double)done * BAR_WIDTH / (double)total);
	bool colour = cps_colour();

	filled = filled > BAR_WIDTH ? BAR_WIDTH : filled;
	fputs(colour ? "  [\033[32m" : "  [", stderr);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		fputc(i < filled ? '=' : i == filled ? '>' : ' ', stderr);
	fputs(colour ? "\033[0m]" : "]", stderr);
}

static void draw(const char *text, uint64_t done, uint64_t total)
{
	size_t room = columns() - 1;

	fprintf(stderr, "\r\033[K%.*s", (int)room, text);
	if (total > 0 && strlen(text) + BAR_WIDTH + 4 <= room)
		put_bar(done, total);
	fflush(stderr);
}

static bool is_due(const struct cps_meter *m, const char *what, int64_t now)
{
	int64_t first = m->terminal ? FIRST_DRAW_MS : FIRST_PLAIN_MS;

	if (m->silent || now - m->begun_ms < first)
		return false;
	if (!m->shown)
		return true;
	if (m->terminal)
		return now - m->last_ms >= REDRAW_MS;
	return now - m->last_ms >= PLAIN_MS || strcmp(what, m->what) != 0;
}

static void on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cps_meter *m = ctx;
	int64_t now = cps_now_ms();
	char text[256];

	if (!is_due(m, what, now))
		return;
	describe(m, what, done, total, text);
	if (m->terminal)
		draw(text, done, total);
	else
		fprintf(stderr, "%s\n", text);
	m->shown = true;
	m->last_ms = now;
	snprintf(m->what, sizeof(m->what), "%s", what);
}

struct cps_progress cps_meter_begin(struct cps_meter *meter, const struct cps_app *app,
				    const char *verb, bool silent)
{
	*meter = (struct cps_meter){
		.verb = verb,
		.silent = silent || app->quiet,
		.terminal = is_terminal(),
		.begun_ms = cps_now_ms(),
	};
	return (struct cps_progress){on_progress, meter};
}

void cps_meter_end(struct cps_meter *meter)
{
	if (meter->shown && meter->terminal) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	meter->shown = false;
}
