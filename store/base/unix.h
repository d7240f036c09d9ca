#ifndef CPS_BASE_UNIX_H
#define CPS_BASE_UNIX_H

/* Sockets with a name below a folder's descriptor: the path of a folder may be longer
 * than a sockaddr has room for. type: SOCK_STREAM or SOCK_SEQPACKET. */

/** Make `name`, in place of one that is there, and listen. An fd; -errno. */
int cps_unix_listen(int dirfd, const char *name, int type);
/** An fd; -ENOTCONN nobody listens; -ETIME who listens has too many waiting, and takes
 *  none of them; -errno. */
int cps_unix_connect(int dirfd, const char *name, int type);

#endif
