#ifndef CPS_RUN_CAPS_H
#define CPS_RUN_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Capabilities, as sets with a bit for each number. All return 0 or -errno. */

/** Docker's 14. */
uint64_t cps_caps_usual(void);
/** "CAP_CHOWN" or "chown"; -EINVAL. */
int cps_cap_number(const char *text);
/** Does the sandbox hold, and the filter of system calls make sense, with it? */
bool cps_cap_may_be_added(int cap);
/** The name of one of the set, "cap_chown", by its place; NULL after the last. Freed by
 *  cap_free(). */
char *cps_caps_name(uint64_t caps, size_t i);

/** Nothing else can be had again, whatever is executed. */
int cps_caps_bound(uint64_t caps);
/** All that this process may have is in effect. */
int cps_caps_raise(void);
/** Keep these, as far as we have them; none is inherited. */
int cps_caps_drop(uint64_t caps);

#endif
