#ifndef CPS_RUN_REPORT_H
#define CPS_RUN_REPORT_H

#include "store/base/err.h"

/* One failure through a pipe; silence until its end means that all went well. Four
 * bytes are an error number that a step left, see step.h; more are a return code and
 * its words. */

void cps_report_send(int fd, int rc, const char *words);
/** 0 with `*number` 0 or what the step said; else what was reported. */
int cps_report_receive(int fd, int *number, struct cps_err *err);

#endif
