#ifndef CPS_RUN_KERNEL_PATHS_H
#define CPS_RUN_KERNEL_PATHS_H

/* What of /proc and /sys nobody inside sees, or changes; as Docker has it. Ended by
 * NULL, relative to each mount. */
extern const char *const cps_proc_masked[], *const cps_proc_read_only[],
						    *const cps_sys_masked[];

#endif
