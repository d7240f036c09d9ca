#include <string.h>

#include "differ.h"

uint64_t random_state;

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t random_next(void)
{
	return mix(&random_state);
}

uint64_t below(uint64_t n)
{
	return random_next() % n;
}

bool chance(unsigned int percent)
{
	return below(100) < percent;
}

void fill(void *buf, size_t len, uint64_t seed)
{
	uint8_t *p = buf;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v = mix(&seed);

		memcpy(p, &v, 8);
	}
	for (; len; len--)
		*p++ = (uint8_t)mix(&seed);
}

uint64_t digest(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	sum ^= len * 0x9e3779b97f4a7c15ull;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		sum = (sum ^ v) * 0x9fb21c651e98df25ull;
		sum ^= sum >> 35;
	}
	for (; len; len--)
		sum = (sum ^ *p++) * 0x100000001b3ull;
	return sum ^ sum >> 29;
}
