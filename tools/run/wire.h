#ifndef CPS_RUN_WIRE_H
#define CPS_RUN_WIRE_H

#include <errno.h>

#include "tools/run/sandbox.h"

/* Between the sandbox's maker and its init: one order, one answer, on a stream socket.
 */

#define CPS_WIRE_MAX (4u << 20) /* bytes of arguments and environment */

/** What the init is told, as received. */
struct cps_order {
	struct cps_process process; /* in `text` and `list` */
	int root;                   /* owned; -1 once taken */
	char *text, **list;         /* owned */
};

int cps_order_send(int socket, int root, const struct cps_process *process,
		   struct cps_err *err);
/** 0; -EPIPE the maker is gone. process.stdio are the order's. */
int cps_order_receive(int socket, struct cps_order *out, struct cps_err *err);
void cps_order_release(struct cps_order *order);

/** -ENOENT and -EACCES say something of the program; what failed before it was reached
 *  says -EINVAL instead. */
static inline int cps_not_the_program(int rc)
{
	return rc == -ENOENT || rc == -EACCES ? -EINVAL : rc;
}

/** tty  sent along, or -1 */
int cps_answer_send(int socket, int rc, const char *words, int tty);
/** What was answered; `*tty` owned by the caller or -1. */
int cps_answer_receive(int socket, int *tty, struct cps_err *err);

#endif
