/* One pass over a layer by three threads: the calling one inflates, one aside hashes
 * and stores the piece being inflated and reads the next, and one hashes and indexes
 * what comes out. Nothing is published before both digests are known to be right. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "store/aside.h"
#include "store/base/log.h"
#include "store/pipe.h"
#include "store/root.h"

#define READ_BYTES       (256u << 10)
#define LAYER_OUTPUT_MAX (1ull << 40) /* bytes; where no limit was asked for */

/** The indexing thread's part. */
struct indexer {
	struct cps_pipe *pipe; /* borrowed */
	struct cps_hash *hash;
	struct cps_index_builder *builder;
	struct cps_digest diff_id;
	struct cps_err err;
	int rc;
};

static ssize_t read_hashed(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct indexer *ix = ctx;
	ssize_t n = cps_pipe_read(ix->pipe, buf, len, err);

	if (n > 0)
		cps_hash_update(ix->hash, buf, (size_t)n);
	return n;
}

/* The diffID covers what follows the end-of-archive marker too. */
static int drain(struct indexer *ix)
{
	uint8_t buf[16384];
	ssize_t n;

	do {
		n = read_hashed(ix, buf, sizeof(buf), &ix->err);
	} while (n > 0);
	return (int)n;
}

static int index_stream(struct indexer *ix)
{
	cps_auto(cps_tar_close) struct cps_tar *tar =
		cps_tar_open(read_hashed, NULL, ix);
	struct cps_tar_entry entry;
	int rc;

	if (!tar)
		return cps_err_nomem(&ix->err);
	while ((rc = cps_tar_next(tar, &entry, &ix->err)) == 1) {
		rc = cps_index_add(ix->builder, &entry, &ix->err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : drain(ix);
}

static void *indexer_main(void *ctx)
{
	struct indexer *ix = ctx;

	ix->rc = index_stream(ix);
	if (ix->rc < 0)
		cps_pipe_stop(ix->pipe);
	else
		cps_hash_final(ix->hash, &ix->diff_id);
	return NULL;
}

struct piece {
	size_t len; /* less than READ_BYTES: the last one */
	uint8_t data[READ_BYTES];
};

/** The calling thread's part. */
struct pass {
	struct cps_store *store;
	struct cps_ingest *job;
	struct cps_hash *hash;
	struct cps_blob_writer *writer; /* NULL: the blob is not kept */
	struct cps_scan *scan;
	struct cps_pipe *pipe;
	bool plain; /* not compressed: the blob is what comes out */
	struct piece pieces[2];
	unsigned int now;        /* the piece being inflated; the other one is read */
	struct cps_aside *aside; /* NULL: the blob is one piece */
};

static void pass_release(struct pass *p)
{
	cps_aside_free(p->aside);
	cps_scan_free(p->scan);
	cps_blob_abort(p->writer);
	cps_hash_free(p->hash);
	free(p);
}

static void pass_release_auto(struct pass **p)
{
	if (*p)
		pass_release(*p);
}

/* Fill the piece as far as the source gives. */
static int fill(struct pass *p, struct piece *piece, struct cps_err *err)
{
	piece->len = 0;
	while (piece->len < READ_BYTES) {
		ssize_t n = p->job->read(p->job->ctx, piece->data + piece->len,
					 READ_BYTES - piece->len, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		piece->len += (size_t)n;
	}
	return 0;
}

static int keep(struct pass *p, const struct piece *piece, struct cps_err *err)
{
	p->job->size_bytes += piece->len;
	if (p->writer)
		return cps_blob_append(p->writer, piece->data, piece->len, err);
	/* The other thread hashes the very same bytes of a plain one. */
	if (!p->plain)
		cps_hash_update(p->hash, piece->data, piece->len);
	return 0;
}

static int keep_and_fill(void *ctx, struct cps_err *err)
{
	struct pass *p = ctx;
	int rc = keep(p, &p->pieces[p->now], err);

	return rc < 0 ? rc : fill(p, &p->pieces[!p->now], err);
}

static int start_scan(struct pass *p, const struct piece *head, struct cps_err *err)
{
	struct cps_scan_opts opts = {
		.codec = cps_codec_detect(head->data, head->len),
		.sink = cps_pipe_write,
		.sink_ctx = p->pipe,
		.store = p->store,
		.max_output = p->job->max_output_bytes ? p->job->max_output_bytes
						       : LAYER_OUTPUT_MAX,
	};

	if (opts.codec == CPS_CODEC_OTHER)
		return cps_err_set(err, -ENOTSUP,
				   "a layer is a tar, plain or in gzip or zstd");
	p->plain = opts.codec == CPS_CODEC_NONE;
	return cps_scan_new(&opts, &p->scan, err);
}

/* Inflate a whole piece while the thread aside stores it and reads the next. */
static int feed_piece(struct pass *p, struct cps_err *err)
{
	struct piece *piece = &p->pieces[p->now];
	int rc = 0, aside_rc;

	if (!p->aside)
		rc = cps_aside_new(keep_and_fill, p, &p->aside, err);
	if (rc < 0)
		return rc;
	cps_aside_start(p->aside);
	rc = cps_scan_feed(p->scan, piece->data, piece->len, err);
	aside_rc = cps_aside_wait(p->aside, rc < 0 ? NULL : err);
	p->now = !p->now;
	return rc < 0 ? rc : aside_rc;
}

static int feed_last(struct pass *p, struct cps_err *err)
{
	struct piece *piece = &p->pieces[p->now];
	int rc = keep(p, piece, err);

	return rc < 0 ? rc : cps_scan_feed(p->scan, piece->data, piece->len, err);
}

static int pump(struct pass *p, struct cps_err *err)
{
	int rc = fill(p, &p->pieces[0], err);

	if (rc == 0)
		rc = start_scan(p, &p->pieces[0], err);
	while (rc == 0 && p->pieces[p->now].len == READ_BYTES)
		rc = feed_piece(p, err);
	if (rc == 0)
		rc = feed_last(p, err);
	return rc < 0 ? rc : cps_scan_finish(p->scan, err);
}

/* Run all parts. The indexer's complaint is the better one: it names the entry. */
static int run(struct pass *p, struct indexer *ix, struct cps_err *err)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, indexer_main, ix);

	if (rc)
		return cps_err_sys(err, -rc, "start a thread");
	rc = pump(p, err);
	cps_pipe_end(p->pipe, rc);
	pthread_join(thread, NULL);
	if (ix->rc < 0 && (rc == 0 || rc == -EPIPE))
		return cps_err_set(err, ix->rc, "%s", ix->err.msg);
	return rc;
}

static int expect(struct cps_digest *want, const struct cps_digest *got,
		  const char *what, struct cps_err *err)
{
	char a[CPS_DIGEST_TEXT_LEN], b[CPS_DIGEST_TEXT_LEN];

	if (cps_digest_is_zero(want))
		*want = *got;
	if (cps_digest_equal(want, got))
		return 0;
	return cps_err_set(err, -EBADMSG, "%s is %s where %s was promised", what,
			   cps_digest_text(got, a), cps_digest_text(want, b));
}

static int publish_index(struct pass *p, const struct cps_buf *index,
			 const struct cps_digest *diff_id, struct cps_err *err)
{
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	int rc = cps_tmp_open(p->store, &tmp, err);

	if (rc < 0)
		return rc;
	rc = cps_write_full(tmp.fd, index->data, index->len);
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': write index",
				   cps_store_path(p->store));
	return cps_tmp_publish_derived(&tmp, CPS_INDEX, diff_id, err);
}

