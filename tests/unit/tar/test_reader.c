#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "store/tar.h"

#define BLOCK 512

/* An archive made by hand, and where its reader is. */
struct sample {
	struct cps_buf bytes;
	size_t pos;
	size_t chunk; /* most bytes one read gives; 0: all */
	struct cps_tar *tar;
	struct cps_tar_entry entry;
	struct cps_err err;
};

static ssize_t sample_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct sample *s = ctx;

	(void)err;
	if (len > s->bytes.len - s->pos)
		len = s->bytes.len - s->pos;
	if (s->chunk && len > s->chunk)
		len = s->chunk;
	if (len)
		memcpy(buf, s->bytes.data + s->pos, len);
	s->pos += len;
	return (ssize_t)len;
}

static int sample_setup(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));

	*state = s;
	return s ? 0 : -1;
}

static int sample_teardown(void **state)
{
	struct sample *s = *state;

	cps_tar_close(s->tar);
	cps_buf_release(&s->bytes);
	free(s);
	return 0;
}

static void seal(uint8_t *block)
{
	char text[8];
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + 148, text, 7);
}

/* A header; the block stays valid until the next one is added. */
static uint8_t *add_header(struct sample *s, const char *name, char type,
			   unsigned long long size)
{
	char text[24];
	uint8_t *block;

	assert_int_equal(cps_buf_zeros(&s->bytes, BLOCK, &block), 0);
	memcpy(block, name, strnlen(name, 100));
	memcpy(block + 100, "0000644", 8);
	memcpy(block + 108, "0000000", 8);
	memcpy(block + 116, "0000000", 8);
	snprintf(text, sizeof(text), "%011llo", size);
	memcpy(block + 124, text, 12);
	memcpy(block + 136, "00000000000", 12);
	block[156] = (uint8_t)type;
	memcpy(block + 257, "ustar\00000", 8);
	seal(block);
	return block;
}

static void add_data(struct sample *s, const void *data, size_t len)
{
	assert_int_equal(cps_buf_append(&s->bytes, data, len), 0);
	assert_int_equal(cps_buf_align(&s->bytes, BLOCK), 0);
}

static void add_pax(struct sample *s, const char *records, size_t len)
{
	add_header(s, "pax", 'x', len);
	add_data(s, records, len);
}

static void add_record(struct cps_buf *out, const char *key, const void *value,
		       size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest;

	for (int i = 0; i < 3; i++)
		total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	assert_int_equal(cps_buf_printf(out, "%zu %s=", total, key), 0);
	assert_int_equal(cps_buf_append(out, value, len), 0);
	assert_int_equal(cps_buf_str(out, "\n"), 0);
}

/* A pax header with one record. */
static void add_pax_text(struct sample *s, const char *key, const char *value)
{
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, key, value, strlen(value));
	add_pax(s, cps_buf_cstr(&rec), rec.len);
}

static int next(struct sample *s)
{
	if (!s->tar)
		s->tar = cps_tar_open(sample_read, NULL, s);
	assert_non_null(s->tar);
	return cps_tar_next(s->tar, &s->entry, &s->err);
}

static void expect_bad(struct sample *s, const char *words)
{
	assert_int_equal(next(s), -EBADMSG);
	if (!strstr(s->err.msg, words))
		fail_msg("'%s' lacks '%s'", s->err.msg, words);
}

static void restart(struct sample *s)
{
	cps_tar_close(s->tar);
	s->tar = NULL;
	s->pos = 0;
	s->bytes.len = 0;
}

static void empty_stream_is_an_empty_archive(void **state)
{
	assert_int_equal(next(*state), 0);
	assert_int_equal(next(*state), 0);
}

static void missing_end_marker_is_a_plain_end(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 3);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "a");
	assert_int_equal(s->entry.size, 3);
	assert_int_equal(s->entry.data_off, BLOCK);
	assert_int_equal(next(s), 0);
}

static void data_is_read_in_any_portions(void **state)
{
	struct sample *s = *state;
	char buf[8] = "";

	s->chunk = 1;
	add_header(s, "a", '0', 3);
	add_data(s, "abc", 3);
	add_header(s, "b", '0', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(cps_tar_read(s->tar, buf, 8, &s->err), 1);
	assert_int_equal(buf[0], 'a');
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "b");
	assert_int_equal(s->entry.header_off, 2 * BLOCK);
	assert_int_equal(cps_tar_read(s->tar, buf, 8, &s->err), 0);
}

