#ifndef CPS_RUN_SECCOMP_H
#define CPS_RUN_SECCOMP_H

/** From here on Docker's default profile for its 14 capabilities judges the calling
 *  thread and all that it starts: what it does not name is denied with EPERM, and what
 * is newer than the profile does not exist (ENOSYS), so that a C library falls back.
 *  filter/ makes it. Needs CAP_SYS_ADMIN. 0 or -errno. */
int cps_seccomp_load(void);

#endif
