#include "tools/run/caps.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/capability.h>

#include "store/base/mem.h"

#define BIT(cap) ((uint64_t)1 << (cap))

uint64_t cps_caps_usual(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) |
	       BIT(CAP_FOWNER) | BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) | BIT(CAP_SETGID) |
	       BIT(CAP_SETUID) | BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) |
	       BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) |
	       BIT(CAP_AUDIT_WRITE);
}

/* Others open what is shut here: mounts, memory of others, the kernel's own. */
bool cps_cap_may_be_added(int cap)
{
	const uint64_t more = BIT(CAP_NET_ADMIN) | BIT(CAP_NET_BROADCAST) |
			      BIT(CAP_IPC_LOCK) | BIT(CAP_IPC_OWNER) |
			      BIT(CAP_SYS_NICE) | BIT(CAP_SYS_RESOURCE) |
			      BIT(CAP_LEASE);

	return (cps_caps_usual() | more) & BIT(cap);
}

int cps_cap_number(const char *text)
{
	char name[40];
	cap_value_t cap;

	snprintf(name, sizeof(name), "%s%s",
		 strncasecmp(text, "cap_", 4) == 0 ? "" : "cap_", text);
	return cap_from_name(name, &cap) < 0 || cap < 0 || cap > 63 ? -EINVAL : cap;
}

char *cps_caps_name(uint64_t caps, size_t i)
{
	for (int cap = 0; cap < cap_max_bits(); cap++)
		if (caps & BIT(cap) && i-- == 0)
			return cap_to_name(cap);
	return NULL;
}

int cps_caps_bound(uint64_t caps)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!(caps & BIT(cap)) && cap_get_bound(cap) == 1 &&
		    cap_drop_bound(cap) < 0)
			return -errno;
	/* A kernel without ambient ones has none to drop. */
	return cap_reset_ambient() < 0 && errno != EINVAL ? -errno : 0;
}

/* Permitted and effective become those of `wanted` that are permitted. */
static int set_caps(uint64_t wanted)
{
	cap_t have = cap_get_proc(), next = cap_init();
	int rc = have && next ? 0 : -ENOMEM;

	for (cap_value_t cap = 0; rc == 0 && cap < cap_max_bits(); cap++) {
		cap_flag_value_t set = CAP_CLEAR;

		if (cap_get_flag(have, cap, CAP_PERMITTED, &set) < 0 ||
		    set != CAP_SET || !(wanted & BIT(cap)))
			continue;
		if (cap_set_flag(next, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
		    cap_set_flag(next, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0)
			rc = -errno;
	}
	if (rc == 0 && cap_set_proc(next) < 0)
		rc = -errno;
	cap_free(have);
	cap_free(next);
	return rc;
}

int cps_caps_raise(void)
{
	return set_caps(~(uint64_t)0);
}

int cps_caps_drop(uint64_t caps)
{
	return set_caps(caps);
}
