#include "fs/top/acl.h"

#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "store/base/le.h"

#define HEAD  4u /* bytes */
#define ENTRY 8u

/** The entries that mode bits stand for; NULL: none. */
struct parts {
	uint8_t *user, *group, *mask, *other;
	bool named; /* there are others */
};

static int find_parts(void *acl, size_t len, struct parts *out)
{
	uint8_t *p = acl;

	*out = (struct parts){0};
	if (len < HEAD || (len - HEAD) % ENTRY ||
	    cps_le32(p) != POSIX_ACL_XATTR_VERSION)
		return -EINVAL;
	for (p += HEAD; p < (uint8_t *)acl + len; p += ENTRY) {
		switch (cps_le16(p)) {
		case ACL_USER_OBJ:
			out->user = p;
			break;
		case ACL_GROUP_OBJ:
			out->group = p;
			break;
		case ACL_MASK:
			out->mask = p;
			break;
		case ACL_OTHER:
			out->other = p;
			break;
		case ACL_USER:
		case ACL_GROUP:
			out->named = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return out->user && out->group && out->other ? 0 : -EINVAL;
}

static uint32_t perm(const uint8_t *entry)
{
	return cps_le16(entry + 2) & 7u;
}

static void set_perm(uint8_t *entry, uint32_t bits)
{
	cps_put_le16(entry + 2, (uint16_t)(bits & 7u));
}

/* The entry that the group bits of the mode are. */
static uint8_t *group_part(const struct parts *p)
{
	return p->mask ? p->mask : p->group;
}

int cps_acl_mode(const void *acl, size_t len, uint32_t *mode)
{
	struct parts p;
	int rc = find_parts((void *)acl, len, &p);

	if (rc < 0)
		return rc;
	*mode = (*mode & ~0777u) | perm(p.user) << 6 | perm(group_part(&p)) << 3 |
		perm(p.other);
	return !p.mask && !p.named;
}

int cps_acl_chmod(void *acl, size_t len, uint32_t mode)
{
	struct parts p;
	int rc = find_parts(acl, len, &p);

	if (rc < 0)
		return rc;
	set_perm(p.user, mode >> 6);
	set_perm(group_part(&p), mode >> 3);
	set_perm(p.other, mode);
	return 0;
}

int cps_acl_create(void *acl, size_t len, uint32_t *mode)
{
	struct parts p;
	int rc = find_parts(acl, len, &p);

	if (rc < 0)
		return rc;
	set_perm(p.user, perm(p.user) & *mode >> 6);
	set_perm(group_part(&p), perm(group_part(&p)) & *mode >> 3);
	set_perm(p.other, perm(p.other) & *mode);
	return cps_acl_mode(acl, len, mode);
}
