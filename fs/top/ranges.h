#ifndef CPS_TOP_RANGES_H
#define CPS_TOP_RANGES_H

#include <stddef.h>
#include <stdint.h>

/* What the top owns of a file's content: disjoint ranges sorted by offset, each with
 * the place where its bytes lie. What no range covers is the lower file's. */

#define CPS_IN_HOLE   0u           /* nowhere: zeros */
#define CPS_IN_LOG    1u           /* at `pos` of the log */
#define CPS_IN_FILES  2u           /* and above: at the same offset of data/<number> */
#define CPS_RANGE_END (1ull << 63) /* beyond any file */

struct cps_range {
	uint64_t off, len; /* bytes; len is never 0 */
	uint64_t pos;      /* CPS_IN_LOG only */
	uint32_t in;
};

struct cps_ranges {
	struct cps_range *items; /* owned */
	size_t count, cap;
};

void cps_ranges_release(struct cps_ranges *ranges);
/** Let the next cps_ranges_set() succeed. 0 or -ENOMEM. */
int cps_ranges_reserve(struct cps_ranges *ranges);
/** Own [off, off + len), in place of what was owned there. */
void cps_ranges_set(struct cps_ranges *ranges, const struct cps_range *range);
/** Own nothing from `size` on. */
void cps_ranges_cut(struct cps_ranges *ranges, uint64_t size);
/** The first range that ends after `off`, or ranges->count. */
size_t cps_ranges_find(const struct cps_ranges *ranges, uint64_t off);

#endif
