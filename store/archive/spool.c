#include "store/archive/spool.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/archive/libarchive.h"
#include "store/libraries.h"

#define CHUNK_BYTES (256u << 10)
#define FREE_SHARE  20u /* one part in so many of the free space is left to others */

struct feed {
	const struct cps_libarchive *lib;
	cps_read_fn read;
	void *ctx;
	struct cps_err *err;
	int rc;   /* how the reader failed */
	bool any; /* was there anything? */
	uint8_t buf[CHUNK_BYTES];
};

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **data)
{
	struct feed *f = ctx;
	ssize_t n = f->read(f->ctx, f->buf, sizeof(f->buf), f->err);

	*data = f->buf;
	if (n < 0) {
		f->rc = (int)n;
		f->lib->set_error(a, (int)-n, "read");
	}
	f->any |= n > 0;
	return n < 0 ? -1 : n;
}

/* A libarchive that lacks one of the filters would start a program instead and says so
 * beforehand. */
static void enable_filters(const struct cps_libarchive *lib, struct archive *a)
{
	for (size_t i = 0; i < CPS_LIBARCHIVE_FILTERS; i++) {
		struct archive *trial = lib->read_new();

		if (trial && lib->filters[i](trial) == ARCHIVE_OK)
			lib->filters[i](a);
		lib->read_free(trial);
	}
	lib->read_support_format_raw(a);
}

static int complain(struct archive *a, const struct feed *f)
{
	const char *why = f->lib->error_string(a);

	if (f->rc < 0)
		return f->rc;
	if (!f->any)
		return cps_err_set(f->err, -EINVAL, "it is empty, not an archive");
	return cps_err_set(f->err, -EBADMSG, "cannot be decompressed: %s",
			   why ? why : "unknown format");
}

/* What a small file unpacks to may be more than any disk; others need theirs before
 * this one finds out. */
static int room_for(const struct cps_store *store, uint64_t *out, struct cps_err *err)
{
	struct statvfs st;
	uint64_t free_bytes;

	if (fstatvfs(cps_store_root_fd(store), &st) < 0)
		return cps_err_sys(err, -errno, "store '%s'", cps_store_path(store));
	free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	*out = free_bytes - free_bytes / FREE_SHARE;
	return 0;
}

static int copy(struct archive *a, struct feed *f, const struct cps_store *store,
		struct cps_blob_writer *w)
{
	const void *data;
	size_t len;
	la_int64_t off;
	uint64_t room = 0;
	int rc = room_for(store, &room, f->err);

	if (rc < 0)
		return rc;
	while ((rc = f->lib->read_data_block(a, &data, &len, &off)) == ARCHIVE_OK) {
		if (len > room)
			return cps_err_sys(f->err, -ENOSPC,
					   "store '%s': it unpacks to more than there "
					   "is room for",
					   cps_store_path(store));
		room -= len;
		rc = cps_blob_append(w, data, len, f->err);
		if (rc < 0)
			return rc;
	}
	return rc == ARCHIVE_EOF ? 0 : complain(a, f);
}

static int decompress(struct archive *a, struct feed *f, const struct cps_store *store,
		      struct cps_blob_writer *w)
{
	struct archive_entry *entry;
	int rc;

	enable_filters(f->lib, a);
	rc = f->lib->read_open(a, f, NULL, feed_read, NULL);
	if (rc == ARCHIVE_OK)
		rc = f->lib->read_next_header(a, &entry);
	return rc == ARCHIVE_OK ? copy(a, f, store, w) : complain(a, f);
}

int cps_spool(struct cps_store *store, cps_read_fn read, void *ctx,
	      struct cps_blob *out, struct cps_err *err)
{
	cps_auto(cps_free) struct feed *f = calloc(1, sizeof(*f));
	cps_auto(cps_blob_abort) struct cps_blob_writer *w = NULL;
	const struct cps_libarchive *lib = NULL;
	struct archive *a;
	int rc = cps_libarchive_get(&lib, err);

	if (rc < 0)
		return rc;
	a = lib->read_new();
	rc = f && a ? cps_blob_begin(store, &w, err) : cps_err_nomem(err);
	if (rc == 0) {
		*f = (struct feed){.lib = lib, .read = read, .ctx = ctx, .err = err};
		rc = decompress(a, f, store, w);
	}
	lib->read_free(a);
	return rc < 0 ? rc : cps_blob_peek(w, out, err);
}

const char *cps_libarchive_version(void)
{
	const struct cps_libarchive *lib = NULL;
	const char *text, *blank;

	if (cps_libarchive_get(&lib, NULL) < 0)
		return "not installed";
	text = lib->version_string();
	blank = strchr(text, ' ');
	return blank ? blank + 1 : text; /* "libarchive 3.6.2" */
}
