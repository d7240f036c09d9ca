#ifndef CPS_ASIDE_H
#define CPS_ASIDE_H

#include "store/base/err.h"
#include "store/base/mem.h"

/* A thread that does a piece of work beside its owner's, one piece at a time. */

struct cps_aside;

/** 0 or -errno with the message set. */
typedef int (*cps_aside_fn)(void *ctx, struct cps_err *err);

/** ctx is borrowed. 0; -EAGAIN no more threads; -ENOMEM. */
int cps_aside_new(cps_aside_fn fn, void *ctx, struct cps_aside **out,
		  struct cps_err *err);
/** Let `fn` run once; what it works on belongs to it until cps_aside_wait(). */
void cps_aside_start(struct cps_aside *aside);
/** What the last run returned, once it has; 0 when none was started. */
int cps_aside_wait(struct cps_aside *aside, struct cps_err *err);
/** Waits for a run that is under way. */
void cps_aside_free(struct cps_aside *aside);
CPS_AUTO_DEFINE(struct cps_aside, cps_aside_free)

#endif
