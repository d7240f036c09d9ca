/* The changes of a plan as lines. */
#include <errno.h>
#include <string.h>

#include "store/pack.h"

struct line {
	char *path; /* owned */
	char kind;
};

struct lines {
	struct line *items;
	size_t count, cap;
};

static void lines_auto(struct lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].path);
	free(l->items);
}

static int add(struct lines *l, char kind, const char *path, size_t len)
{
	struct line line = {.kind = kind};

	if (cps_grow(&l->items, &l->cap, l->count + 1, sizeof(*l->items)) < 0)
		return -ENOMEM;
	line.path = malloc(len + 2);
	if (!line.path)
		return -ENOMEM;
	line.path[0] = '/';
	memcpy(line.path + 1, path, len);
	line.path[len + 1] = '\0';
	l->items[l->count++] = line;
	return 0;
}

/* Folders above a change are changed as well. Those that were told already lie next to
 * each other once they are sorted, so repeating them costs little. */
static int add_parents(struct lines *l, const char *path, const char *last)
{
	size_t shared = 0;
	int rc = 0;

	while (last[shared] && last[shared] == path[shared])
		shared++;
	for (const char *p = strchr(path, '/'); rc == 0 && p; p = strchr(p + 1, '/'))
		if ((size_t)(p - path) >= shared)
			rc = add(l, 'C', path, (size_t)(p - path));
	return rc;
}

static char kind_of(const struct cps_pack_item *item)
{
	if (item->kind == CPS_PACK_WHITEOUT)
		return 'D';
	return item->flags & CPS_PACK_BELOW ? 'C' : 'A';
}

static int collect(const struct cps_pack_plan *plan, struct lines *l)
{
	const char *last = "";
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->count; i++) {
		const struct cps_pack_item *item = &plan->items[i];
		const char *path = cps_pack_path(plan, item);

		if ((item->flags & CPS_PACK_FORCED) || strcmp(path, ".") == 0)
			continue;
		rc = add_parents(l, path, last);
		if (rc == 0)
			rc = add(l, kind_of(item), path, strlen(path));
		last = path;
	}
	return rc;
}

/* Of lines of one path the plan's own comes first: 'A' before the 'C' of a parent. */
static int by_path(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order ? order : x->kind - y->kind;
}

int cps_pack_diff(const struct cps_pack_plan *plan, cps_pack_diff_fn fn, void *ctx,
		  struct cps_err *err)
{
	__attribute__((cleanup(lines_auto))) struct lines l = {0};
	int rc = collect(plan, &l);

	if (rc < 0)
		return cps_err_nomem(err);
	if (l.count)
		qsort(l.items, l.count, sizeof(*l.items), by_path);
	for (size_t i = 0; rc == 0 && i < l.count; i++)
		if (i == 0 || strcmp(l.items[i].path, l.items[i - 1].path) != 0)
			rc = fn(ctx, l.items[i].kind, l.items[i].path);
	return rc;
}
