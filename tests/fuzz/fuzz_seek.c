/* A seek table and a blob, both hostile: u32 length of the table, table, blob. The
 * checksums of the table are made right, so that what they guard is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "store/base/le.h"
#include "store/section.h"
#include "store/seek.h"

#define SPANS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *table, size_t len)
{
	uint32_t count;
	size_t head;

	if (len < CPS_SECTION_HEADER_SIZE)
		return;
	cps_put_le64(table + 32, len);
	count = cps_le32(table + 40);
	head = CPS_SECTION_HEADER_SIZE + (size_t)count * CPS_SECTION_ENTRY_SIZE;
	if (count > CPS_SECTIONS_MAX || head > len)
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *e =
			table + CPS_SECTION_HEADER_SIZE + i * CPS_SECTION_ENTRY_SIZE;
		uint64_t off = cps_le64(e + 8), n = cps_le64(e + 16);

		if (off >= head && off <= len && n <= len - off)
			cps_put_le64(e + 24, XXH3_64bits(table + off, n));
	}
	cps_put_le64(table + 16, XXH3_64bits(table + 24, head - 24));
}

static void read_spans(const struct cps_seek *seek, const struct cps_blob *blob)
{
	uint32_t count = cps_seek_span_count(seek);
	uint8_t *buf = malloc(CPS_SPAN_MAX);

	for (uint32_t i = 0; buf && i < count && i < SPANS_MAX; i++) {
		cps_auto(cps_cursor_close) struct cps_cursor *cursor = NULL;
		uint64_t off;
		uint32_t len;

		cps_seek_span(seek, i, &off, &len);
		if (cps_cursor_open(seek, blob, i, &cursor) == 0)
			cps_cursor_read(cursor, buf, len);
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_seek_close) struct cps_seek *seek = NULL;
	cps_auto(cps_free) uint8_t *table = NULL;
	struct cps_blob blob = CPS_BLOB_INIT;
	size_t len;

	if (size < 4)
		return 0;
	len = cps_le32(data);
	data += 4;
	size -= 4;
	if (len > size)
		return 0;
	table = malloc(len + 1);
	if (!table)
		return 0;
	memcpy(table, data, len);
	seal(table, len);
	if (cps_seek_open_mem(table, len, &seek, NULL) < 0)
		return 0;
	blob.fd = memfd_create("blob", MFD_CLOEXEC);
	blob.size = size - len;
	if (blob.fd >= 0 && cps_write_full(blob.fd, data + len, blob.size) == 0)
		read_spans(seek, &blob);
	if (blob.fd >= 0)
		close(blob.fd);
	return 0;
}
