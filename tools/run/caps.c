#include "tools/run/caps.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>

#include "store/base/mem.h"

static const cap_value_t kept[] = {
	CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,           CAP_FOWNER,
	CAP_MKNOD,   CAP_NET_RAW,      CAP_SETGID,           CAP_SETUID,
	CAP_SETFCAP, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
	CAP_KILL,    CAP_AUDIT_WRITE,
};

char *cps_caps_name(size_t i)
{
	return i < CPS_ARRAY_LEN(kept) ? cap_to_name(kept[i]) : NULL;
}

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

int cps_caps_bound(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!is_kept(cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0)
			return -errno;
	/* A kernel without ambient ones has none to drop. */
	return cap_reset_ambient() < 0 && errno != EINVAL ? -errno : 0;
}

/* Permitted and effective become those of `wanted` that are permitted. */
static int set_caps(bool (*wanted)(cap_value_t))
{
	cap_t have = cap_get_proc(), next = cap_init();
	int rc = have && next ? 0 : -ENOMEM;

	for (cap_value_t cap = 0; rc == 0 && cap < cap_max_bits(); cap++) {
		cap_flag_value_t set = CAP_CLEAR;

		if (cap_get_flag(have, cap, CAP_PERMITTED, &set) < 0 ||
		    set != CAP_SET || !wanted(cap))
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

static bool any(cap_value_t cap)
{
	return true;
}

int cps_caps_raise(void)
{
	return set_caps(any);
}

int cps_caps_drop(void)
{
	return set_caps(is_kept);
}
