#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "store/compose.h"
#include "store/recompress.h"
#include "store/tar.h"
#include "store/transfer.h"

#define COPY_BYTES (256u << 10)

/** An archive on its way out. */
struct saving {
	struct cps_store *store;
	int fd;
	enum cps_archive_format format;
	enum cps_save_compress compress;
	const struct cps_progress *progress;
	char what[56];              /* told with the progress: "layer 2/3" */
	struct cps_digest *written; /* blobs that are in the archive already */
	size_t written_count, written_cap;
	json_t *manifests; /* of index.json */
	json_t *docker;    /* manifest.json */
	struct cps_err *err;
};

/* ---- members ---- */

static int put_header(struct saving *s, const char *path, enum cps_tar_type type,
		      uint64_t size)
{
	cps_auto(cps_buf) struct cps_buf header = CPS_BUF_INIT(0);
	struct cps_tar_entry entry = {
		.path = path,
		.link = "",
		.type = type,
		.mode = type == CPS_TAR_DIR ? 0755 : 0444,
		.size = size,
	};
	int rc = cps_tar_format_header(&entry, &header, s->err);

	if (rc == 0) {
		rc = cps_write_full(s->fd, header.data, header.len);
		if (rc < 0)
			cps_err_sys(s->err, rc, "write the archive");
	}
	return rc;
}

static int put_bytes(struct saving *s, const void *data, size_t len)
{
	int rc = cps_write_full(s->fd, data, len);

	return rc < 0 ? cps_err_sys(s->err, rc, "write the archive") : 0;
}

static int put_padding(struct saving *s, uint64_t size)
{
	static const uint8_t zeros[512];

	return put_bytes(s, zeros, -size & 511);
}

static int put_text(struct saving *s, const char *path, const void *data, size_t len)
{
	int rc = put_header(s, path, CPS_TAR_REG, len);

	if (rc == 0)
		rc = put_bytes(s, data, len);
	return rc < 0 ? rc : put_padding(s, len);
}

static int put_json(struct saving *s, const char *path, const json_t *doc)
{
	cps_auto(cps_buf) struct cps_buf bytes = CPS_BUF_INIT(0);
	int rc = cps_json_bytes(doc, &bytes, s->err);

	return rc < 0 ? rc : put_text(s, path, bytes.data, bytes.len);
}

/* ---- blobs ---- */

static void blob_path(const struct cps_digest *digest, char path[96])
{
	char hex[CPS_DIGEST_HEX_LEN];

	snprintf(path, 96, "blobs/sha256/%s", cps_digest_hex(digest, hex));
}

/* 1 when the blob is in the archive already; else it is noted. */
static int seen(struct saving *s, const struct cps_digest *digest)
{
	for (size_t i = 0; i < s->written_count; i++)
		if (cps_digest_equal(&s->written[i], digest))
			return 1;
	if (cps_grow(&s->written, &s->written_cap, s->written_count + 1,
		     sizeof(*s->written)) < 0)
		return cps_err_nomem(s->err);
	s->written[s->written_count++] = *digest;
	return 0;
}

/* The bytes are hashed as they pass: a rotten blob must not leave in a fresh archive.
 */
static int copy_blob(struct saving *s, const struct cps_blob *blob,
		     const struct cps_digest *digest)
{
	cps_auto(cps_hash_free) struct cps_hash *hash = cps_hash_new();
	cps_auto(cps_free) uint8_t *buf = malloc(COPY_BYTES);
	struct cps_digest got;
	uint64_t off = 0;
	ssize_t n = 0;
	int rc = hash && buf ? 0 : cps_err_nomem(s->err);

	while (rc == 0 && (n = cps_blob_pread(blob, buf, COPY_BYTES, off)) > 0) {
		cps_hash_update(hash, buf, (size_t)n);
		rc = put_bytes(s, buf, (size_t)n);
		off += (uint64_t)n;
		cps_progress_tell(s->progress, s->what, off, blob->size);
	}
	if (n < 0)
		return cps_err_sys(s->err, (int)n, "read a blob");
	if (rc < 0)
		return rc;
	cps_hash_final(hash, &got);
	if (!cps_digest_equal(&got, digest))
		return cps_err_set(s->err, -EBADMSG,
				   "the blob is damaged; 'capas fsck' tells more");
	return 0;
}

