/* Plans: what goes into a tar stream, in which order. */
#include <errno.h>
#include <string.h>

#include "store/base/path.h"
#include "store/pack.h"

const char *cps_pack_path(const struct cps_pack_plan *plan,
			  const struct cps_pack_item *item)
{
	return (const char *)plan->paths.data + item->path;
}

int cps_pack_add(struct cps_pack_plan *plan, const char *path, enum cps_pack_kind kind,
		 unsigned int flags, uint64_t handle, struct cps_err *err)
{
	size_t at = plan->paths.len;

	if (strlen(path) + strlen(".wh.") > CPS_PATH_MAX)
		return cps_err_set(err, -ENAMETOOLONG,
				   "'%s': longer than a path in a layer may be", path);
	if (plan->count >= UINT32_MAX ||
	    cps_grow(&plan->items, &plan->cap, plan->count + 1, sizeof(*plan->items)) <
		    0 ||
	    cps_buf_append(&plan->paths, path, strlen(path) + 1) < 0)
		return cps_err_nomem(err);
	plan->items[plan->count++] = (struct cps_pack_item){.handle = handle,
							    .path = at,
							    .kind = (uint8_t)kind,
							    .flags = (uint8_t)flags};
	return 0;
}

/* ---- several names of one inode ---- */

static bool may_link(const struct cps_pack_item *item)
{
	return (item->flags & CPS_PACK_LINKED) &&
	       (item->kind == CPS_PACK_ENTRY || item->kind == CPS_PACK_SPARE);
}

static int by_inode(const void *a, const void *b, void *ctx)
{
	const struct cps_pack_item *items = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

	if (items[i].handle != items[j].handle)
		return items[i].handle < items[j].handle ? -1 : 1;
	return i < j ? -1 : 1;
}

/* The names of one inode, in the order of the plan: all go in, or none. */
static void join_group(struct cps_pack_item *items, const uint32_t *group, size_t count)
{
	bool wanted = false;

	for (size_t i = 0; i < count; i++)
		wanted |= items[group[i]].kind == CPS_PACK_ENTRY;
	for (size_t i = 0; wanted && i < count; i++) {
		struct cps_pack_item *item = &items[group[i]];

		if (item->kind == CPS_PACK_SPARE)
			item->flags |= CPS_PACK_FORCED;
		item->kind = i ? CPS_PACK_LINK : CPS_PACK_ENTRY;
		item->link_to = group[0];
	}
}

/* Spares that nobody asked for go; links follow their entries to the new places. */
static int drop_spares(struct cps_pack_plan *plan)
{
	cps_auto(cps_free) uint32_t *moved = calloc(plan->count + 1, sizeof(*moved));
	size_t kept = 0;

	if (!moved)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++) {
		struct cps_pack_item item = plan->items[i];

		if (item.kind == CPS_PACK_SPARE)
			continue;
		moved[i] = (uint32_t)kept;
		if (item.kind == CPS_PACK_LINK)
			item.link_to = moved[item.link_to];
		plan->items[kept++] = item;
	}
	plan->count = kept;
	return 0;
}

int cps_pack_join(struct cps_pack_plan *plan, struct cps_err *err)
{
	cps_auto(cps_free) uint32_t *order = calloc(plan->count + 1, sizeof(*order));
	size_t count = 0, end;

	if (!order)
		return cps_err_nomem(err);
	for (size_t i = 0; i < plan->count; i++)
		if (may_link(&plan->items[i]))
			order[count++] = (uint32_t)i;
	qsort_r(order, count, sizeof(*order), by_inode, plan->items);
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count; end++)
			if (plan->items[order[end]].handle !=
			    plan->items[order[i]].handle)
				break;
		join_group(plan->items, order + i, end - i);
	}
	return drop_spares(plan) < 0 ? cps_err_nomem(err) : 0;
}

bool cps_pack_is_empty(const struct cps_pack_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].kind != CPS_PACK_SOCKET)
			return false;
	return true;
}

void cps_pack_release(struct cps_pack_plan *plan)
{
	free(plan->items);
	cps_buf_release(&plan->paths);
	*plan = (struct cps_pack_plan){0};
}
