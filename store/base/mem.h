#ifndef CPS_BASE_MEM_H
#define CPS_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** Declares an owner together with its end:
 *      cps_auto(cps_layer_close) struct cps_layer *layer = NULL;
 *  Needs CPS_AUTO_DEFINE() beside the function's prototype. */
#define cps_auto(fn) __attribute__((cleanup(fn##_auto)))

/** Lets `fn(type *)` be used in cps_auto(). */
#define CPS_AUTO_DEFINE(type, fn)                                                      \
	static inline void fn##_auto(type **p)                                         \
	{                                                                              \
		if (*p)                                                                \
			fn(*p);                                                        \
	}

/** Gives the pointer away: the value is returned, the variable becomes NULL. */
#define CPS_TAKE(p)                                                                    \
	({                                                                             \
		__auto_type taken_ = (p);                                              \
		(p) = NULL;                                                            \
		taken_;                                                                \
	})

#define CPS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void cps_free_auto(void *p)
{
	free(*(void **)p);
}

/* cps_auto(cps_free) char *s = NULL; */

/** Make room for at least `need` items of `size` bytes in `*items`, growing by half
 *  again. 0, or -ENOMEM with everything as it was. */
int cps_grow(void *items, size_t *cap, size_t need, size_t size);

#endif