static void header_after_one_zero_block_is_an_error(void **state)
{
	struct sample *s = *state;

	cps_buf_zeros(&s->bytes, BLOCK, NULL);
	add_header(s, "a", '0', 0);
	expect_bad(s, "one zero block");
	assert_int_equal(next(s), -EBADMSG);
}

static void nothing_is_read_behind_the_end_marker(void **state)
{
	struct sample *s = *state;

	cps_buf_zeros(&s->bytes, 2 * BLOCK, NULL);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 0);
	assert_int_equal(s->pos, 2 * BLOCK);
}

static void bad_checksum_names_the_offset(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 0);
	add_header(s, "b", '0', 0)[0] = 'c';
	assert_int_equal(next(s), 1);
	expect_bad(s, "offset 512: bad checksum");
}

static void signed_checksum_is_taken(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "\xc3\xa4", '0', 0);
	unsigned int sum = 0;
	char text[8];

	memset(block + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned int)(signed char)block[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + 148, text, 7);
	assert_int_equal(next(s), 1);
}

static void truncated_archive_ends_inside(void **state)
{
	struct sample *s = *state;

	add_header(s, "bad\033name", '0', 2000);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	expect_bad(s, "ends inside");
	assert_non_null(strstr(s->err.msg, "'bad\\x1bname' at offset 0"));
	restart(s);
	add_header(s, "a", '0', 0);
	s->bytes.len -= 1;
	expect_bad(s, "ends inside");
	restart(s);
	add_pax_text(s, "path", "x");
	expect_bad(s, "ends inside");
}

static void missing_padding_of_the_last_member_is_no_loss(void **state)
{
	struct sample *s = *state;

	add_header(s, "a", '0', 3);
	cps_buf_str(&s->bytes, "abc");
	assert_int_equal(next(s), 1);
	assert_int_equal(next(s), 0);
}

static void numbers_may_be_base_256(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", '0', 0);

	memcpy(block + 108, "\x80\0\0\0\xff\xff\xff\xfe", 8);
	memset(block + 136, 0xff, 12);
	seal(block);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.uid, 0xfffffffe);
	assert_int_equal(s->entry.mtime_s, -1);
}

static void impossible_sizes_are_refused(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", '0', 0);

	memset(block + 124, 0xff, 12);
	seal(block);
	expect_bad(s, "negative size");
	restart(s);
	block = add_header(s, "a", '0', 0);
	memcpy(block + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	seal(block);
	expect_bad(s, "out of range");
	restart(s);
	add_pax_text(s, "size", "-1");
	add_header(s, "a", '0', 0);
	expect_bad(s, "negative size");
	restart(s);
	add_pax_text(s, "size", "9223372036854775808");
	add_header(s, "a", '0', 0);
	expect_bad(s, "pax size is no number");
	restart(s);
	memcpy(add_header(s, "a", '0', 0) + 124, "12x", 3);
	seal(s->bytes.data);
	expect_bad(s, "size is no number");
}

static void pax_records_override_the_header(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "comment", "x", 1);
	add_record(&rec, "path", "long/name", 9);
	add_record(&rec, "size", "4", 1);
	add_record(&rec, "uid", "4294967295", 10);
	add_record(&rec, "gid", "7", 1);
	add_record(&rec, "mtime", "-1.25", 5);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "short", '0', 0);
	add_data(s, "data", 4);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "long/name");
	assert_int_equal(s->entry.size, 4);
	assert_int_equal(s->entry.uid, UINT32_MAX);
	assert_int_equal(s->entry.gid, 7);
	assert_int_equal(s->entry.mtime_s, -2);
	assert_int_equal(s->entry.mtime_ns, 750000000);
	assert_int_equal(s->entry.header_off, 0);
	assert_int_equal(next(s), 0);
}

