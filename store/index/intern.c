#include "store/index/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct slot {
	uint32_t off, len; /* len UINT32_MAX: empty */
	uint32_t hash;
};

struct cps_intern {
	struct cps_buf *arena; /* borrowed */
	struct slot *slots;
	size_t count, cap; /* cap is a power of two */
	uint64_t seed;     /* so that nobody can choose strings that collide */
};

static int resize(struct cps_intern *in, size_t cap)
{
	struct slot *old = in->slots, *slots = malloc(cap * sizeof(*slots));
	size_t old_cap = in->cap;

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, cap * sizeof(*slots));
	for (size_t i = 0; i < old_cap; i++) {
		size_t at = old[i].hash & (cap - 1);

		if (old[i].len == UINT32_MAX)
			continue;
		while (slots[at].len != UINT32_MAX)
			at = (at + 1) & (cap - 1);
		slots[at] = old[i];
	}
	free(old);
	in->slots = slots;
	in->cap = cap;
	return 0;
}

uint64_t cps_hash_seed(void)
{
	uint64_t seed = 0;

	/* Without entropy tables are slower for who asks for it, no more. */
	if (getentropy(&seed, sizeof(seed)) < 0)
		seed = 0;
	return seed;
}

struct cps_intern *cps_intern_new(struct cps_buf *arena)
{
	struct cps_intern *in = calloc(1, sizeof(*in));

	if (in && resize(in, 1024) < 0) {
		free(in);
		return NULL;
	}
	if (in) {
		in->arena = arena;
		in->seed = cps_hash_seed();
	}
	return in;
}

int64_t cps_intern_add(struct cps_intern *in, const void *data, size_t len)
{
	uint32_t hash = (uint32_t)XXH3_64bits_withSeed(data, len, in->seed);
	size_t at;
	int rc;

	if (len >= UINT32_MAX || in->arena->len + len >= UINT32_MAX)
		return -EFBIG;
	if (in->count * 2 >= in->cap && resize(in, in->cap * 2) < 0)
		return -ENOMEM;
	for (at = hash & (in->cap - 1); in->slots[at].len != UINT32_MAX;
	     at = (at + 1) & (in->cap - 1)) {
		const struct slot *s = &in->slots[at];

		if (s->hash == hash && s->len == len &&
		    memcmp(in->arena->data + s->off, data, len) == 0)
			return s->off;
	}
	in->slots[at] = (struct slot){(uint32_t)in->arena->len, (uint32_t)len, hash};
	rc = cps_buf_append(in->arena, data, len);
	if (rc < 0) {
		in->slots[at].len = UINT32_MAX;
		return rc;
	}
	in->count++;
	return in->slots[at].off;
}

void cps_intern_free(struct cps_intern *in)
{
	if (!in)
		return;
	free(in->slots);
	free(in);
}
