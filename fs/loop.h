#ifndef CPS_FS_LOOP_H
#define CPS_FS_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/base/mem.h"

/* Threads that answer the kernel. One of them leads: it reads requests and answers
 * each by itself, which costs no wake-up. Only when an answer has to wait for a disk or
 * a decoder does it pass the lead to another thread first. */

#define CPS_IO_MAX (1u << 20) /* bytes of one read */

struct fuse_session;
struct cps_loop;

struct cps_loop_opts {
	struct fuse_session *se; /* borrowed */
	/** Sees each request before libfuse does; true: it has answered it. May be
	 *  NULL. */
	bool (*raw)(void *ctx, const void *request, size_t len);
	void *raw_ctx;        /* borrowed */
	int fd;               /* borrowed; becomes non-blocking */
	unsigned int threads; /* 0: by the number of processors */
	unsigned int spin_us;
};

int cps_loop_new(const struct cps_loop_opts *opts, struct cps_loop **out,
		 struct cps_err *err);
/** Ends and joins the threads when that has not happened. */
void cps_loop_free(struct cps_loop *loop);
CPS_AUTO_DEFINE(struct cps_loop, cps_loop_free)

/** Make the threads and let them answer. They inherit the caller's signal mask. */
int cps_loop_start(struct cps_loop *loop, struct cps_err *err);

/** Becomes readable when the loop ends: the file system was unmounted, or
 *  cps_loop_end() was called. Borrowed. */
int cps_loop_end_fd(const struct cps_loop *loop);

/** Let every thread end after the request that it is at. Safe from any thread. */
void cps_loop_end(struct cps_loop *loop);

/** Wait for the threads. 0, or -errno when reading requests failed. */
int cps_loop_join(struct cps_loop *loop);

struct cps_worker;

/** The thread that calls this from a FUSE operation, before it passes the lead. */
struct cps_worker *cps_loop_leader(struct cps_loop *loop);
/** The thread's own CPS_IO_MAX bytes, page-aligned. */
void *cps_worker_buffer(struct cps_worker *worker);
/** The request that it answers, as the kernel sent it. */
const void *cps_worker_request(const struct cps_worker *worker);
/** What follows may take long: let another thread read the next request. */
void cps_worker_pass_lead(struct cps_worker *worker);

#endif