static void mtime_is_rounded_down(void **state)
{
	static const struct {
		const char *text;
		int64_t sec;
		uint32_t ns;
	} cases[] = {
		{"1.5", 1, 500000000},
		{"1.", 1, 0},
		{"0.0000000019", 0, 1},
		{"-0.5", -1, 500000000},
		{"-3", -3, 0},
		{"-0.0000000001", -1, 999999999},
		{"-1.0000000001", -2, 999999999},
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax_text(s, "mtime", cases[i].text);
		add_header(s, "a", '0', 0);
		assert_int_equal(next(s), 1);
		assert_int_equal(s->entry.mtime_s, cases[i].sec);
		assert_int_equal(s->entry.mtime_ns, cases[i].ns);
	}
}

static void malformed_mtime_is_refused(void **state)
{
	static const char *const cases[] = {
		"99999999999999999999",  "x", ".5", "1e5", "1.-5",
		"-9223372036854775808.5"};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax_text(s, "mtime", cases[i]);
		add_header(s, "a", '0', 0);
		expect_bad(s, "mtime");
	}
}

static void malformed_pax_records_are_refused(void **state)
{
	static const char *const cases[] = {
		"x",
		"6 a=b",
		"99 a=b\n",
		"6 a=bc",
		"5 =b\n",
		"5 ab\n",
		"-6 a=b\n",
		"2 \n",
		"0 a=b\n",
		"6 a=b\n7",
		"18446744073709551622 a=b\n",
		" 6 a=b\n",
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_pax(s, cases[i], strlen(cases[i]));
		add_header(s, "a", '0', 0);
		expect_bad(s, "pax record");
	}
}

static void nul_in_path_or_xattr_key_is_refused(void **state)
{
	static const char key[] = "26 SCHILY.xattr.user\0.a=b\n";
	struct sample *s = *state;

	add_pax(s, "12 path=a\0b\n", 12);
	add_header(s, "a", '0', 0);
	expect_bad(s, "NUL in pax path");
	restart(s);
	add_pax(s, key, sizeof(key) - 1);
	add_header(s, "a", '0', 0);
	expect_bad(s, "NUL in a pax key");
}

static void xattrs_are_binary_sorted_and_schily_wins(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "SCHILY.xattr.user.b", "\0\n=", 3);
	add_record(&rec, "LIBARCHIVE.xattr.user.b", "eA", 2);
	add_record(&rec, "LIBARCHIVE.xattr.user.a%3dc", "aGVsbG8=", 8);
	add_record(&rec, "SCHILY.xattr.user.z", "old", 3);
	add_record(&rec, "SCHILY.xattr.user.z", "", 0);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "a", '5', 0);
	add_header(s, "b", '5', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, 3);
	assert_string_equal(s->entry.xattrs[0].name, "user.a=c");
	assert_int_equal(s->entry.xattrs[0].value_len, 5);
	assert_memory_equal(s->entry.xattrs[0].value, "hello", 5);
	assert_string_equal(s->entry.xattrs[1].name, "user.b");
	assert_int_equal(s->entry.xattrs[1].value_len, 3);
	assert_memory_equal(s->entry.xattrs[1].value, "\0\n=", 3);
	assert_int_equal(s->entry.xattrs[2].value_len, 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, 0);
}

static void oversized_xattr_is_refused(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);
	char *value = calloc(1, CPS_TAR_XATTR_MAX + 1);

	add_record(&rec, "SCHILY.xattr.user.a", value, CPS_TAR_XATTR_MAX);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 1);
	restart(s);
	rec.len = 0;
	add_record(&rec, "SCHILY.xattr.user.a", value, CPS_TAR_XATTR_MAX + 1);
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	expect_bad(s, "xattr of 65537 bytes");
	free(value);
}

static void xattrs_of_a_member_have_a_limit(void **state)
{
	struct sample *s = *state;
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);
	char key[40];

	for (unsigned int i = 0; i < CPS_TAR_XATTRS_MAX; i++) {
		snprintf(key, sizeof(key), "SCHILY.xattr.user.%u", i);
		add_record(&rec, key, "x", 1);
	}
	add_pax(s, (const char *)rec.data, rec.len);
	add_header(s, "a", '0', 0);
	add_record(&rec, "SCHILY.xattr.user.one.more", "x", 1);
	add_pax(s, (const char *)rec.data, rec.len);
	add_header(s, "b", '0', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.xattr_count, CPS_TAR_XATTRS_MAX);
	expect_bad(s, "over 1024 xattrs");
}

