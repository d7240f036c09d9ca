#ifndef CPS_RUN_MONITOR_H
#define CPS_RUN_MONITOR_H

#include "fs/daemon.h"
#include "store/container.h"
#include "store/tops.h"

/** What a container's monitor is given. All is borrowed but the descriptors, which are
 *  taken. */
struct cps_monitor_opts {
	struct cps_store *store;
	const struct cps_top_info *info;
	const struct cps_container_config *config;
	int lock;   /* of cps_life_lock() */
	int client; /* a socket of who is attached from the start; -1: nobody */
	unsigned short rows, columns; /* of its terminal */
};

/** The whole life of a container, in a process made for it that has no thread yet. The
 *  daemon is told when the program runs, or why it does not; that is in state.json too.
 *  At the end the exit status is written, the top is free again, and one that is to be
 *  removed is gone. */
void cps_monitor_run(const struct cps_monitor_opts *opts, struct cps_daemon *daemon);

/** Start a container: fork its monitor, and wait until the program runs.
 *  attached  out, NULL when nobody shall be: a socket that gets all of the output
 *  0; -EBUSY it runs; else what the monitor said, its status in state.json. */
int cps_monitor_start(struct cps_store *store, const struct cps_top_info *info,
		      const struct cps_container_config *config, unsigned short rows,
		      unsigned short columns, int *attached, struct cps_err *err);

#endif
