#ifndef CPS_PROGRESS_H
#define CPS_PROGRESS_H

#include <stdint.h>

/** Told while long work goes on, by the thread that called; fn may be NULL everywhere.
 *  what   "layer 2/3", borrowed
 *  done, total  bytes; total 0 when unknown */
typedef void (*cps_progress_fn)(void *ctx, const char *what, uint64_t done,
				uint64_t total);

struct cps_progress {
	cps_progress_fn fn;
	void *ctx; /* borrowed */
};

static inline void cps_progress_tell(const struct cps_progress *progress,
				     const char *what, uint64_t done, uint64_t total)
{
	if (progress && progress->fn)
		progress->fn(progress->ctx, what, done, total);
}

#endif