static int put_blob(struct saving *s, const struct cps_blob *blob,
		    const struct cps_digest *digest)
{
	char path[96], text[CPS_DIGEST_TEXT_LEN];
	int rc = seen(s, digest);

	if (rc)
		return rc < 0 ? rc : 0;
	blob_path(digest, path);
	rc = put_header(s, path, CPS_TAR_REG, blob->size);
	if (rc == 0)
		rc = copy_blob(s, blob, digest);
	if (rc == 0)
		rc = put_padding(s, blob->size);
	return rc < 0 ? cps_err_wrap(s->err, rc, "blob %s",
				     cps_digest_text(digest, text))
		      : 0;
}

static int put_document(struct saving *s, const struct cps_buf *bytes,
			const struct cps_digest *digest)
{
	char path[96];
	int rc = seen(s, digest);

	if (rc)
		return rc < 0 ? rc : 0;
	blob_path(digest, path);
	return put_text(s, path, bytes->data, bytes->len);
}

/* ---- images ---- */

static enum cps_codec wanted_codec(const struct saving *s, enum cps_codec now)
{
	switch (s->compress) {
	case CPS_SAVE_GZIP:
		return CPS_CODEC_GZIP;
	case CPS_SAVE_ZSTD:
		return CPS_CODEC_ZSTD;
	case CPS_SAVE_NONE:
		return CPS_CODEC_NONE;
	default:
		return now;
	}
}

static int put_layer(struct saving *s, struct cps_image_layer *layer,
		     struct cps_descriptor *desc)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	ssize_t n = cps_blob_pread(&layer->blob, head, sizeof(head), 0);
	enum cps_codec now, want;
	int rc;

	if (n < 0)
		return cps_err_sys(s->err, (int)n, "read a blob");
	now = cps_codec_detect(head, (size_t)n);
	want = wanted_codec(s, now);
	*desc = (struct cps_descriptor){cps_layer_media_type(want), layer->digest,
					layer->blob.size};
	if (want == now)
		return put_blob(s, &layer->blob, &layer->digest);
	rc = cps_recompress(s->store, &layer->blob, want, &blob, &desc->digest, s->err);
	desc->size = blob.size;
	return rc < 0 ? rc : put_blob(s, &blob, &desc->digest);
}

/* A manifest whose layers kept their digests keeps its own bytes too. */
static int put_manifest(struct saving *s, struct cps_image *image,
			const struct cps_descriptor *layers)
{
	struct cps_descriptor config = {CPS_MEDIA_CONFIG, image->id, image->config.len};
	bool same = true;
	int rc = 0;

	for (size_t i = 0; i < image->layer_count; i++)
		same &= cps_digest_equal(&layers[i].digest, &image->layers[i].digest);
	if (!same) {
		image->manifest.len = 0;
		rc = cps_compose_manifest(&config, layers, image->layer_count,
					  &image->manifest, s->err);
		cps_digest_of(image->manifest.data, image->manifest.len,
			      &image->manifest_digest);
		free(image->media_type);
		image->media_type = strdup(CPS_MEDIA_MANIFEST);
	}
	return rc < 0 ? rc : put_document(s, &image->manifest, &image->manifest_digest);
}

static json_t *docker_entry(const struct cps_image *image,
			    const struct cps_descriptor *layers, const char *name)
{
	json_t *list = json_array();
	char path[96];

	for (size_t i = 0; i < image->layer_count; i++) {
		blob_path(&layers[i].digest, path);
		json_array_append_new(list, json_string(path));
	}
	blob_path(&image->id, path);
	return json_pack("{s:s, s:o, s:o}", "Config", path, "RepoTags",
			 name ? json_pack("[s]", name) : json_null(), "Layers", list);
}

/* Two names of one image are one entry of manifest.json with two tags. */
static void note_docker(struct saving *s, const struct cps_image *image,
			const struct cps_descriptor *layers, const char *name)
{
	json_t *fresh = docker_entry(image, layers, name), *old, *tags;
	size_t i;

	json_array_foreach(s->docker, i, old)
	{
		if (!json_equal(json_object_get(old, "Config"),
				json_object_get(fresh, "Config")))
			continue;
		tags = json_object_get(old, "RepoTags");
		if (name && json_is_array(tags))
			json_array_append_new(tags, json_string(name));
		else if (name)
			json_object_set_new(old, "RepoTags", json_pack("[s]", name));
		json_decref(fresh);
		return;
	}
	json_array_append_new(s->docker, fresh);
}

