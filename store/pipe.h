#ifndef CPS_PIPE_H
#define CPS_PIPE_H

#include "store/base/err.h"
#include "store/base/mem.h"

#include <sys/types.h>

/* A bounded pipe between two threads of one pass: one writes decoded bytes, the other
 * hashes and indexes them. */

struct cps_pipe;

/** NULL on no memory. */
struct cps_pipe *cps_pipe_new(void);
void cps_pipe_free(struct cps_pipe *pipe);
CPS_AUTO_DEFINE(struct cps_pipe, cps_pipe_free)

/** A cps_write_fn over the pipe. Blocks while it is full; -EPIPE when the reader has
 *  given up. */
int cps_pipe_write(void *pipe, const void *data, size_t len, struct cps_err *err);
/** No more will come: 0 for a proper end, -errno when the reader must not believe that
 *  it saw everything. */
void cps_pipe_end(struct cps_pipe *pipe, int rc);
/** A cps_read_fn over the pipe: bytes, 0 at a proper end, the writer's -errno. */
ssize_t cps_pipe_read(void *pipe, void *buf, size_t len, struct cps_err *err);
/** The reader wants no more. */
void cps_pipe_stop(struct cps_pipe *pipe);

#endif
