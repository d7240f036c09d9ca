#include "tools/run/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What filter/filter.c wrote. */
__asm__(".section .rodata\n"
	".balign 8\n"
	".globl cps_filter_begin, cps_filter_end\n"
	"cps_filter_begin:\n"
	".incbin \"" CAPAS_FILTER "\"\n"
	"cps_filter_end:\n"
	".previous\n");
extern const struct sock_filter cps_filter_begin[], cps_filter_end[];

int cps_seccomp_load(void)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(cps_filter_end - cps_filter_begin),
		.filter = (struct sock_filter *)cps_filter_begin,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}
