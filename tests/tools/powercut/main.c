#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* usage: powercut DIR: the file system there stops at once and forgets what it has not
 * written, its journal included, as when the power goes. */

#define FS_IOC_SHUTDOWN _IOR('X', 125, __u32)
#define NO_LOG_FLUSH    2

int main(int argc, char **argv)
{
	__u32 how = NO_LOG_FLUSH;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (fd < 0 || ioctl(fd, FS_IOC_SHUTDOWN, &how) < 0) {
		perror("powercut");
		return 1;
	}
	close(fd);
	return 0;
}
