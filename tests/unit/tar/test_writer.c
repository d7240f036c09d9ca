#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "store/tar.h"

#define BLOCK 512

struct stream {
	const struct cps_buf *bytes;
	size_t pos;
};

static ssize_t stream_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct stream *s = ctx;

	(void)err;
	if (len > s->bytes->len - s->pos)
		len = s->bytes->len - s->pos;
	if (len)
		memcpy(buf, s->bytes->data + s->pos, len);
	s->pos += len;
	return (ssize_t)len;
}

static void expect_same(const struct cps_tar_entry *a, const struct cps_tar_entry *b)
{
	assert_string_equal(a->path, b->path);
	assert_string_equal(a->link, b->link);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->major, b->major);
	assert_int_equal(a->minor, b->minor);
	assert_int_equal(a->mtime_s, b->mtime_s);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->xattr_count, b->xattr_count);
	for (size_t i = 0; i < a->xattr_count; i++) {
		assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
		assert_int_equal(a->xattrs[i].value_len, b->xattrs[i].value_len);
		assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value,
				    a->xattrs[i].value_len);
	}
}

/* Format, read back, compare. Returns the bytes of the header. */
static size_t round_trip(const struct cps_tar_entry *entry)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct stream s = {.bytes = &out};
	cps_auto(cps_tar_close) struct cps_tar *tar = NULL;
	struct cps_tar_entry again;

	assert_int_equal(cps_tar_format_header(entry, &out, NULL), 0);
	tar = cps_tar_open(stream_read, NULL, &s);
	assert_non_null(tar);
	assert_int_equal(cps_tar_next(tar, &again, NULL), 1);
	expect_same(&again, entry);
	assert_int_equal(again.data_off, out.len);
	return out.len;
}

static struct cps_tar_entry plain(const char *path)
{
	return (struct cps_tar_entry){.path = path, .link = "", .mode = 0644};
}

static void ordinary_entry_is_one_ustar_block(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_tar_entry entry = plain("a/b");

	(void)state;
	entry.size = 077777777777;
	entry.uid = entry.gid = 07777777;
	entry.mtime_s = 077777777777;
	assert_int_equal(round_trip(&entry), BLOCK);
	entry = plain("a/b");
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	assert_memory_equal(out.data, "a/b", 4);
	assert_memory_equal(out.data + 100, "0000644", 8);
	assert_memory_equal(out.data + 124, "00000000000", 12);
	assert_memory_equal(out.data + 257, "ustar\00000", 8);
	/* No user or group names. */
	assert_int_equal(out.data[265], 0);
	assert_int_equal(out.data[297], 0);
}

static void what_does_not_fit_goes_into_pax(void **state)
{
	struct cps_tar_entry entry = plain("a");

	(void)state;
	entry.size = 0100000000000;
	assert_int_equal(round_trip(&entry), 3 * BLOCK);
	entry = plain("a");
	entry.uid = UINT32_MAX;
	assert_int_equal(round_trip(&entry), 3 * BLOCK);
	entry = plain("a");
	entry.gid = 010000000;
	assert_int_equal(round_trip(&entry), 3 * BLOCK);
}

static void times_keep_their_nanoseconds(void **state)
{
	static const struct {
		int64_t sec;
		uint32_t ns;
	} cases[] = {{1, 500000000},  {0, 1},
		     {-1, 0},         {-1, 500000000},
		     {-2, 999999999}, {INT64_MAX, 999999999},
		     {INT64_MIN, 0},  {INT64_MIN + 1, 1}};
	struct cps_tar_entry entry = plain("a");

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		entry.mtime_s = cases[i].sec;
		entry.mtime_ns = cases[i].ns;
		assert_int_equal(round_trip(&entry), 3 * BLOCK);
	}
}

static void paths_of_every_length_come_back(void **state)
{
	char path[600] = "", link[600] = "";
	struct cps_tar_entry entry = plain(path);

	(void)state;
	entry.link = link;
	entry.type = CPS_TAR_SYMLINK;
	for (size_t len = 1; len < sizeof(path); len++) {
		memset(path, 'p', len);
		for (size_t at = 49; at + 1 < len; at += 50)
			path[at] = '/';
		memset(link, 'l', len);
		path[len] = link[len] = '\0';
		round_trip(&entry);
	}
}

static void path_is_split_where_ustar_allows(void **state)
{
	char path[257] = "";
	struct cps_tar_entry entry = plain(path);

	(void)state;
	memset(path, 'p', 256);
	path[256] = '\0';
	path[155] = '/';
	assert_int_equal(round_trip(&entry), BLOCK);
	path[155] = 'p';
	path[154] = '/';
	path[255] = '\0';
	assert_int_equal(round_trip(&entry), BLOCK);
	path[154] = 'p';
	path[0] = '/';
	path[101] = '\0';
	assert_int_equal(round_trip(&entry), 3 * BLOCK);
}

static void directory_gets_its_slash_once(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_tar_entry entry = plain("d");

	(void)state;
	entry.type = CPS_TAR_DIR;
	entry.size = 7;
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	assert_memory_equal(out.data, "d/", 3);
	assert_memory_equal(out.data + 124, "00000000000", 12);
	entry.path = "d/";
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	assert_memory_equal(out.data, out.data + BLOCK, BLOCK);
}

static void every_type_comes_back(void **state)
{
	struct cps_tar_entry entry = plain("x/");

	(void)state;
	for (int type = CPS_TAR_REG; type <= CPS_TAR_FIFO; type++) {
		bool device = type == CPS_TAR_CHR || type == CPS_TAR_BLK;
		bool link = type == CPS_TAR_HARDLINK || type == CPS_TAR_SYMLINK;

		entry.type = (enum cps_tar_type)type;
		entry.link = link ? "target" : "";
		entry.major = device ? 4095 : 0;
		entry.minor = device ? 1048575 : 0;
		round_trip(&entry);
	}
	entry.type = CPS_TAR_BLK;
	entry.minor = 010000000;
	assert_int_equal(cps_tar_format_header(&entry, NULL, NULL), -EOVERFLOW);
}