static void metadata_has_a_limit(void **state)
{
	static const char types[] = "xgLK";
	struct sample *s = *state;

	for (const char *type = types; *type; type++) {
		restart(s);
		add_header(s, "m", *type, CPS_TAR_META_MAX + 1);
		expect_bad(s, "bytes of metadata");
	}
}

static void gnu_long_names_are_joined(void **state)
{
	struct sample *s = *state;
	char name[201], link[301];

	memset(name, 'n', 200);
	memset(link, 'l', 300);
	name[200] = link[300] = '\0';
	link[100] = '/';
	add_header(s, "././@LongLink", 'L', 201);
	add_data(s, name, 201);
	add_header(s, "././@LongLink", 'K', 301);
	add_data(s, link, 301);
	add_header(s, "nnn", '2', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, name);
	assert_string_equal(s->entry.link, link);
	assert_int_equal(s->entry.data_off, s->bytes.len);
}

static void a_member_has_one_name(void **state)
{
	struct sample *s = *state;

	add_pax_text(s, "path", "a");
	add_header(s, "l", 'L', 2);
	add_data(s, "b", 2);
	add_header(s, "c", '0', 0);
	expect_bad(s, "two different paths");
	restart(s);
	add_pax_text(s, "path", "a");
	add_pax_text(s, "path", "b");
	add_header(s, "c", '0', 0);
	expect_bad(s, "two headers");
}

static void names_have_limits(void **state)
{
	struct sample *s = *state;
	char name[5000];

	memset(name, 'a', 256);
	name[256] = '\0';
	add_pax_text(s, "path", name);
	add_header(s, "a", '0', 0);
	expect_bad(s, "part of 256 bytes");
	restart(s);
	for (int i = 0; i < 4096; i++)
		name[i] = i % 2 ? '/' : 'a';
	name[4096] = '\0';
	add_pax_text(s, "path", name);
	add_header(s, "a", '0', 0);
	expect_bad(s, "path of 4096 bytes");
	restart(s);
	add_header(s, "", '0', 0);
	expect_bad(s, "empty path");
	restart(s);
	add_header(s, "a", '2', 0);
	expect_bad(s, "link target");
}

static void paths_are_not_judged(void **state)
{
	struct sample *s = *state;

	add_header(s, "/../x//./y", '0', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "/../x//./y");
}

static void old_directories_end_with_a_slash(void **state)
{
	struct sample *s = *state;

	add_header(s, "d/", '\0', 0);
	add_header(s, "d/", '0', 0);
	add_header(s, "f", '7', 0);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_DIR);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_REG);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.type, CPS_TAR_REG);
}

static void data_behind_a_hardlink_is_read_as_a_header(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "h", '1', 3);

	block[157] = 'a';
	seal(block);
	add_data(s, "abc", 3);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.size, 0);
	expect_bad(s, "bad checksum");
}

static void unknown_types_are_named(void **state)
{
	struct sample *s = *state;

	add_header(s, "v", 'V', 0);
	assert_int_equal(next(s), -ENOTSUP);
	assert_non_null(strstr(s->err.msg, "'v' at offset 0: member type 'V'"));
}

static void global_headers_are_passed_over(void **state)
{
	struct sample *s = *state;

	add_header(s, "g", 'g', 10);
	add_data(s, "10 path=b\n", 10);
	add_header(s, "a", '0', 0);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "a");
	assert_int_equal(s->entry.header_off, 2 * BLOCK);
}

static void add_sparse_01(struct sample *s, const char *map, const char *blocks,
			  const char *size, unsigned long long stored)
{
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, "GNU.sparse.size", size, strlen(size));
	add_record(&rec, "GNU.sparse.numblocks", blocks, strlen(blocks));
	add_record(&rec, "GNU.sparse.name", "real", 4);
	add_record(&rec, "GNU.sparse.map", map, strlen(map));
	add_pax(s, cps_buf_cstr(&rec), rec.len);
	add_header(s, "GNUSparseFile.0/real", '0', stored);
	cps_buf_zeros(&s->bytes, (stored + BLOCK - 1) / BLOCK * BLOCK, NULL);
}

