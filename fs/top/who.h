#ifndef CPS_TOP_WHO_H
#define CPS_TOP_WHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/top/change.h"

/* Which process a change is of, and what it may. The log holds a table of processes; a
 * record names its entry. Entry 0 is "unknown".
 *
 * Nothing here may wait for the process that is asked about: it waits for us. So its
 * name is read, but not its executable: /proc/PID/exe takes a lock that exec(2) holds
 * while it closes files, of which one may be ours. */

#define CPS_WHO_COMM_MAX 63u /* bytes; the kernel's own limit is lower */
#define CPS_WHO_RECENT   64u

struct cps_whos {
	uint32_t count; /* entries in the log, the unknown one included */
	struct cps_who_seen {
		pid_t pid;
		uint32_t index;
		int64_t checked_ns;
		char comm[CPS_WHO_COMM_MAX + 1];
	} recent[CPS_WHO_RECENT]; /* by pid modulo */
};

/** The entry of `pid`, if it was seen and is still the same program. Else 0, with comm
 *  read for a new entry. */
uint32_t cps_whos_find(struct cps_whos *whos, pid_t pid, int64_t now_ns,
		       char comm[CPS_WHO_COMM_MAX + 1]);
/** It is entry whos->count, which grows by one. */
void cps_whos_add(struct cps_whos *whos, pid_t pid, int64_t now_ns, const char *comm);
/** May the process write a setuid file without that bit going (CAP_FSETID)? For
 * requests of which the kernel does not say it. */
bool cps_who_keeps_setuid(pid_t pid);
/** Is the process of this group, as far as files are concerned? */
bool cps_who_in_group(pid_t pid, gid_t gid);

#endif
