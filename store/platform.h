#ifndef CPS_PLATFORM_H
#define CPS_PLATFORM_H

#include "store/base/err.h"

/** What an image is made for, in Go's names: linux, amd64, v7. */
struct cps_platform {
	char os[24], arch[24], variant[16]; /* variant "": any that the machine runs */
};

/** This machine's. */
void cps_platform_host(struct cps_platform *out);
/** "OS/ARCH[/VARIANT]", or ARCH alone; names of uname(2) are understood. -EINVAL. */
int cps_platform_parse(const char *text, struct cps_platform *out, struct cps_err *err);
/** "linux/arm/v7" */
#define CPS_PLATFORM_TEXT_MAX 72
const char *cps_platform_text(const struct cps_platform *p,
			      char out[CPS_PLATFORM_TEXT_MAX]);
/** How well an image that is made for that suits `wanted`; 0: not at all. */
int cps_platform_suits(const struct cps_platform *wanted, const char *os,
		       const char *arch, const char *variant);

#endif
