#ifndef CPS_CODEC_H
#define CPS_CODEC_H

#include <stddef.h>
#include <stdint.h>

/** How a blob is compressed, told by its first bytes and never by its media type. */
enum cps_codec {
	CPS_CODEC_NONE,
	CPS_CODEC_GZIP,
	CPS_CODEC_ZSTD,
	CPS_CODEC_OTHER, /* xz, bzip2, lz4, …: no layer, but `import` takes it */
};

#define CPS_CODEC_MAGIC_LEN 8 /* bytes that cps_codec_detect() wants to see */

/** A zstd skippable frame counts as zstd. Fewer bytes than it wants are fine. */
enum cps_codec cps_codec_detect(const uint8_t *head, size_t len);
/** "none", "gzip", "zstd", "other" */
const char *cps_codec_name(enum cps_codec codec);

#endif
