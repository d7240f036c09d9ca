#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/codec.h"

#define DETECT(text) cps_codec_detect((const uint8_t *)(text), sizeof(text) - 1)

static void codec_is_told_by_the_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(DETECT("\x1f\x8b\x08\0\0\0\0\0"), CPS_CODEC_GZIP);
	assert_int_equal(DETECT("\x28\xb5\x2f\xfd\0\0\0\0"), CPS_CODEC_ZSTD);
	assert_int_equal(DETECT("\xfd"
				"7zXZ\0\0\0"),
			 CPS_CODEC_OTHER);
	assert_int_equal(DETECT("BZh91AY&"), CPS_CODEC_OTHER);
	assert_int_equal(DETECT("\x04\x22\x4d\x18\0\0\0\0"), CPS_CODEC_OTHER);
	assert_int_equal(DETECT("etc/\0\0\0\0"), CPS_CODEC_NONE);
}

static void skippable_frame_counts_as_zstd(void **state)
{
	(void)state;
	assert_int_equal(DETECT("\x50\x2a\x4d\x18"), CPS_CODEC_ZSTD);
	assert_int_equal(DETECT("\x5f\x2a\x4d\x18"), CPS_CODEC_ZSTD);
	assert_int_equal(DETECT("\x60\x2a\x4d\x18"), CPS_CODEC_NONE);
}

static void few_bytes_are_no_codec(void **state)
{
	(void)state;
	assert_int_equal(DETECT(""), CPS_CODEC_NONE);
	assert_int_equal(DETECT("\x1f\x8b"), CPS_CODEC_NONE);
	assert_int_equal(DETECT("\x28\xb5\x2f"), CPS_CODEC_NONE);
}

static void codecs_have_names(void **state)
{
	(void)state;
	assert_string_equal(cps_codec_name(CPS_CODEC_NONE), "none");
	assert_string_equal(cps_codec_name(CPS_CODEC_GZIP), "gzip");
	assert_string_equal(cps_codec_name(CPS_CODEC_ZSTD), "zstd");
	assert_string_equal(cps_codec_name(CPS_CODEC_OTHER), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_is_told_by_the_first_bytes),
		cmocka_unit_test(skippable_frame_counts_as_zstd),
		cmocka_unit_test(few_bytes_are_no_codec),
		cmocka_unit_test(codecs_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