/* Everything that can be wrong with the layer is found before its blob gets a name. */
static int check(struct pass *p, struct indexer *ix, struct cps_buf *index,
		 struct cps_err *err)
{
	struct cps_digest digest;
	uint64_t size;
	int rc;

	if (p->writer)
		cps_blob_digest(p->writer, &digest, &size);
	else if (p->plain)
		digest = ix->diff_id;
	else
		cps_hash_final(p->hash, &digest);
	rc = expect(&p->job->digest, &digest, "the blob's digest", err);
	if (rc == 0)
		rc = expect(&p->job->diff_id, &ix->diff_id, "the diffID", err);
	if (rc == 0)
		rc = cps_index_finish(ix->builder, &ix->diff_id, p->job->lowest, index,
				      err);
	return rc;
}

static int publish(struct pass *p, struct indexer *ix, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	int rc = check(p, ix, &index, err);

	if (rc == 0 && p->writer)
		rc = cps_blob_commit(CPS_TAKE(p->writer), &p->job->digest, NULL, err);
	if (rc == 0)
		rc = publish_index(p, &index, &ix->diff_id, err);
	if (rc == 0)
		rc = cps_scan_publish(p->scan, &p->job->digest, p->job->size_bytes,
				      err);
	p->job->output_bytes = cps_scan_output_size(p->scan);
	return rc;
}

int cps_layer_ingest(struct cps_store *store, struct cps_ingest *job,
		     struct cps_err *err)
{
	cps_auto(cps_pipe_free) struct cps_pipe *pipe = cps_pipe_new();
	cps_auto(cps_hash_free) struct cps_hash *hash = cps_hash_new();
	cps_auto(cps_index_builder_free) struct cps_index_builder *builder =
		cps_index_builder_new();
	cps_auto(pass_release) struct pass *p = calloc(1, sizeof(*p));
	struct indexer ix = {.pipe = pipe, .hash = hash, .builder = builder};
	int rc = 0;

	if (!pipe || !hash || !builder || !p)
		return cps_err_nomem(err);
	p->store = store;
	p->job = job;
	p->pipe = pipe;
	p->hash = cps_hash_new();
	job->size_bytes = job->output_bytes = 0;
	if (!p->hash)
		return cps_err_nomem(err);
	if (job->keep_blob)
		rc = cps_blob_begin(store, &p->writer, err);
	if (rc == 0)
		rc = run(p, &ix, err);
	return rc < 0 ? rc : publish(p, &ix, err);
}
