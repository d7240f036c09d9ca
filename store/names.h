#ifndef CPS_NAMES_H
#define CPS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/** A name for a container that was given none: two words, "adjective_noun".
 *  random  picks it */
void cps_random_name(const unsigned char random[4], char *out, size_t size);
/** Is it a name of a container: [a-zA-Z0-9][a-zA-Z0-9_.-]+ ? */
bool cps_container_name_ok(const char *name);

#endif
