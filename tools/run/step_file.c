#include "tools/run/step.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "store/base/fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

/* The program of step/step.c as it was linked. */
__asm__(".section .rodata\n"
	".globl cps_step_begin, cps_step_end\n"
	"cps_step_begin:\n"
	".incbin \"" CAPAS_STEP "\"\n"
	"cps_step_end:\n"
	".previous\n");
extern const char cps_step_begin[], cps_step_end[];

int cps_step_open(void)
{
	const unsigned int seals =
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int rc, fd = memfd_create("step", flags | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before 6.3 all could be executed */
		fd = memfd_create("step", flags);
	if (fd < 0)
		return -errno;
	rc = cps_write_full(fd, cps_step_begin,
			    (size_t)(cps_step_end - cps_step_begin));
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0)
		rc = -errno;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}
