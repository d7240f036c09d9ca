#include "tools/run/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/base/mem.h"

void cps_ends_close(struct cps_ends *ends)
{
	int *all[] = {ends->in, ends->out, ends->err};

	for (size_t i = 0; i < CPS_ARRAY_LEN(all); i++)
		for (int k = 0; k < 2; k++)
			if (all[i][k] >= 0)
				close(all[i][k]);
}

int cps_ends_make(const struct cps_container_config *config, struct cps_ends *ends,
		  struct cps_process *process, struct cps_err *err)
{
	if (config->tty)
		return 0;
	if (config->open_stdin
		    ? pipe2(ends->in, O_CLOEXEC) < 0
		    : (ends->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return cps_err_sys(err, -errno, "make the standard input");
	if (pipe2(ends->out, O_CLOEXEC) < 0 || pipe2(ends->err, O_CLOEXEC) < 0)
		return cps_err_sys(err, -errno, "make a pipe");
	process->stdio[0] = ends->in[0];
	process->stdio[1] = ends->out[1];
	process->stdio[2] = ends->err[1];
	return 0;
}
