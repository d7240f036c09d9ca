#ifndef CPS_BASE_PATH_H
#define CPS_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"

#define CPS_NAME_MAX 255  /* bytes of one component */
#define CPS_PATH_MAX 4095 /* bytes of a whole path in an archive */

/** One component: not empty, not "." or "..", no '/', at most CPS_NAME_MAX bytes. */
bool cps_name_ok(const char *name);
bool cps_name_ok_n(const char *name, size_t len);

/** Walks the components of a path; "", "." and repeated or trailing slashes vanish,
 *  ".." is returned like any other component. Start with `*pos = 0`.
 *  Returns 1 with name/len set (not NUL-terminated), 0 at the end. */
int cps_path_next(const char *path, size_t path_len, size_t *pos, const char **name,
		  size_t *len);

/** A path as words, before anything is looked up: "./a/../b//c/" is "b/c"; ".." stops
 * at the root. out  as many bytes as the path has; not NUL-terminated; may be the path
 * itself Returns its length. */
size_t cps_path_clean(const char *path, size_t path_len, char *out);

/** Append `len` bytes of `text` with control bytes, DEL and backslash written as \xNN
 *  or \n, \t, \\: what comes from an image must not steer a terminal. UTF-8 passes;
 *  invalid UTF-8 and C1 control characters are escaped. */
int cps_escape(struct cps_buf *out, const char *text, size_t len);

#endif
