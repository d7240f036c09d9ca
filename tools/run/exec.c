#include "tools/run/sandbox.h"

#include <errno.h>

int cps_sandbox_exec(int init, const struct cps_process *process, pid_t *pid, int *tty,
		     struct cps_err *err)
{
	return cps_err_set(err, -ENOSYS, "soon");
}
