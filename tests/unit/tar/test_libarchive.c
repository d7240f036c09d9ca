#include "sample.h"

#include <archive.h>
#include <archive_entry.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(libarchive_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
