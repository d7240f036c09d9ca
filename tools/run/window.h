#ifndef CPS_RUN_WINDOW_H
#define CPS_RUN_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

/* The caller's own terminal, while it is a window to another one. */

/** Make it raw; it is put back by cps_window_restore(), at exit, and when a signal
 *  ends the process. Nothing happens when `fd` is no terminal. */
void cps_window_raw(int fd);
void cps_window_restore(void);
/** Its size; zeros for what is no terminal. */
void cps_window_size(int fd, unsigned short *rows, unsigned short *columns);

/** The keys that detach: ctrl-p ctrl-q. Keys are held back as long as they may be the
 *  start of it. */
struct cps_keys {
	size_t matched;
};

/** Take the keys that were typed out of `bytes`; what goes on to the program is left
 *  there, with what was held back before it.
 *  out  room for `len` bytes and one more
 *  Returns the length; *detach: the keys were typed, and what follows them is lost. */
size_t cps_keys_filter(struct cps_keys *keys, const char *bytes, size_t len, char *out,
		       bool *detach);

#endif
