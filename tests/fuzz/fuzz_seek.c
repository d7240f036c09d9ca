/* A seek table and a blob, both hostile: u32 length of the table, table, blob. The
 * checksums of the table are made right, so that what they guard is reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "seal.h"
#include "store/seek.h"

#define SPANS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	table = sealed_copy(data, len);
	if (!table)
		return 0;
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
