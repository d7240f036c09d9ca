#ifndef CPS_TOOLS_LIVE_H
#define CPS_TOOLS_LIVE_H

#include "store/container.h"
#include "store/tops.h"
#include "tools/command.h"

/* What the commands about containers share. */

/** A container that was found: what it is to be, and what is true of it now. */
struct cps_live {
	struct cps_top_info info;
	int folder;  /* owned; holds no lock: it may be removed meanwhile */
	bool by_run; /* there is a config; else it was made by a mount */
	struct cps_container_config config;
	struct cps_container_state state;
	bool alive; /* its monitor is there */
};

#define CPS_LIVE_INIT                                                                  \
	{                                                                              \
		.folder = -1                                                           \
	}

/** By name or ID. -errno with the message set. */
int cps_live_find(struct cps_app *app, const char *text, struct cps_live *out);
/** The same of a top that is known. `info` is taken, also on failure. */
int cps_live_open(struct cps_app *app, struct cps_top_info *info, struct cps_live *out);
/** That, and it must be running: -ENOTCONN in docker's words. */
int cps_live_running(struct cps_app *app, const char *text, struct cps_live *out);
void cps_live_release(struct cps_live *live);

static inline void cps_live_auto(struct cps_live *live)
{
	cps_live_release(live);
}

/** Does the monitor of one that runs answer? What it does not answer for has a root
 * that nobody serves: who reads it waits for ever. 0; -ETIME with the message set. */
int cps_live_answers(struct cps_app *app, const struct cps_live *live);

/** Was it started and not seen to end? */
static inline bool cps_live_is_running(const struct cps_live *live)
{
	return live->alive && live->state.status == CPS_CONTAINER_RUNNING;
}

/** Does a `capas mount` write the top? */
bool cps_live_is_mounted(const struct cps_live *live);

/** Start it. Attached when `attach`: then returns the program's status, or -errno.
 *  input  pass the standard input on. */
int cps_live_start(struct cps_app *app, struct cps_live *live, bool attach, bool input);
/** Attach to one that runs; its status. */
int cps_live_attach(struct cps_app *app, struct cps_live *live, bool input);
/** End it: `signo` first, SIGKILL after `grace_ms` (-1: never), and wait for the end.
 */
int cps_live_stop(struct cps_app *app, struct cps_live *live, int signo, int grace_ms);
/** Remove it with all that was written; with `force` end it first. */
int cps_live_remove(struct cps_app *app, struct cps_live *live, bool force);

#endif
