#ifndef CPS_FS_READAHEAD_H
#define CPS_FS_READAHEAD_H

#include <stddef.h>

/** Device number of what is mounted at `mountpoint` (absolute), out of the text of a
 *  /proc/PID/mountinfo: asking the file system itself would be asking ourselves.
 *  0; -ENOENT nothing of type fuse.* is mounted there. */
int cps_mountinfo_device(const char *text, const char *mountpoint, unsigned int *major,
			 unsigned int *minor);

/** Let the kernel read so far ahead there; it starts with 128 KiB. Needs root.
 *  mountpoint  NULL: of the detached mount whose root is `root`
 *  0 or -errno; nothing is lost but speed. */
int cps_readahead_raise(const char *mountpoint, int root, unsigned int kib);

#endif
