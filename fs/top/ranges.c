#include "fs/top/ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

#define FEW 4u /* ranges that are counted out one by one */

void cps_ranges_release(struct cps_ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct cps_ranges){0};
}

int cps_ranges_reserve(struct cps_ranges *ranges)
{
	/* One in the middle of another makes three of one. Most files have one. */
	size_t need = ranges->count ? ranges->count + 2 : 1;
	struct cps_range *items;

	if (need > FEW)
		return cps_grow(&ranges->items, &ranges->cap, need, sizeof(*items));
	if (need <= ranges->cap)
		return 0;
	items = reallocarray(ranges->items, need, sizeof(*items));
	if (!items)
		return -ENOMEM;
	ranges->items = items;
	ranges->cap = need;
	return 0;
}

static uint64_t end_of(const struct cps_range *r)
{
	return r->off + r->len;
}

size_t cps_ranges_find(const struct cps_ranges *ranges, uint64_t off)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&ranges->items[middle]) > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void remove_items(struct cps_ranges *ranges, size_t at, size_t count)
{
	if (!count)
		return;
	memmove(ranges->items + at, ranges->items + at + count,
		(ranges->count - at - count) * sizeof(*ranges->items));
	ranges->count -= count;
}

static void insert_item(struct cps_ranges *ranges, size_t at,
			const struct cps_range *range)
{
	memmove(ranges->items + at + 1, ranges->items + at,
		(ranges->count - at) * sizeof(*ranges->items));
	ranges->items[at] = *range;
	ranges->count++;
}

static void drop_head(struct cps_range *r, uint64_t bytes)
{
	r->off += bytes;
	r->len -= bytes;
	if (r->in == CPS_IN_LOG)
		r->pos += bytes;
}

/* Disown [off, end); the place where a range from `off` on belongs. */
static size_t clear(struct cps_ranges *ranges, uint64_t off, uint64_t end)
{
	size_t at = cps_ranges_find(ranges, off), last;

	if (at < ranges->count && ranges->items[at].off < off) {
		struct cps_range *r = &ranges->items[at];

		if (end_of(r) > end) {
			struct cps_range tail = *r;

			drop_head(&tail, end - r->off);
			r->len = off - r->off;
			insert_item(ranges, at + 1, &tail);
			return at + 1;
		}
		r->len = off - r->off;
		at++;
	}
	for (last = at; last < ranges->count && end_of(&ranges->items[last]) <= end;)
		last++;
	if (last < ranges->count && ranges->items[last].off < end)
		drop_head(&ranges->items[last], end - ranges->items[last].off);
	remove_items(ranges, at, last - at);
	return at;
}

static bool continues(const struct cps_range *a, const struct cps_range *b)
{
	return end_of(a) == b->off && a->in == b->in &&
	       (a->in != CPS_IN_LOG || a->pos + a->len == b->pos);
}

void cps_ranges_set(struct cps_ranges *ranges, const struct cps_range *range)
{
	size_t at = clear(ranges, range->off, end_of(range));
	struct cps_range *items = ranges->items;
	bool joins_left = at > 0 && continues(&items[at - 1], range);
	bool joins_right = at < ranges->count && continues(range, &items[at]);

	if (joins_left && joins_right) {
		items[at - 1].len += range->len + items[at].len;
		remove_items(ranges, at, 1);
	} else if (joins_left) {
		items[at - 1].len += range->len;
	} else if (joins_right) {
		items[at].off = range->off;
		items[at].len += range->len;
		items[at].pos = range->pos;
	} else {
		insert_item(ranges, at, range);
	}
}

void cps_ranges_cut(struct cps_ranges *ranges, uint64_t size)
{
	size_t at = cps_ranges_find(ranges, size);

	if (at < ranges->count && ranges->items[at].off < size) {
		ranges->items[at].len = size - ranges->items[at].off;
		at++;
	}
	ranges->count = at;
}
