#ifndef CPS_BASE_DISTANCE_H
#define CPS_BASE_DISTANCE_H

#include <stddef.h>

#define CPS_DISTANCE_LEN_MAX 511u /* bytes of a text */

/** How many bytes must be changed, put in or taken out to make one of the other: for
 *  "did you mean". SIZE_MAX when one is too long to be compared. */
size_t cps_distance(const char *a, const char *b);

#endif