static int note_image(struct saving *s, const struct cps_image *image,
		      const struct cps_descriptor *layers, const char *name,
		      const char *full)
{
	struct cps_descriptor desc = {image->media_type && *image->media_type
					      ? image->media_type
					      : CPS_MEDIA_MANIFEST,
				      image->manifest_digest, image->manifest.len};
	json_t *entry = cps_descriptor_json(&desc);

	if (!entry)
		return cps_err_nomem(s->err);
	if (name)
		json_object_set_new(entry, "annotations",
				    json_pack("{s:s, s:s}",
					      "org.opencontainers.image.ref.name", name,
					      "io.containerd.image.name", full));
	json_array_append_new(s->manifests, entry);
	note_docker(s, image, layers, name);
	return 0;
}

/* Is `text` a name (and not an ID)? Then its familiar and whole forms. */
static int image_names(const struct saving *s, const char *text,
		       struct cps_buf *familiar, struct cps_buf *full)
{
	struct cps_image_list list = {0};
	struct cps_ref ref, other;
	int rc = cps_image_list(s->store, &list, s->err);

	if (rc == 0 && cps_ref_parse(text, &ref, NULL) == 0 && ref.tag[0])
		for (size_t i = 0; i < list.count && familiar->len == 0; i++)
			if (list.entries[i].name &&
			    cps_ref_parse(list.entries[i].name, &other, NULL) == 0 &&
			    cps_ref_same_name(&ref, &other)) {
				ref.has_digest = false;
				rc = cps_ref_familiar(&ref, familiar);
				if (rc == 0)
					rc = cps_ref_full(&ref, full);
			}
	cps_image_list_release(&list);
	return rc;
}

static int put_image(struct saving *s, const char *text)
{
	cps_auto(cps_buf) struct cps_buf name = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf full = CPS_BUF_INIT(0);
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_free) struct cps_descriptor *layers = NULL;
	int rc = cps_image_open(s->store, text, &image, s->err);

	if (rc < 0)
		return cps_err_wrap(s->err, rc, "'%s'", text);
	layers = calloc(image->layer_count + 1, sizeof(*layers));
	if (!layers)
		return cps_err_nomem(s->err);
	rc = image_names(s, text, &name, &full);
	for (size_t i = 0; i < image->layer_count && rc == 0; i++) {
		snprintf(s->what, sizeof(s->what), "layer %zu/%zu", i + 1,
			 image->layer_count);
		rc = put_layer(s, &image->layers[i], &layers[i]);
	}
	if (rc == 0)
		rc = put_document(s, &image->config, &image->id);
	if (rc == 0)
		rc = put_manifest(s, image, layers);
	if (rc == 0)
		rc = note_image(s, image, layers, name.len ? cps_buf_cstr(&name) : NULL,
				cps_buf_cstr(&full));
	return rc < 0 ? cps_err_wrap(s->err, rc, "'%s'", text) : 0;
}

static int put_all(struct saving *s, const char *const *names, size_t count)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	static const uint8_t end[1024];
	json_t *index;
	int rc = put_header(s, "blobs", CPS_TAR_DIR, 0);

	if (rc == 0)
		rc = put_header(s, "blobs/sha256", CPS_TAR_DIR, 0);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = put_image(s, names[i]);
	if (rc < 0)
		return rc;
	index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
			  CPS_MEDIA_INDEX, "manifests", s->manifests);
	rc = put_json(s, "index.json", index);
	json_decref(index);
	if (rc == 0 && s->format == CPS_SAVE_DOCKER)
		rc = put_json(s, "manifest.json", s->docker);
	if (rc == 0)
		rc = put_text(s, "oci-layout", layout, sizeof(layout) - 1);
	return rc < 0 ? rc : put_bytes(s, end, sizeof(end));
}

int cps_save(struct cps_store *store, int fd, const char *const *names, size_t count,
	     enum cps_archive_format format, enum cps_save_compress compress,
	     const struct cps_progress *progress, struct cps_err *err)
{
	struct saving s = {
		.store = store,
		.fd = fd,
		.format = format,
		.compress = compress,
		.progress = progress,
		.manifests = json_array(),
		.docker = json_array(),
		.err = err,
	};
	/* Shared: gc must not take a blob between its header and its bytes. */
	cps_auto(cps_fd) int lock = cps_store_lock(store, false, err);
	int rc = lock < 0 ? lock : put_all(&s, names, count);

	free(s.written);
	json_decref(s.manifests);
	json_decref(s.docker);
	return rc;
}
