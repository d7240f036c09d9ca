#ifndef CPS_TOP_ACL_H
#define CPS_TOP_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* POSIX ACLs as the kernel hands them to setxattr(2): u32 version 2, then entries of
 * u16 tag, u16 permissions, u32 id (linux/posix_acl_xattr.h). What the filesystem owes
 * them is that mode and access ACL say the same (acl(5), "CORRESPONDENCE BETWEEN ACL
 * ENTRIES AND FILE PERMISSION BITS"). */

#define CPS_ACL_ACCESS  "system.posix_acl_access"
#define CPS_ACL_DEFAULT "system.posix_acl_default"

/** The mode that an access ACL means: `mode` with its permission bits replaced.
 *  1 the mode says it all, the ACL is not needed; 0; -EINVAL malformed. */
int cps_acl_mode(const void *acl, size_t len, uint32_t *mode);
/** chmod(2): make the ACL agree with the mode, in place. 0; -EINVAL. */
int cps_acl_chmod(void *acl, size_t len, uint32_t mode);
/** What an entry made with `mode` below a folder with this default ACL gets: the ACL in
 *  place, and the mode. 1 the mode says it all; 0; -EINVAL. */
int cps_acl_create(void *acl, size_t len, uint32_t *mode);

#endif
