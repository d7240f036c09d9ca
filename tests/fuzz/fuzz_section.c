/* A section file, first as it is, then sealed: sections lie inside the file, and what
 * is written again with the same sections reads the same. */
#include <stdint.h>

#include "seal.h"

#define PROBES 8u /* entry sizes tried on each section */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t kind_of(const uint8_t *data, size_t size)
{
	return size < 16 ? 0 : cps_le32(data + 12);
}

/* Sections of a type, whatever their entry size. */
static int get_any(const struct cps_sections *s, uint32_t type, uint32_t *entsize,
		   const void **ptr, uint64_t *count)
{
	for (*entsize = 1; *entsize <= PROBES; (*entsize)++)
		if (cps_section_get(s, type, *entsize, ptr, count) == 0)
			return 1;
	return 0;
}

static void write_again(const struct cps_sections *s, uint32_t kind)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_section_writer w;
	struct cps_sections again;

	cps_section_begin(&w, kind, NULL, NULL);
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t type = cps_le32(s->data + CPS_SECTION_HEADER_SIZE +
					 i * CPS_SECTION_ENTRY_SIZE);
		const void *ptr;
		uint64_t count;
		uint32_t entsize;

		if (!get_any(s, type, &entsize, &ptr, &count))
			continue;
		require((const uint8_t *)ptr >= s->data);
		require((const uint8_t *)ptr + count * entsize <= s->data + s->len);
		cps_section_add(&w, type, entsize, ptr, count * entsize);
	}
	require(cps_section_finish(&w, &out) == 0);
	require(cps_sections_open(out.data, out.len, kind, NULL, &again, NULL) == 0);
	require(cps_sections_verify(&again, NULL) == 0);
	require(again.count == w.count);
}

static void check(const uint8_t *data, size_t size)
{
	uint32_t kind = kind_of(data, size);
	struct cps_sections s;

	if (cps_sections_open(data, size, kind, NULL, &s, NULL) < 0)
		return;
	cps_sections_verify(&s, NULL);
	write_again(&s, kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_free) uint8_t *file = sealed_copy(data, size);

	check(data, size);
	if (file)
		check(file, size);
	return 0;
}
