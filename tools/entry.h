#ifndef CPS_TOOLS_ENTRY_H
#define CPS_TOOLS_ENTRY_H

#include "store/root.h"

/* Showing what a tree holds. */

/** Print a name: its bytes to a pipe, escaped on a terminal, which must not be steered.
 */
void cps_print_name(const char *name, size_t len);

/** 'f', 'd', 'l', 'c', 'b', 'p' as find(1) has them; '?'. */
char cps_type_letter(uint32_t mode);

/** One line of ls; `details` as with ls -l. */
void cps_print_entry(const struct cps_root *root, uint32_t ino, const char *name,
		     size_t len, bool details);

struct json_t;

/** What is known of an inode: Path, Type, Mode, Size, Uid, Gid, Nlink, Mtime,
 * LinkTarget, Rdev and the Layer that it comes from. */
struct json_t *cps_entry_document(const struct cps_root *root, uint32_t ino,
				  const char *path, size_t len);

/** Told of one entry. 0, or what ends the walk. */
typedef int (*cps_visit_fn)(void *ctx, const struct cps_root *root, const char *path,
			    uint32_t ino);

/** Everything below `dir`, depth first, names in order. `path` is the folder's own, ""
 *  for the root. 0; the visitor's; -ELOOP deeper than any path; -EIO the tree lies. */
int cps_walk_tree(const struct cps_root *root, uint32_t dir, const char *path,
		  cps_visit_fn visit, void *ctx);

#endif
