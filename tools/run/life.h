#ifndef CPS_RUN_LIFE_H
#define CPS_RUN_LIFE_H

#include "store/container.h"

/* Is a container alive? Its monitor holds the lock of the file `lock` in its folder,
 * and what state.json says is believed only as far as that goes: a monitor that was
 * killed has written nothing. */

/** Take the lock, to start or to remove the container. An fd that holds it, also for
 *  who inherits it; -EBUSY somebody has it; -errno. */
int cps_life_lock(int folder, struct cps_err *err);

/** Say in it who we are, for cps_life_monitor(). */
void cps_life_sign(int lock);

/** Let go of it, whoever else has inherited it. */
void cps_life_unlock(int lock);

/** What is true now. One whose monitor was killed has exited with 137.
 *  alive  out: a monitor is there; may be NULL. 0; -EBADMSG. */
int cps_life_read(int folder, struct cps_container_state *out, bool *alive,
		  struct cps_err *err);

/** When a process began, in ticks since boot; with its ID this names it for ever. */
int cps_life_began(pid_t pid, uint64_t *ticks);
/** A pidfd of a container's init. -ESRCH it is gone. */
int cps_life_init(const struct cps_container_state *state, struct cps_err *err);

/** A pidfd of who has signed the lock last. -ESRCH it is gone. */
int cps_life_monitor(int folder);

/** Count `file` of a folder up: 1 for the first. -errno. */
int cps_life_count(int folder, const char *file);

#endif
