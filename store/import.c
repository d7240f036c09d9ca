#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "store/archive/spool.h"
#include "store/change.h"
#include "store/compose.h"
#include "store/root.h"
#include "store/transfer.h"

/** The archive as it comes: the bytes that told its compression, then the rest. */
struct incoming {
	int fd;
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	size_t head_len, head_at;
	struct cps_blob spooled; /* the archive decompressed, when no layer can be so */
	uint64_t off;
	uint64_t total; /* bytes; 0: not known */
	const struct cps_progress *progress;
	const char *what;
};

static ssize_t read_incoming(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct incoming *in = ctx;
	ssize_t n;

	if (in->head_at < in->head_len) {
		n = (ssize_t)(in->head_len - in->head_at);
		if ((size_t)n > len)
			n = (ssize_t)len;
		memcpy(buf, in->head + in->head_at, (size_t)n);
		in->head_at += (size_t)n;
		return n;
	}
	do {
		n = read(in->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return cps_err_sys(err, -errno, "read");
	in->off += (uint64_t)n;
	cps_progress_tell(in->progress, in->what, in->off, in->total);
	return n;
}

static ssize_t read_spooled(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct incoming *in = ctx;
	ssize_t n = cps_blob_pread(&in->spooled, buf, len, in->off);

	if (n < 0)
		return cps_err_sys(err, (int)n, "read");
	in->off += (uint64_t)n;
	return n;
}

/* Of what is read from here on; 0 when that cannot be known. */
static uint64_t file_bytes(int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (at < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < at)
		return 0;
	return (uint64_t)(st.st_size - at);
}

static int take_layer(struct cps_store *store, struct incoming *in,
		      struct cps_ingest *job, enum cps_codec *codec,
		      struct cps_err *err)
{
	ssize_t n = cps_read_full(in->fd, in->head, sizeof(in->head));
	int rc = 0;

	if (n < 0)
		return cps_err_sys(err, (int)n, "read");
	if (n == 0)
		return cps_err_set(err, -EINVAL, "it is empty, not an archive");
	in->head_len = (size_t)n;
	in->total = file_bytes(in->fd);
	job->read = read_incoming;
	job->ctx = in;
	*codec = cps_codec_detect(in->head, in->head_len);
	if (*codec == CPS_CODEC_OTHER) {
		rc = cps_spool(store, read_incoming, in, &in->spooled, err);
		job->read = read_spooled;
		in->off = 0;
		*codec = CPS_CODEC_NONE;
	}
	return rc < 0 ? rc : cps_layer_ingest(store, job, err);
}

static int apply_changes(json_t *config, const struct cps_import_opts *opts,
			 struct cps_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < opts->change_count && rc == 0; i++)
		rc = cps_change_config(config, opts->changes[i], err);
	return rc;
}

/* Built before anything is read, so that a bad change costs nothing. */
static json_t *new_config(const struct cps_import_opts *opts, struct cps_err *err)
{
	char created[32];
	json_t *config = json_object(), *doc;

	if (apply_changes(config, opts, err) < 0) {
		json_decref(config);
		return NULL;
	}
	cps_time_text(opts->created_s, created);
	doc = json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:[]}, s:[{s:s, s:s+, s:s}]}",
			"created", created, "architecture", cps_host_architecture(),
			"os", "linux", "config", config, "rootfs", "type", "layers",
			"diff_ids", "history", "created", created, "created_by",
			"capas import ", opts->origin ? opts->origin : "-", "comment",
			opts->message ? opts->message : "");
	if (!doc)
		cps_err_set(err, -EINVAL, "a change or message is not UTF-8");
	return doc;
}

static int put_json(struct cps_store *store, const json_t *doc,
		    struct cps_descriptor *desc, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf bytes = CPS_BUF_INIT(CPS_CONFIG_MAX);
	int rc = cps_json_bytes(doc, &bytes, err);

	desc->size = bytes.len;
	return rc < 0 ? rc
		      : cps_blob_put(store, bytes.data, bytes.len, &desc->digest, err);
}

static int put_documents(struct cps_store *store, json_t *doc,
			 const struct cps_ingest *job, enum cps_codec codec,
			 const char *name, struct cps_digest *id, struct cps_err *err)
{
	struct cps_descriptor layer = {cps_layer_media_type(codec), job->digest,
				       job->size_bytes};
	struct cps_descriptor config = {.media_type = CPS_MEDIA_CONFIG};
	cps_auto(cps_buf) struct cps_buf bytes = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	char text[CPS_DIGEST_TEXT_LEN];
	struct cps_digest manifest;
	int rc;

	json_array_append_new(
		json_object_get(json_object_get(doc, "rootfs"), "diff_ids"),
		json_string(cps_digest_text(&job->diff_id, text)));
	rc = put_json(store, doc, &config, err);
	if (rc == 0)
		rc = cps_compose_manifest(&config, &layer, 1, &bytes, err);
	if (rc == 0)
		rc = cps_blob_put(store, bytes.data, bytes.len, &manifest, err);
	if (rc == 0)
		rc = cps_image_tag(store, &manifest, bytes.len, CPS_MEDIA_MANIFEST,
				   name, NULL, err);
	*id = config.digest;
	return rc;
}

/* in  NULL: the job knows where its bytes come from */
static int import(struct cps_store *store, struct incoming *in, struct cps_ingest *job,
		  const char *name, const struct cps_import_opts *opts,
		  struct cps_digest *id, struct cps_err *err)
{
	cps_auto(cps_fd) int lock = -1;
	enum cps_codec codec = CPS_CODEC_NONE;
	struct cps_ref ref;
	json_t *doc;
	int rc = cps_ref_parse_new(name, &ref, err);

	if (rc < 0)
		return rc;
	doc = new_config(opts, err);
	if (!doc)
		return -EINVAL;
	job->keep_blob = true;
	job->lowest = true;
	lock = cps_store_lock(store, false, err);
	if (lock < 0)
		rc = lock;
	else
		rc = in ? take_layer(store, in, job, &codec, err)
			: cps_layer_ingest(store, job, err);
	if (rc == 0)
		rc = put_documents(store, doc, job, codec, name, id, err);
	json_decref(doc);
	return rc;
}

int cps_import(struct cps_store *store, int fd, const char *name,
	       const struct cps_import_opts *opts, struct cps_digest *id,
	       struct cps_err *err)
{
	struct incoming in = {.fd = fd,
			      .spooled = CPS_BLOB_INIT,
			      .progress = &opts->progress,
			      .what = "import"};
	struct cps_ingest job = {0};
	int rc = import(store, &in, &job, name, opts, id, err);

	cps_blob_close(&in.spooled);
	return rc;
}

int cps_import_stream(struct cps_store *store, cps_read_fn read, void *ctx,
		      const char *name, const struct cps_import_opts *opts,
		      struct cps_digest *id, struct cps_err *err)
{
	struct cps_ingest job = {.read = read, .ctx = ctx};

	return import(store, NULL, &job, name, opts, id, err);
}
