#ifndef CPS_LIBRARIES_H
#define CPS_LIBRARIES_H

/* Versions of the libraries in use, each told by the room that sees it. Borrowed. */

const char *cps_openssl_version(void);
const char *cps_libarchive_version(void);
const char *cps_jansson_version(void);
const char *cps_zlib_version(void);
const char *cps_zstd_version(void);
/** NULL: built without. */
const char *cps_isal_version(void);

#endif
