#ifndef CPS_RUN_CAPS_H
#define CPS_RUN_CAPS_H

#include <stddef.h>

/* Docker's 14 capabilities. All return 0 or -errno. */

/** The name of one, "cap_chown", by its place; NULL after the last. Freed by
 *  cap_free(). */
char *cps_caps_name(size_t i);

/** Nothing else can be had again, whatever is executed. */
int cps_caps_bound(void);
/** All that this process may have is in effect. */
int cps_caps_raise(void);
/** Keep the 14, as far as we have them; none is inherited. */
int cps_caps_drop(void);

#endif
