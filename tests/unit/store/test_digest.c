#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "store/digest.h"

#define ABC_HEX   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void text_and_bytes_are_the_same_thing(void **state)
{
	char text[CPS_DIGEST_TEXT_LEN], hex[CPS_DIGEST_HEX_LEN];
	struct cps_digest d, again;

	(void)state;
	assert_int_equal(cps_digest_parse("sha256:" ABC_HEX, &d, NULL), 0);
	assert_int_equal(d.bytes[0], 0xba);
	assert_int_equal(d.bytes[31], 0xad);
	assert_string_equal(cps_digest_text(&d, text), "sha256:" ABC_HEX);
	assert_string_equal(cps_digest_hex(&d, hex), ABC_HEX);
	assert_int_equal(cps_digest_parse_hex(hex, &again), 0);
	assert_true(cps_digest_equal(&d, &again));
	again.bytes[31] ^= 1;
	assert_false(cps_digest_equal(&d, &again));
}

static void what_is_no_digest_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		ABC_HEX,
		"SHA256:" ABC_HEX,
		"sha256:" ABC_HEX "0",
		"sha256:ba7816bf",
		"sha256:"
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"sha256:../"
		"7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:"
		"ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		" sha256:" ABC_HEX,
		"sha512:",
		"sha512:a b",
		"sha..512:a",
		"+b64:a",
		"sha512+:a",
	};
	struct cps_digest d = {{9}};

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++) {
		struct cps_err err = CPS_ERR_INIT;

		assert_int_equal(cps_digest_parse(bad[i], &d, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "is no digest"));
	}
	assert_int_equal(d.bytes[0], 9);
}

static void other_algorithms_are_recognised(void **state)
{
	static const char *const other[] = {
		"sha512:00ff", "multihash+base58:QmRZxt2b1FVZ",
		"sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g", "a.b_c-d:Z="};
	struct cps_err err = CPS_ERR_INIT;
	struct cps_digest d;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(other); i++)
		assert_int_equal(cps_digest_parse(other[i], &d, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "only sha256"));
}

static void a_hash_may_be_fed_in_pieces(void **state)
{
	cps_auto(cps_hash_free) struct cps_hash *hash = cps_hash_new();
	char hex[CPS_DIGEST_HEX_LEN];
	struct cps_digest d;

	(void)state;
	cps_hash_update(hash, "a", 1);
	cps_hash_update(hash, "", 0);
	cps_hash_update(hash, "bc", 2);
	cps_hash_final(hash, &d);
	assert_string_equal(cps_digest_hex(&d, hex), ABC_HEX);
	/* It starts anew. */
	cps_hash_final(hash, &d);
	assert_string_equal(cps_digest_hex(&d, hex), EMPTY_HEX);
	cps_digest_of("abc", 3, &d);
	assert_string_equal(cps_digest_hex(&d, hex), ABC_HEX);
	cps_digest_of(NULL, 0, &d);
	assert_string_equal(cps_digest_hex(&d, hex), EMPTY_HEX);
	assert_false(cps_digest_is_zero(&d));
}

/* image-spec config.md: the first chainID is the diffID, each further one the digest of
 * the two texts with a space between. */
static void chain_ids_follow_the_image_spec(void **state)
{
	char joined[2 * CPS_DIGEST_TEXT_LEN], text[CPS_DIGEST_TEXT_LEN];
	struct cps_digest a, b, chain, want;

	(void)state;
	cps_digest_of("a", 1, &a);
	cps_digest_of("b", 1, &b);
	cps_chain_id(NULL, &a, &chain);
	assert_true(cps_digest_equal(&chain, &a));
	strcpy(joined, cps_digest_text(&a, text));
	strcat(joined, " ");
	strcat(joined, cps_digest_text(&b, text));
	cps_digest_of(joined, strlen(joined), &want);
	cps_chain_id(&chain, &b, &chain);
	assert_true(cps_digest_equal(&chain, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_bytes_are_the_same_thing),
		cmocka_unit_test(what_is_no_digest_is_refused),
		cmocka_unit_test(other_algorithms_are_recognised),
		cmocka_unit_test(a_hash_may_be_fed_in_pieces),
		cmocka_unit_test(chain_ids_follow_the_image_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
