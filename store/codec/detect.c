#include <stdbool.h>
#include <string.h>

#include "store/base/le.h"
#include "store/codec.h"

static const struct {
	uint8_t magic[6];
	uint8_t len; /* bytes of magic */
} others[] = {
	{{0xfd, '7', 'z', 'X', 'Z', 0}, 6}, /* xz */
	{{'B', 'Z', 'h'}, 3},               /* bzip2 */
	{{0x04, 0x22, 0x4d, 0x18}, 4},      /* lz4 */
	{{'L', 'Z', 'I', 'P'}, 4},          /* lzip */
	{{0x1f, 0x9d}, 2},                  /* compress */
	{{0x5d, 0x00, 0x00}, 3},            /* lzma */
};

static bool is_zstd(const uint8_t *head, size_t len)
{
	uint32_t magic;

	if (len < 4)
		return false;
	magic = cps_le32(head);
	return magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50;
}

enum cps_codec cps_codec_detect(const uint8_t *head, size_t len)
{
	if (len >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8)
		return CPS_CODEC_GZIP;
	if (is_zstd(head, len))
		return CPS_CODEC_ZSTD;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (len >= others[i].len &&
		    memcmp(head, others[i].magic, others[i].len) == 0)
			return CPS_CODEC_OTHER;
	}
	return CPS_CODEC_NONE;
}

const char *cps_codec_name(enum cps_codec codec)
{
	switch (codec) {
	case CPS_CODEC_NONE:
		return "none";
	case CPS_CODEC_GZIP:
		return "gzip";
	case CPS_CODEC_ZSTD:
		return "zstd";
	case CPS_CODEC_OTHER:
		break;
	}
	return "other";
}
