#include "tools/run/window.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* A handler has no argument of its own. */
static struct termios before;
static volatile sig_atomic_t raw_fd = -1;

void cps_window_restore(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSADRAIN, &before);
	raw_fd = -1;
}

static void on_end(int signo)
{
	cps_window_restore();
	signal(signo, SIG_DFL);
	raise(signo);
}

void cps_window_raw(int fd)
{
	static const int ends[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT};
	static bool registered;
	struct termios raw;

	if (tcgetattr(fd, &before) < 0)
		return;
	raw = before;
	cfmakeraw(&raw);
	raw_fd = fd;
	tcsetattr(fd, TCSADRAIN, &raw);
	if (!registered)
		atexit(cps_window_restore);
	registered = true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		signal(ends[i], on_end);
}

void cps_window_size(int fd, unsigned short *rows, unsigned short *columns)
{
	struct winsize ws = {0};

	*rows = *columns = 0;
	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return;
	*rows = ws.ws_row;
	*columns = ws.ws_col;
}

/* ---- the keys that detach ---- */

static const char detach_keys[] = {16, 17}; /* ctrl-p ctrl-q */

size_t cps_keys_filter(struct cps_keys *keys, const char *bytes, size_t len, char *out,
		       bool *detach)
{
	size_t n = 0;

	*detach = false;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == detach_keys[keys->matched]) {
			*detach = ++keys->matched == sizeof(detach_keys);
			if (*detach)
				return n;
			continue;
		}
		/* Two keys: what was held back can only be the first of them. */
		if (keys->matched)
			out[n++] = detach_keys[0];
		keys->matched = bytes[i] == detach_keys[0];
		if (!keys->matched)
			out[n++] = bytes[i];
	}
	return n;
}
