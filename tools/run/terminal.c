#include "tools/run/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

int cps_terminal_open(int pts, const struct cps_process *size, int tty[2])
{
	struct winsize window = {.ws_row = size->rows, .ws_col = size->columns};
	struct statfs fs;
	int unlock = 0;

	if (fstatfs(pts, &fs) < 0)
		return -errno;
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENOTTY;
	tty[0] = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (tty[0] < 0 || ioctl(tty[0], TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* Asked of the master: a name could be somebody else's by now. */
	tty[1] = ioctl(tty[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty[1] < 0)
		return -errno;
	if (window.ws_row && window.ws_col && ioctl(tty[0], TIOCSWINSZ, &window) < 0)
		return -errno;
	return 0;
}