static void record_lengths_count_themselves(void **state)
{
	static uint8_t value[10100];
	struct cps_tar_xattr attr = {.name = "user.a", .value = value};
	struct cps_tar_entry entry = plain("a");

	(void)state;
	entry.xattrs = &attr;
	entry.xattr_count = 1;
	for (size_t len = 0; len<sizeof(value); len += len> 1200 ? 7 : 1) {
		attr.value_len = (uint32_t)len;
		round_trip(&entry);
	}
}

/* "SCHILY.xattr.user.a=b=v" would be the attribute "user.a" of value "b=v". */
static void xattr_name_with_an_equals_sign_comes_back(void **state)
{
	static uint8_t value[300];
	struct cps_tar_xattr attrs[] = {{"user.%3D\x01\xff=b", value, 0},
					{"user.100%", (const uint8_t *)"x", 1},
					{"user.a", (const uint8_t *)"y", 1}};
	struct cps_tar_entry entry = plain("a");

	(void)state;
	entry.xattrs = attrs;
	entry.xattr_count = CPS_ARRAY_LEN(attrs);
	for (size_t len = 0; len < sizeof(value); len++) {
		attrs[0].value_len = (uint32_t)len;
		value[len] = (uint8_t)(len * 131);
		round_trip(&entry);
	}
}

static void libarchive_reads_an_equals_sign_in_an_xattr(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	static const uint8_t raw[] = {0, 1, '=', 255};
	struct cps_tar_xattr attr = {"user.a=b", raw, sizeof(raw)};
	struct cps_tar_entry entry = plain("a");
	struct archive *in = archive_read_new();
	struct archive_entry *e;
	const char *name;
	const void *value;
	size_t len;

	(void)state;
	entry.xattrs = &attr;
	entry.xattr_count = 1;
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	assert_int_equal(cps_buf_zeros(&out, (size_t)2 * BLOCK, NULL), 0);
	archive_read_support_format_tar(in);
	assert_int_equal(archive_read_open_memory(in, out.data, out.len), ARCHIVE_OK);
	assert_int_equal(archive_read_next_header(in, &e), ARCHIVE_OK);
	assert_int_equal(archive_entry_xattr_reset(e), 1);
	assert_int_equal(archive_entry_xattr_next(e, &name, &value, &len), ARCHIVE_OK);
	assert_string_equal(name, "user.a=b");
	assert_int_equal(len, sizeof(raw));
	assert_memory_equal(value, raw, sizeof(raw));
	archive_read_free(in);
}

static void records_are_sorted_by_key(void **state)
{
	static const char *const keys[] = {"LIBARCHIVE.xattr.user.a%3D=",
					   "SCHILY.xattr.user.a=",
					   " gid=",
					   " linkpath=",
					   " mtime=",
					   " path=",
					   " uid="};
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_tar_xattr attrs[] = {{"user.a", (const uint8_t *)"v", 1},
					{"user.a=", (const uint8_t *)"v", 1}};
	char name[201] = "";
	struct cps_tar_entry entry = plain(name);
	const char *pos, *last;

	(void)state;
	memset(name, 'n', 200);
	name[200] = '\0';
	entry.type = CPS_TAR_SYMLINK;
	entry.link = name;
	entry.uid = entry.gid = UINT32_MAX;
	entry.mtime_ns = 1;
	entry.xattrs = attrs;
	entry.xattr_count = 2;
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	last = (const char *)out.data + BLOCK;
	for (size_t i = 0; i < CPS_ARRAY_LEN(keys); i++) {
		pos = strstr(last, keys[i]);
		assert_non_null(pos);
		last = pos;
	}
}

static void libarchive_reads_what_is_written(void **state)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct archive *other = archive_read_new();
	struct archive_entry *e;
	char path[181] = "";
	struct cps_tar_entry entry = plain(path);

	(void)state;
	memset(path, 'p', 180);
	path[180] = '\0';
	entry.mtime_s = -2;
	entry.mtime_ns = 250000000;
	entry.uid = UINT32_MAX;
	assert_int_equal(cps_tar_format_header(&entry, &out, NULL), 0);
	assert_int_equal(cps_buf_zeros(&out, 2 * (size_t)BLOCK, NULL), 0);
	assert_int_equal(archive_read_support_format_tar(other), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(other, out.data, out.len),
			 ARCHIVE_OK);
	assert_int_equal(archive_read_next_header(other, &e), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(e), path);
	assert_int_equal(archive_entry_uid(e), UINT32_MAX);
	assert_int_equal(archive_entry_perm(e), 0644);
	assert_int_equal(archive_read_next_header(other, &e), ARCHIVE_EOF);
	archive_read_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_entry_is_one_ustar_block),
		cmocka_unit_test(what_does_not_fit_goes_into_pax),
		cmocka_unit_test(times_keep_their_nanoseconds),
		cmocka_unit_test(paths_of_every_length_come_back),
		cmocka_unit_test(path_is_split_where_ustar_allows),
		cmocka_unit_test(directory_gets_its_slash_once),
		cmocka_unit_test(every_type_comes_back),
		cmocka_unit_test(record_lengths_count_themselves),
		cmocka_unit_test(xattr_name_with_an_equals_sign_comes_back),
		cmocka_unit_test(libarchive_reads_an_equals_sign_in_an_xattr),
		cmocka_unit_test(records_are_sorted_by_key),
		cmocka_unit_test(libarchive_reads_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
