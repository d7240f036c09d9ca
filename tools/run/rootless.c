#include "tools/run/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"
#include "tools/run/mounts.h"
#include "tools/run/userns.h"

/* The machine's own namespace has all ids, each as itself. */
static bool in_user_namespace(void)
{
	cps_auto(cps_fd) int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	unsigned int inside, outside, count;
	char text[256] = "";

	if (fd < 0 || cps_read_full(fd, text, sizeof(text) - 1) <= 0)
		return false; /* a kernel without them */
	return sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || inside ||
	       outside || count != UINT32_MAX;
}

int cps_own_mounts(struct cps_err *err)
{
	int rc = unshare(CLONE_NEWNS) < 0 ? -errno : cps_mount_all_private();

	return rc < 0 ? cps_err_sys(err, rc, "make a mount namespace") : 0;
}

int cps_become_root(bool *rootless, struct cps_err *err)
{
	struct cps_userns userns;
	int rc;

	*rootless = geteuid() != 0 || in_user_namespace();
	if (!*rootless)
		return 0;
	rc = geteuid() == 0 ? 0 : cps_userns_enter(&userns, err);
	/* Only who owns the mount namespace may make file systems. */
	return rc < 0 ? rc : cps_own_mounts(err);
}
