#define FUSE_USE_VERSION 314

#include "fs/fuse_version.h"

#include <fuse_lowlevel.h>

const char *cps_fuse_version(void)
{
	return fuse_pkgversion();
}
