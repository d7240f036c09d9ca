/* Sorted names of several layers, abreast. */
#include "store/index/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cps_names_init(struct cps_names *names, size_t most)
{
	*names = (struct cps_names){
		.cursors = malloc((most + 1) * sizeof(*names->cursors)),
		.line = malloc((most + 1) * sizeof(*names->line)),
	};
	return names->cursors && names->line ? 0 : -ENOMEM;
}

void cps_names_release(struct cps_names *names)
{
	free(names->cursors);
	free(names->line);
	*names = (struct cps_names){0};
}

void cps_names_reset(struct cps_names *names)
{
	names->head = names->count = names->group = 0;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

int cps_names_compare(const struct cps_tdirent *a, const struct cps_tdirent *b)
{
	return compare(a->name, a->name_len, b->name, b->name_len);
}

/* By name; of equal ones the lower layer comes first. */
static bool before(const struct cps_names *names, uint16_t a, uint16_t b)
{
	int c = cps_names_compare(&names->cursors[a].d, &names->cursors[b].d);

	return c ? c < 0 : a < b;
}

/* The place of a cursor among those of the line from `low` on. A name is mostly
 * followed by one of the same layer, so the first place is tried first. */
static size_t place_of(const struct cps_names *names, uint16_t cursor, size_t low)
{
	size_t high = names->count;

	if (low == high || before(names, cursor, names->line[low]))
		return low;
	low++;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (before(names, cursor, names->line[mid]))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

int cps_names_add(struct cps_names *names, const struct cps_table *t, uint16_t source,
		  uint64_t first, uint64_t count)
{
	uint16_t id = (uint16_t)names->count;
	struct cps_cursor *c = &names->cursors[id];
	size_t at;

	if (count == 0)
		return 0;
	*c = (struct cps_cursor){
		.t = t, .at = first, .end = first + count, .source = source};
	if (cps_table_dirent(t, first, &c->d) < 0)
		return -EIO;
	at = place_of(names, id, 0);
	memmove(names->line + at + 1, names->line + at,
		(names->count - at) * sizeof(*names->line));
	names->line[at] = id;
	names->count++;
	return 0;
}

/* 1; 0 at the end; -EIO. */
static int advance(struct cps_cursor *c)
{
	struct cps_tdirent next;

	if (++c->at == c->end)
		return 0;
	/* Of a name that came twice, or out of order, layers would not be told apart.
	 */
	if (cps_table_dirent(c->t, c->at, &next) < 0 ||
	    cps_names_compare(&c->d, &next) >= 0)
		return -EIO;
	c->d = next;
	return 1;
}

/* The cursor at `at`, with all behind it in order, goes where its next name belongs. */
static int move_on(struct cps_names *names, size_t at)
{
	uint16_t id = names->line[at];
	uint16_t *line = names->line;
	int rc = advance(&names->cursors[id]);
	size_t to;

	if (rc < 0)
		return rc;
	if (rc == 0) {
		memmove(line + names->head + 1, line + names->head,
			(at - names->head) * sizeof(*line));
		names->head++;
		return 0;
	}
	to = place_of(names, id, at + 1) - 1;
	memmove(line + at, line + at + 1, (to - at) * sizeof(*line));
	line[to] = id;
	return 0;
}

int cps_names_next(struct cps_names *names, uint16_t *bad)
{
	const struct cps_tdirent *d;
	size_t last = names->head + names->group;

	/* One that ends moves the others up: the group ends where it did. */
	for (size_t left = names->group; left > 0; left--) {
		size_t ended = names->head;

		*bad = names->cursors[names->line[last - 1]].source;
		if (move_on(names, last - 1) < 0)
			return -EIO;
		if (names->head == ended)
			last--;
	}
	names->group = 0;
	if (names->head == names->count)
		return 0;
	d = &cps_names_at(names, 0)->d;
	do {
		names->group++;
	} while (names->head + names->group < names->count &&
		 cps_names_compare(d, &cps_names_at(names, names->group)->d) == 0);
	return 1;
}

int cps_names_find(const struct cps_table *t, uint64_t first, uint64_t count,
		   const char *name, size_t len, struct cps_tdirent *out)
{
	uint64_t low = 0, high = count;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		int rc = cps_table_dirent(t, first + mid, out);
		int c = rc < 0 ? 0 : compare(name, len, out->name, out->name_len);

		if (rc < 0 || c == 0)
			return rc;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -ENOENT;
}
