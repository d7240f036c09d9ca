#include "fs/top/tidy.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/top/content.h"
#include "store/base/mem.h"

/** A data file that something is in. */
struct used {
	uint32_t number;
	uint64_t end; /* of the last content there */
};

struct list {
	struct cps_top *top;
	struct used *items; /* owned */
	size_t count, cap;
};

static int add(struct list *list, const struct used *item)
{
	if (cps_grow(&list->items, &list->cap, list->count + 1, sizeof(*item)) < 0)
		return -ENOMEM;
	list->items[list->count++] = *item;
	return 0;
}

static int add_node(struct list *list, const struct cps_node *n)
{
	struct used item = {.number = n->gen};
	int rc = 0;

	if (n->gen)
		rc = add(list, &item);
	for (size_t i = 0; i < n->ranges.count && rc == 0; i++) {
		const struct cps_range *r = &n->ranges.items[i];

		if (r->in < CPS_IN_FILES)
			continue;
		item.number = r->in;
		item.end = cps_least(r->off + r->len, n->size);
		rc = add(list, &item);
	}
	return rc;
}

/* The one that ends last first among its like. */
static int compare(const void *a, const void *b)
{
	const struct used *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->end == y->end ? 0 : x->end > y->end ? -1 : 1;
}

static const struct used *find(const struct list *list, uint32_t number)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->items[low].number == number
		       ? &list->items[low]
		       : NULL;
}

static bool keep(void *ctx, uint32_t number)
{
	struct list *list = ctx;
	const struct used *used = find(list, number);

	if (used)
		cps_files_trim(&list->top->files, number, used->end);
	return used != NULL;
}

int cps_top_tidy(struct cps_top *top)
{
	struct list list = {.top = top};
	int rc = 0;

	for (size_t i = 0; i < top->nodes.slot_count && rc == 0; i++)
		if (top->nodes.slots[i])
			rc = add_node(&list, top->nodes.slots[i]);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	if (rc == 0)
		rc = cps_files_sweep(&top->files, top->named_gen, keep, &list);
	free(list.items);
	return rc;
}
