#include "store/base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_PAGES_MIN (4u << 20) /* bytes; two large pages */

/* What grows this large is filled next, and page faults may cost more than the filling
 * does (under some hypervisors 15 µs each). Where there are no large pages, nothing
 * happens. */
static void want_large_pages(void *items, size_t bytes)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)items + page - 1) & -page;
	uintptr_t to = ((uintptr_t)items + bytes) & -page;

	madvise((void *)from, to - from, MADV_HUGEPAGE);
}

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
	if (n * size >= LARGE_PAGES_MIN)
		want_large_pages(grown, n * size);
	return 0;
}
