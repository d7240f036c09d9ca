/* Scans any bytes. Byte 0 chooses libisal or zlib and the size of the pieces. */
#include <stdint.h>

#include "store/seek.h"

#define OUTPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_scan_free) struct cps_scan *scan = NULL;
	struct cps_scan_opts opts = {.max_output = OUTPUT_MAX};
	size_t piece;

	if (size < 1)
		return 0;
	opts.force_zlib = data[0] & 1;
	piece = 1 + data[0] / 2u * 37u;
	data++;
	size--;
	opts.codec = cps_codec_detect(data, size);
	if (cps_scan_new(&opts, &scan, NULL) < 0)
		return 0;
	for (; size > 0; data += piece, size -= piece) {
		if (piece > size)
			piece = size;
		if (cps_scan_feed(scan, data, piece, NULL) < 0)
			return 0;
	}
	cps_scan_finish(scan, NULL);
	return 0;
}
