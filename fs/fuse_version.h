#ifndef CPS_FS_FUSE_VERSION_H
#define CPS_FS_FUSE_VERSION_H

/** Version of libfuse in use; borrowed. */
const char *cps_fuse_version(void);

#endif
