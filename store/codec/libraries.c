#include "store/libraries.h"

#include <stddef.h>
#include <zlib.h>
#include <zstd.h>

#ifdef CAPAS_HAVE_ISAL
#include <isa-l.h>
#endif

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *cps_zlib_version(void)
{
	return zlibVersion();
}

const char *cps_zstd_version(void)
{
	return ZSTD_versionString();
}

const char *cps_isal_version(void)
{
#ifdef CAPAS_HAVE_ISAL
	/* It tells its version at build time alone. */
	return TEXT(ISAL_MAJOR_VERSION) "." TEXT(ISAL_MINOR_VERSION) "." TEXT(
		ISAL_PATCH_VERSION);
#else
	return NULL;
#endif
}
