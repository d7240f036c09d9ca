#include "store/archive/spool.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "store/libraries.h"

#define CHUNK_BYTES (256u << 10)

struct feed {
	cps_read_fn read;
	void *ctx;
	struct cps_err *err;
	int rc; /* how the reader failed */
	uint8_t buf[CHUNK_BYTES];
};

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **data)
{
	struct feed *f = ctx;
	ssize_t n = f->read(f->ctx, f->buf, sizeof(f->buf), f->err);

	*data = f->buf;
	if (n < 0) {
		f->rc = (int)n;
		archive_set_error(a, (int)-n, "read");
	}
	return n < 0 ? -1 : n;
}

/* Only filters that run inside this process. A libarchive that lacks one of these would
 * start a program instead and says so beforehand. */
static void enable_filters(struct archive *a)
{
	static int (*const filters[])(struct archive *) = {
		archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
		archive_read_support_filter_xz,   archive_read_support_filter_lzma,
		archive_read_support_filter_lzip, archive_read_support_filter_compress,
		archive_read_support_filter_zstd, archive_read_support_filter_lz4,
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(filters); i++) {
		struct archive *trial = archive_read_new();

		if (trial && filters[i](trial) == ARCHIVE_OK)
			filters[i](a);
		archive_read_free(trial);
	}
	archive_read_support_format_raw(a);
}

static int complain(struct archive *a, const struct feed *f)
{
	if (f->rc < 0)
		return f->rc;
	return cps_err_set(f->err, -EBADMSG, "cannot be decompressed: %s",
			   archive_error_string(a) ? archive_error_string(a)
						   : "unknown format");
}

static int copy(struct archive *a, struct feed *f, struct cps_blob_writer *w)
{
	const void *data;
	size_t len;
	la_int64_t off;
	int rc;

	while ((rc = archive_read_data_block(a, &data, &len, &off)) == ARCHIVE_OK) {
		rc = cps_blob_append(w, data, len, f->err);
		if (rc < 0)
			return rc;
	}
	return rc == ARCHIVE_EOF ? 0 : complain(a, f);
}

int cps_spool(struct cps_store *store, cps_read_fn read, void *ctx,
	      struct cps_blob *out, struct cps_err *err)
{
	cps_auto(cps_free) struct feed *f = calloc(1, sizeof(*f));
	cps_auto(cps_blob_abort) struct cps_blob_writer *w = NULL;
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int rc = f && a ? cps_blob_begin(store, &w, err) : cps_err_nomem(err);

	if (rc == 0) {
		*f = (struct feed){.read = read, .ctx = ctx, .err = err};
		enable_filters(a);
		rc = archive_read_open(a, f, NULL, feed_read, NULL);
		if (rc == ARCHIVE_OK)
			rc = archive_read_next_header(a, &entry);
		rc = rc == ARCHIVE_OK ? copy(a, f, w) : complain(a, f);
	}
	archive_read_free(a);
	if (rc < 0)
		return rc;
	return cps_blob_peek(w, out, err);
}

const char *cps_libarchive_version(void)
{
	const char *text = archive_version_string(), *blank = strchr(text, ' ');

	return blank ? blank + 1 : text; /* "libarchive 3.6.2" */
}
