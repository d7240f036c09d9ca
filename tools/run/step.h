#ifndef CPS_RUN_STEP_H
#define CPS_RUN_STEP_H

#define CPS_STEP_REPORT                                                                \
	3 /* the descriptor on which the step tells its error number                   \
	   */

/** The small program of step/step.c in sealed memory: a descriptor to be given to
 *  execveat(2) with argv = { the program's path, its argv ... }. -errno. */
int cps_step_open(void);

#endif
