#ifndef TEST_FUZZ_SEAL_H
#define TEST_FUZZ_SEAL_H

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "store/base/le.h"
#include "store/section.h"

/** Make size and checksums of a section file right, as far as its table makes sense, so
 *  that what they guard is reached. */
static inline void seal(uint8_t *file, size_t len)
{
	uint32_t count;
	size_t head;

	if (len < CPS_SECTION_HEADER_SIZE)
		return;
	cps_put_le64(file + 32, len);
	count = cps_le32(file + 40);
	head = CPS_SECTION_HEADER_SIZE + (size_t)count * CPS_SECTION_ENTRY_SIZE;
	if (count > CPS_SECTIONS_MAX || head > len)
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *e =
			file + CPS_SECTION_HEADER_SIZE + i * CPS_SECTION_ENTRY_SIZE;
		uint64_t off = cps_le64(e + 8), n = cps_le64(e + 16);

		if (off >= head && off <= len && n <= len - off)
			cps_put_le64(e + 24, XXH3_64bits(file + off, n));
	}
	cps_put_le64(file + 16, XXH3_64bits(file + 24, head - 24));
}

/** A sealed copy in an allocation of its exact size; NULL on no memory. */
static inline uint8_t *sealed_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (copy && len)
		memcpy(copy, data, len);
	if (copy)
		seal(copy, len);
	return copy;
}

static inline void require(int ok)
{
	if (!ok)
		abort();
}

#endif
