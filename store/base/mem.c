#include "store/base/mem.h"

#include <errno.h>
#include <string.h>

int cps_grow(void *items, size_t *cap, size_t need, size_t size)
{
	void *old, *grown;
	size_t n;

	if (need <= *cap)
		return 0;
	n = *cap + *cap / 2;
	if (n < 16)
		n = 16;
	if (n < need)
		n = need;
	/* The caller's pointer has its own type; go through memcpy, not through a cast.
	 */
	memcpy(&old, items, sizeof(old));
	grown = reallocarray(old, n, size);
	if (!grown)
		return -ENOMEM;
	memcpy(items, &grown, sizeof(grown));
	*cap = n;
	return 0;
}