static void sparse_map_gives_extents(void **state)
{
	struct sample *s = *state;

	add_sparse_01(s, "10,5,100,7,1000,0", "3", "1000", 12);
	assert_int_equal(next(s), 1);
	assert_string_equal(s->entry.path, "real");
	assert_true(s->entry.sparse);
	assert_int_equal(s->entry.size, 1000);
	assert_int_equal(s->entry.stored_size, 12);
	assert_int_equal(s->entry.extent_count, 2);
	assert_int_equal(s->entry.extents[1].logical, 100);
	assert_int_equal(s->entry.extents[1].len, 7);
	assert_int_equal(s->entry.extents[1].stored, s->entry.data_off + 5);
	assert_int_equal(next(s), 0);
}

static void sparse_file_may_be_all_hole(void **state)
{
	struct sample *s = *state;

	add_sparse_01(s, "", "0", "60000000000", 0);
	assert_int_equal(next(s), 1);
	assert_true(s->entry.sparse);
	assert_int_equal(s->entry.size, 60000000000);
	assert_int_equal(s->entry.extent_count, 0);
}

static void wrong_sparse_maps_are_refused(void **state)
{
	static const struct {
		const char *map, *blocks, *size;
		unsigned long long stored;
	} cases[] = {
		{"100,5,10,5", "2", "1000", 10},
		{"10,5,12,5", "2", "1000", 10},
		{"10,5", "1", "12", 5},
		{"10,5", "1", "1000", 6},
		{"10,5", "2", "1000", 5},
		{"10,5,", "1", "1000", 5},
		{"10", "1", "1000", 5},
		{"-1,5", "1", "1000", 5},
		{"10,-5", "1", "1000", 5},
		{"a,5", "1", "1000", 5},
		{"10,5", "-1", "1000", 5},
		{"10,5", "1", "-1", 5},
		{"9223372036854775807,9223372036854775807", "1", "1000", 5},
	};
	struct sample *s = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		restart(s);
		add_sparse_01(s, cases[i].map, cases[i].blocks, cases[i].size,
			      cases[i].stored);
		expect_bad(s, "sparse");
	}
}

static void sparse_map_has_a_limit(void **state)
{
	struct sample *s = *state;
	unsigned long long lines = (CPS_TAR_SPARSE_MAX + 1ull) * 2;
	cps_auto(cps_buf) struct cps_buf map = CPS_BUF_INIT(0);

	cps_buf_printf(&map, "%u\n", CPS_TAR_SPARSE_MAX + 1);
	for (unsigned long long i = 0; i < lines; i++)
		cps_buf_str(&map, "0\n");
	cps_buf_align(&map, BLOCK);
	add_pax(s, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", 44);
	add_header(s, "a", '0', map.len);
	add_data(s, map.data, map.len);
	expect_bad(s, "sparse map of more than");
}

static void old_gnu_sparse_map_goes_on_in_extension_blocks(void **state)
{
	struct sample *s = *state;
	uint8_t *block = add_header(s, "a", 'S', 25);

	memcpy(block + 257, "ustar  \0", 8);
	for (unsigned int i = 0; i < 4; i++)
		snprintf((char *)block + 386 + (size_t)i * 24, 24, "%011o%c%011o",
			 i * 10, 0, 1);
	block[482] = 1;
	memcpy(block + 483, "00000001750", 12);
	seal(block);
	cps_buf_zeros(&s->bytes, BLOCK, &block);
	for (unsigned int i = 0; i < 21; i++)
		snprintf((char *)block + (size_t)i * 24, 24, "%011o%c%011o",
			 40 + i * 10, 0, 1);
	cps_buf_zeros(&s->bytes, BLOCK, NULL);
	assert_int_equal(next(s), 1);
	assert_int_equal(s->entry.size, 1000);
	assert_int_equal(s->entry.extent_count, 25);
	assert_int_equal(s->entry.data_off, 2 * BLOCK);
	assert_int_equal(s->entry.extents[24].logical, 240);
	assert_int_equal(next(s), 0);
}

/* The same archive through libarchive: names, sizes, times, xattrs, places. */
static void compare_with_libarchive(struct sample *s)
{
	struct archive *other = archive_read_new();
	struct archive_entry *e;
	int rc;

	assert_int_equal(archive_read_support_format_tar(other), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(other, s->bytes.data, s->bytes.len),
			 ARCHIVE_OK);
	while ((rc = archive_read_next_header(other, &e)) == ARCHIVE_OK) {
		assert_int_equal(next(s), 1);
		assert_string_equal(s->entry.path, archive_entry_pathname(e));
		assert_int_equal(s->entry.uid, archive_entry_uid(e));
		assert_int_equal(s->entry.mode, archive_entry_perm(e));
		assert_int_equal(s->entry.mtime_s, archive_entry_mtime(e));
		assert_int_equal(s->entry.mtime_ns, archive_entry_mtime_nsec(e));
		assert_int_equal(s->entry.xattr_count, archive_entry_xattr_count(e));
		assert_int_equal(s->entry.size, archive_entry_size(e));
		assert_int_equal(s->entry.header_off,
				 archive_read_header_position(other));
		assert_int_equal(s->entry.data_off, archive_filter_bytes(other, 0));
	}
	assert_int_equal(rc, ARCHIVE_EOF);
	assert_int_equal(next(s), 0);
	archive_read_free(other);
}

static void write_with_libarchive(struct sample *s, int (*format)(struct archive *))
{
	struct archive *out = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	uint8_t *room;
	size_t used = 0;

	assert_int_equal(cps_buf_zeros(&s->bytes, 65536, &room), 0);
	assert_int_equal(format(out), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(out, room, 65536, &used),
			 ARCHIVE_OK);
	for (int i = 0; i < 20; i++) {
		char path[300];

		memset(path, 'p', (size_t)i * 14 + 1);
		path[i * 14 + 1] = '\0';
		for (int at = 60; at < i * 14; at += 60)
			path[at] = '/';
		archive_entry_clear(e);
		archive_entry_set_pathname(e, path);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 04755);
		archive_entry_set_uid(e, i * 500000);
		archive_entry_set_mtime(e, i * 1000, 0);
		archive_entry_set_size(e, i * 37);
		assert_int_equal(archive_write_header(out, e), ARCHIVE_OK);
		archive_write_data(out, path, (size_t)(i * 14));
	}
	archive_entry_free(e);
	assert_int_equal(archive_write_free(out), ARCHIVE_OK);
	s->bytes.len = used;
}

