#ifndef CPS_TOOLS_OUTFILE_H
#define CPS_TOOLS_OUTFILE_H

#include <stdbool.h>

#include "store/base/err.h"
#include "store/base/mem.h"

/** A file of the user's that a command writes. It gets its name when it is whole: a
 *  command that fails, or is killed, leaves what was there before, and nothing beside
 *  it. What is no regular file (a device, a fifo) is written directly. */
struct cps_outfile {
	int fd;
	const char *path; /* borrowed */
	char *aside;      /* the name it has until then; NULL: none */
	bool direct;
};

#define CPS_OUTFILE_INIT                                                               \
	{                                                                              \
		.fd = -1                                                               \
	}

int cps_outfile_open(const char *path, struct cps_outfile *out, struct cps_err *err);
/** Sync, and give the name. */
int cps_outfile_commit(struct cps_outfile *out, struct cps_err *err);
/** Close; what was not committed is gone. */
void cps_outfile_close(struct cps_outfile *out);

static inline void cps_outfile_auto(struct cps_outfile *out)
{
	cps_outfile_close(out);
}

/** Write to the standard output; a cps_write_fn, `ctx` is not looked at. */
int cps_stdout_write(void *ctx, const void *data, size_t len, struct cps_err *err);

#endif
