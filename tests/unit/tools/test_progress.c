#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/progress.h"

#define FIRST_MS 250  /* longer than a terminal waits for the first line */
#define PLAIN_MS 1050 /* the same for plain lines */

static void wait_ms(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* Some work of `ms`, told to stderr, which is `fd`; what arrives at `from`. */
static void told(int fd, int from, bool quiet, long ms, char *out, size_t size)
{
	const struct cps_app app = {.quiet = quiet};
	int saved = dup(STDERR_FILENO);
	struct cps_progress progress;
	struct cps_meter meter;
	size_t len = 0;

	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	progress = cps_meter_begin(&meter, &app, "load", false);
	progress.fn(progress.ctx, "layer 1/2", 1, 2000);
	wait_ms(ms);
	progress.fn(progress.ctx, "layer 1/2", 1000, 2000);
	progress.fn(progress.ctx, "layer 1/2", 1001, 2000);
	progress.fn(progress.ctx, "layer 2/2", 10, 0);
	cps_meter_end(&meter);
	dup2(saved, STDERR_FILENO);
	close(saved);
	while (len + 1 < size &&
	       poll(&(struct pollfd){.fd = from, .events = POLLIN}, 1, 200) == 1) {
		ssize_t n = read(from, out + len, size - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	out[len] = '\0';
}

static void on_terminal(char *out, size_t size)
{
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	told(slave, master, false, FIRST_MS, out, size);
	close(slave);
	close(master);
}

static void a_terminal_gets_one_line_that_vanishes(void **state)
{
	char out[1024];

	(void)state;
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	on_terminal(out, sizeof(out));
	/* What comes at once after a line is not drawn. */
	assert_string_equal(out, "\r\033[Kload: layer 1/2: 1kB of 2kB (50%)"
				 "  [============>           ]\r\033[K");
}

static void colour_is_for_terminals_that_want_it(void **state)
{
	char out[1024];

	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	on_terminal(out, sizeof(out));
	assert_non_null(strstr(out, "\033[32m"));
	setenv("TERM", "dumb", 1);
	on_terminal(out, sizeof(out));
	assert_string_equal(out, "");
}

static void elsewhere_there_are_plain_lines(void **state)
{
	char out[1024];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	told(ends[1], ends[0], false, PLAIN_MS, out, sizeof(out));
	assert_string_equal(out, "load: layer 1/2: 1kB of 2kB (50%)\n"
				 "load: layer 2/2: 10B\n");
	told(ends[1], ends[0], false, FIRST_MS, out, sizeof(out));
	assert_string_equal(out, ""); /* too quick to be worth a word */
	told(ends[1], ends[0], true, PLAIN_MS, out, sizeof(out));
	assert_string_equal(out, "");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_gets_one_line_that_vanishes),
		cmocka_unit_test(colour_is_for_terminals_that_want_it),
		cmocka_unit_test(elsewhere_there_are_plain_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