static void libarchive_reads_the_same(void **state)
{
	struct sample *s = *state;

	write_with_libarchive(s, archive_write_set_format_pax);
	compare_with_libarchive(s);
	restart(s);
	write_with_libarchive(s, archive_write_set_format_gnutar);
	compare_with_libarchive(s);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, sample_setup, sample_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(empty_stream_is_an_empty_archive),
		CASE(missing_end_marker_is_a_plain_end),
		CASE(data_is_read_in_any_portions),
		CASE(header_after_one_zero_block_is_an_error),
		CASE(nothing_is_read_behind_the_end_marker),
		CASE(bad_checksum_names_the_offset),
		CASE(signed_checksum_is_taken),
		CASE(truncated_archive_ends_inside),
		CASE(missing_padding_of_the_last_member_is_no_loss),
		CASE(numbers_may_be_base_256),
		CASE(impossible_sizes_are_refused),
		CASE(pax_records_override_the_header),
		CASE(mtime_is_rounded_down),
		CASE(malformed_mtime_is_refused),
		CASE(malformed_pax_records_are_refused),
		CASE(nul_in_path_or_xattr_key_is_refused),
		CASE(xattrs_are_binary_sorted_and_schily_wins),
		CASE(oversized_xattr_is_refused),
		CASE(xattrs_of_a_member_have_a_limit),
		CASE(metadata_has_a_limit),
		CASE(gnu_long_names_are_joined),
		CASE(a_member_has_one_name),
		CASE(names_have_limits),
		CASE(paths_are_not_judged),
		CASE(old_directories_end_with_a_slash),
		CASE(data_behind_a_hardlink_is_read_as_a_header),
		CASE(unknown_types_are_named),
		CASE(global_headers_are_passed_over),
		CASE(sparse_map_gives_extents),
		CASE(sparse_file_may_be_all_hole),
		CASE(wrong_sparse_maps_are_refused),
		CASE(sparse_map_has_a_limit),
		CASE(old_gnu_sparse_map_goes_on_in_extension_blocks),
		CASE(libarchive_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
