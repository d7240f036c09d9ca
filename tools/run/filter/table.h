#ifndef CPS_RUN_FILTER_TABLE_H
#define CPS_RUN_FILTER_TABLE_H

#include <seccomp.h>
#include <stdint.h>

/** Names of the system calls that are always allowed, in runs parted by spaces; ended
 *  by NULL. Names that the machine does not have are no error. */
extern const char *const cps_seccomp_allowed[];

/** Calls that depend on one argument. */
struct cps_seccomp_rule {
	const char *name; /* NULL ends the table */
	unsigned int argument;
	enum scmp_compare compare;
	uint64_t value,
		with; /* `with`: of SCMP_CMP_MASKED_EQ, where value is the mask */
};
extern const struct cps_seccomp_rule cps_seccomp_rules[];

/** Calls that this C library's headers may not know yet; the same number everywhere. */
extern const uint16_t cps_seccomp_new[];
extern const unsigned int cps_seccomp_new_count;

/** The first number that the profile has no opinion of. */
#define CPS_SECCOMP_UNKNOWN 468

#endif
