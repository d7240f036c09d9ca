#include <fcntl.h>
#include <linux/types.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* usage: powercut DIR [PID...]: the file system there stops at once and forgets what it
 * has not written, its journal included, as when the power goes.
 *
 * The processes are killed just before: they must not take note of what is acknowledged
 * after the power is gone. While they stop, ext4 and xfs say yes to the fdatasync(2)
 * that they cut short (seen with Linux 6.18 and no capas: one of every few cuts, never
 * one that returned before the cut began). */

#define FS_IOC_SHUTDOWN _IOR('X', 125, __u32)
#define NO_LOG_FLUSH    2

int main(int argc, char **argv)
{
	__u32 how = NO_LOG_FLUSH;
	int fd = argc >= 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	for (int i = 2; i < argc; i++)
		kill((pid_t)atoi(argv[i]), SIGKILL);
	if (fd < 0 || ioctl(fd, FS_IOC_SHUTDOWN, &how) < 0) {
		perror("powercut");
		return 1;
	}
	close(fd);
	return 0;
}
