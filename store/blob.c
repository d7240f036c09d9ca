#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- reading ---- */

int cps_blob_open(const struct cps_store *store, const struct cps_digest *digest,
		  struct cps_blob *out, struct cps_err *err)
{
	char hex[CPS_DIGEST_HEX_LEN];
	int fd = cps_open_regular(cps_store_blobs_fd(store),
				  cps_digest_hex(digest, hex));
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) < 0) {
		int rc = -errno;

		close(fd);
		fd = rc;
	}
	if (fd < 0)
		return cps_err_sys(err, fd, "store '%s': blob sha256:%s",
				   cps_store_path(store), hex);
	*out = (struct cps_blob){.fd = fd, .base = 0, .size = (uint64_t)st.st_size};
	return 0;
}

int cps_blob_dup(const struct cps_blob *blob, struct cps_blob *out, struct cps_err *err)
{
	int fd = fcntl(blob->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return cps_err_sys(err, -errno, "duplicate a descriptor");
	*out = *blob;
	out->fd = fd;
	return 0;
}

ssize_t cps_blob_pread(const struct cps_blob *blob, void *buf, size_t len, uint64_t off)
{
	if (off >= blob->size)
		return 0;
	if (len > blob->size - off)
		len = blob->size - off;
	return cps_pread_full(blob->fd, buf, len, blob->base + off);
}

/* Read it to `at` and compare. */
static int read_verified(const struct cps_blob *blob, const struct cps_digest *digest,
			 uint8_t *at, struct cps_err *err)
{
	ssize_t n = cps_blob_pread(blob, at, blob->size, 0);
	struct cps_digest got;

	if (n < 0)
		return cps_err_sys(err, (int)n, "read a blob");
	if ((uint64_t)n != blob->size)
		return cps_err_set(err, -EBADMSG, "its file ends before it does");
	if (!digest)
		return 0;
	cps_digest_of(at, blob->size, &got);
	if (!cps_digest_equal(digest, &got))
		return cps_err_set(err, -EBADMSG,
				   "its bytes are not what its digest says");
	return 0;
}

int cps_blob_read(const struct cps_blob *blob, const struct cps_digest *digest,
		  struct cps_buf *out, struct cps_err *err)
{
	const size_t before = out->len;
	uint8_t *at;
	int rc;

	if (out->max && blob->size > out->max)
		return cps_err_set(err, -EFBIG, "%llu bytes where %zu are the most",
				   (unsigned long long)blob->size, out->max);
	rc = cps_buf_zeros(out, blob->size, &at);
	if (rc < 0)
		return cps_err_sys(err, rc, "read a blob");
	rc = read_verified(blob, digest, at, err);
	if (rc < 0) {
		out->len = before;
		out->data[before] = 0;
	}
	return rc;
}

void cps_blob_close(struct cps_blob *blob)
{
	if (blob->fd >= 0)
		close(blob->fd);
	blob->fd = -1;
}

bool cps_blob_exists(const struct cps_store *store, const struct cps_digest *digest)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;

	return cps_blob_open(store, digest, &blob, NULL) == 0;
}

/* ---- writing ---- */

struct cps_blob_writer {
	const struct cps_store *store;
	struct cps_tmp tmp;
	struct cps_hash *hash;
	struct cps_digest digest; /* once `hashed` */
	bool hashed;
	int failed; /* -errno of the write that ended it, or 0 */
	uint64_t size;
};

int cps_blob_begin(const struct cps_store *store, struct cps_blob_writer **out,
		   struct cps_err *err)
{
	cps_auto(cps_blob_abort) struct cps_blob_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return cps_err_nomem(err);
	w->store = store;
	w->tmp.fd = -1;
	w->hash = cps_hash_new();
	if (!w->hash)
		return cps_err_nomem(err);
	rc = cps_tmp_open(store, &w->tmp, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(w);
	return 0;
}

int cps_blob_append(struct cps_blob_writer *w, const void *data, size_t len,
		    struct cps_err *err)
{
	int rc = w->failed ? w->failed : cps_write_full(w->tmp.fd, data, len);

	/* The file may hold a part that was never hashed: it can't be used any more. */
	w->failed = rc;
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': write blob",
				   cps_store_path(w->store));
	cps_hash_update(w->hash, data, len);
	w->size += len;
	return 0;
}

void cps_blob_digest(struct cps_blob_writer *w, struct cps_digest *out, uint64_t *size)
{
	if (!w->hashed)
		cps_hash_final(w->hash, &w->digest);
	w->hashed = true;
	*out = w->digest;
	*size = w->size;
}

int cps_blob_peek(struct cps_blob_writer *w, struct cps_blob *out, struct cps_err *err)
{
	const struct cps_blob blob = {.fd = w->tmp.fd, .size = w->size};

	return cps_blob_dup(&blob, out, err);
}

int cps_blob_commit(struct cps_blob_writer *writer, const struct cps_digest *expected,
		    struct cps_digest *out, struct cps_err *err)
{
	cps_auto(cps_blob_abort) struct cps_blob_writer *w = writer;
	char hex[CPS_DIGEST_HEX_LEN], want[CPS_DIGEST_TEXT_LEN];
	struct cps_digest digest;
	uint64_t size;
	int rc;

	if (w->failed)
		return cps_err_sys(err, w->failed, "store '%s': write blob",
				   cps_store_path(w->store));
	cps_blob_digest(w, &digest, &size);
	if (cps_digest_is_zero(&digest))
		return cps_err_nomem(err);
	cps_digest_hex(&digest, hex);
	if (expected && !cps_digest_equal(expected, &digest))
		return cps_err_set(
			err, -EBADMSG,
			"the blob's digest is sha256:%s where %s was promised", hex,
			cps_digest_text(expected, want));
	rc = fchmod(w->tmp.fd, 0444) < 0 ? -errno : 0;
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': protect blob sha256:%s",
				   cps_store_path(w->store), hex);
	/* These bytes are good; those that have the name already may be damaged. */
	rc = cps_tmp_publish(&w->tmp, cps_store_blobs_fd(w->store), hex, true, err);
	if (rc == 0 && out)
		*out = digest;
	return rc;
}

void cps_blob_abort(struct cps_blob_writer *w)
{
	if (!w)
		return;
	cps_tmp_discard(&w->tmp);
	cps_hash_free(w->hash);
	free(w);
}

int cps_blob_put(const struct cps_store *store, const void *data, size_t len,
		 struct cps_digest *out, struct cps_err *err)
{
	struct cps_blob_writer *w = NULL;
	int rc = cps_blob_begin(store, &w, err);

	if (rc < 0)
		return rc;
	rc = cps_blob_append(w, data, len, err);
	if (rc < 0) {
		cps_blob_abort(w);
		return rc;
	}
	return cps_blob_commit(w, NULL, out, err);
}
