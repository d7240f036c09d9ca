#include "fs/top/dents.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "store/base/mem.h"

#define SLOTS_LEAST 8u

void cps_dents_release(struct cps_dents *dents)
{
	for (size_t i = 0; i < dents->count; i++)
		free(dents->items[i]);
	free(dents->items);
	free(dents->slots);
	*dents = (struct cps_dents){0};
}

/* ---- by name ---- */

static uint32_t hash_of(const char *name, size_t len)
{
	return (uint32_t)XXH3_64bits(name, len);
}

static struct cps_dent *at_slot(const struct cps_dents *dents, size_t slot)
{
	return dents->items[dents->slots[slot] - 1];
}

/* The slot of the name, or the free one where it would go; there is always one. */
static size_t find_slot(const struct cps_dents *dents, const char *name, size_t len,
			uint32_t hash)
{
	size_t mask = dents->slot_count - 1, slot = hash & mask;

	for (; dents->slots[slot]; slot = (slot + 1) & mask) {
		const struct cps_dent *d = at_slot(dents, slot);

		if (d->hash == hash && d->name_len == len &&
		    memcmp(d->name, name, len) == 0)
			break;
	}
	return slot;
}

struct cps_dent *cps_dents_find(const struct cps_dents *dents, const char *name,
				size_t len)
{
	size_t slot;

	if (!dents->slot_count)
		return NULL;
	slot = find_slot(dents, name, len, hash_of(name, len));
	return dents->slots[slot] ? at_slot(dents, slot) : NULL;
}

/* Free a slot, and let those that had to go past it move up. */
static void free_slot(struct cps_dents *dents, size_t slot)
{
	size_t mask = dents->slot_count - 1, hole = slot;

	for (size_t i = (slot + 1) & mask; dents->slots[i]; i = (i + 1) & mask) {
		size_t home = at_slot(dents, i)->hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		dents->slots[hole] = dents->slots[i];
		hole = i;
	}
	dents->slots[hole] = 0;
}

/* ---- room ---- */

static void fill_slots(struct cps_dents *dents)
{
	size_t mask = dents->slot_count - 1;

	memset(dents->slots, 0, dents->slot_count * sizeof(*dents->slots));
	for (size_t i = 0; i < dents->count; i++) {
		size_t slot = dents->items[i]->hash & mask;

		while (dents->slots[slot])
			slot = (slot + 1) & mask;
		dents->slots[slot] = (uint32_t)i + 1;
	}
}

static size_t slots_for(size_t live)
{
	size_t wanted = SLOTS_LEAST;

	while (wanted / 3 * 2 < live)
		wanted *= 2;
	return wanted;
}

/* A folder that was large once must not pay for it with each name that goes. */
static void shed_slots(struct cps_dents *dents)
{
	size_t wanted = 2 * slots_for(dents->count);
	uint32_t *fewer;

	if (wanted > dents->slot_count / 2)
		return;
	dents->slot_count = wanted;
	fewer = realloc(dents->slots, wanted * sizeof(*fewer));
	if (fewer)
		dents->slots = fewer;
}

static bool is_listed(const struct cps_dent *d)
{
	return !d->gone && !d->covers;
}

/* A listing that begins again and again, while what it showed is removed, must not pass
 * over all of that each time. */
static void move_first(struct cps_dents *dents)
{
	while (dents->first < dents->count && !is_listed(dents->items[dents->first]))
		dents->first++;
}

static void close_gaps(struct cps_dents *dents)
{
	size_t kept = 0;

	for (size_t i = 0; i < dents->count; i++) {
		if (!dents->items[i]->gone)
			dents->items[kept++] = dents->items[i];
		else
			free(dents->items[i]);
	}
	dents->count = kept;
	dents->gone = 0;
	dents->first = 0;
	move_first(dents);
	shed_slots(dents);
	fill_slots(dents);
}

/* Room for one more, with at most two thirds of the slots in use. */
static int reserve(struct cps_dents *dents)
{
	size_t wanted = slots_for(dents->count - dents->gone + 1);
	uint32_t *slots;

	if (dents->count >= UINT32_MAX - 1 ||
	    cps_grow(&dents->items, &dents->cap, dents->count + 1,
		     sizeof(*dents->items)) < 0)
		return -ENOMEM;
	if (wanted <= dents->slot_count)
		return 0;
	slots = calloc(wanted, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(dents->slots);
	dents->slots = slots;
	dents->slot_count = wanted;
	close_gaps(dents);
	return 0;
}

/* ---- changing ---- */

static void count_dent(struct cps_dents *dents, const struct cps_dent *d, size_t by)
{
	dents->covering += d->covers ? by : 0;
	dents->live += d->ino ? by : 0;
}

static int add(struct cps_dents *dents, const char *name, size_t len, uint64_t ino,
	       uint8_t type, bool covers)
{
	struct cps_dent *d;
	int rc = reserve(dents);

	if (rc < 0)
		return rc;
	d = malloc(sizeof(*d) + len + 1);
	if (!d)
		return -ENOMEM;
	*d = (struct cps_dent){
		.ino = ino,
		.cookie = dents->next_cookie++,
		.hash = hash_of(name, len),
		.type = type,
		.covers = covers,
		.name_len = (uint8_t)len,
	};
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	dents->slots[find_slot(dents, name, len, d->hash)] = (uint32_t)dents->count + 1;
	dents->items[dents->count++] = d;
	count_dent(dents, d, 1);
	return 0;
}

static void drop(struct cps_dents *dents, const char *name, size_t len)
{
	size_t slot = find_slot(dents, name, len, hash_of(name, len));
	size_t at = dents->slots[slot] - 1;

	free_slot(dents, slot);
	dents->items[at]->gone = true;
	dents->gone++;
	if (dents->gone > SLOTS_LEAST && dents->gone > dents->count / 2)
		close_gaps(dents);
	else
		move_first(dents);
}

int cps_dents_set(struct cps_dents *dents, const char *name, size_t len, uint64_t ino,
		  uint8_t type, bool covers)
{
	struct cps_dent *d = cps_dents_find(dents, name, len);

	if (!d)
		return ino || covers ? add(dents, name, len, ino, type, covers) : 0;
	count_dent(dents, d, (size_t)-1);
	if (!ino && !covers) {
		drop(dents, name, len);
		return 0;
	}
	d->ino = ino;
	d->type = type;
	count_dent(dents, d, 1);
	return 0;
}

const struct cps_dent *cps_dents_next(const struct cps_dents *dents, uint64_t cookie)
{
	size_t low = dents->first, high = dents->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dents->items[middle]->cookie >= cookie)
			high = middle;
		else
			low = middle + 1;
	}
	while (low < dents->count && !is_listed(dents->items[low]))
		low++;
	return low < dents->count ? dents->items[low] : NULL;
}

const struct cps_dent *cps_dents_each(const struct cps_dents *dents, size_t *pos)
{
	while (*pos < dents->count && dents->items[*pos]->gone)
		++*pos;
	return *pos < dents->count ? dents->items[(*pos)++] : NULL;
}
