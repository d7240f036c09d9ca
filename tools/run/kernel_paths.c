#include "tools/run/kernel_paths.h"

#include <stddef.h>

const char *const cps_proc_masked[] = {
	"acpi",        "asound", "interrupts", "kcore",       "keys", "latency_stats",
	"sched_debug", "scsi",   "timer_list", "timer_stats", NULL};
const char *const cps_proc_read_only[] = {"bus",           "fs", "irq", "sys",
					  "sysrq-trigger", NULL};
const char *const cps_sys_masked[] = {"devices/virtual/powercap", "firmware", NULL};
