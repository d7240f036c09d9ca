#ifndef CPS_RUN_NET_H
#define CPS_RUN_NET_H

#include "tools/run/sandbox.h"

/** Inside, alone in a network namespace: loopback up, and what Docker sets. 0 or
 * -errno.
 */
int cps_net_begin(void);

/** Connect another process's network namespace by slirp4netns, or by pasta; returns
 * when it is connected. helper  its process, a child; it ends when it is killed or we
 * end -ENOTSUP none is installed; -EIO it failed */
int cps_net_connect(pid_t pid, pid_t *helper, struct cps_err *err);

/** A resolv.conf whose name server is that of a private network; owned by the caller.
 *  NULL: no memory. */
char *cps_net_resolv_conf(const char *text);

#endif
