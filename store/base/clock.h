#ifndef CPS_BASE_CLOCK_H
#define CPS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Milliseconds that only go forward, for deadlines. */
static inline int64_t cps_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
