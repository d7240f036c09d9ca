/* Makes a synthetic image as an OCI layout: ENTRIES empty files and folders in LAYERS
 * uncompressed layers. A folder's hundred files lie in up to four layers; every 50th
 * file is replaced and every 97th is deleted by the layer above its own.
 * usage: bench.layers LAYOUT ENTRIES LAYERS      (the image's name is "bench") */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/digest.h"
#include "store/tar.h"

#define LAYERS_MAX  1024u
#define ENTRIES_MAX 100000000u
#define PER_FOLDER  100u /* files of a folder, and folders of one above */
#define PER_LAYER   25u  /* files of a folder that come in one layer at once */
#define WRITE_BYTES (1u << 20)
#define END_BYTES   1024u /* of zeros, at the end of a tar */

struct blob {
	int fd; /* of an unnamed file */
	struct cps_hash *hash;
	struct cps_buf buf;
	uint64_t size;
};

struct layer {
	struct cps_digest digest;
	uint64_t size;
};

static int layout_fd;
static unsigned int layer_count;
static struct layer layers[LAYERS_MAX];

/* ---- blobs ---- */

static int flush_blob(struct blob *blob)
{
	int rc = cps_write_full(blob->fd, blob->buf.data, blob->buf.len);

	cps_hash_update(blob->hash, blob->buf.data, blob->buf.len);
	blob->size += blob->buf.len;
	blob->buf.len = 0;
	return rc;
}

static int begin_blob(struct blob *blob)
{
	*blob = (struct blob){
		.fd = openat(layout_fd, "blobs/sha256", O_TMPFILE | O_RDWR, 0644),
		.hash = cps_hash_new(),
	};
	if (blob->fd < 0)
		return -errno;
	return blob->hash ? 0 : -ENOMEM;
}

static int end_blob(struct blob *blob, struct layer *out)
{
	char hex[CPS_DIGEST_HEX_LEN], from[64], to[128];
	int rc = flush_blob(blob);

	cps_hash_final(blob->hash, &out->digest);
	out->size = blob->size;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", blob->fd);
	snprintf(to, sizeof(to), "blobs/sha256/%s", cps_digest_hex(&out->digest, hex));
	if (rc == 0 && linkat(AT_FDCWD, from, layout_fd, to, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		rc = -errno;
	close(blob->fd);
	cps_hash_free(blob->hash);
	cps_buf_release(&blob->buf);
	return rc;
}

static int put_blob(const struct cps_buf *text, struct layer *out)
{
	struct blob blob;
	int rc = begin_blob(&blob);

	if (rc == 0)
		rc = cps_buf_append(&blob.buf, text->data, text->len);
	return rc < 0 ? rc : end_blob(&blob, out);
}

/* ---- one layer ---- */

static int add_member(struct blob *blob, const char *path, bool dir, uint32_t number)
{
	const struct cps_tar_entry entry = {
		.path = path,
		.link = "",
		.type = dir ? CPS_TAR_DIR : CPS_TAR_REG,
		.mode = dir ? 0755 : 0644,
		.mtime_s = 1700000000 + number,
	};
	int rc = cps_tar_format_header(&entry, &blob->buf, NULL);

	return rc == 0 && blob->buf.len >= WRITE_BYTES ? flush_blob(blob) : rc;
}

/* The folder's own members come before the first of its files, once a layer. */
static int add_folder(struct blob *blob, uint32_t folder, uint32_t *last)
{
	uint32_t above = folder / PER_FOLDER;
	char path[64];
	int rc = 0;

	if (*last == folder)
		return 0;
	snprintf(path, sizeof(path), "share-%03u", above);
	if (*last == UINT32_MAX || *last / PER_FOLDER != above)
		rc = add_member(blob, path, true, folder);
	snprintf(path, sizeof(path), "share-%03u/package-%02u", above,
		 folder % PER_FOLDER);
	*last = folder;
	return rc < 0 ? rc : add_member(blob, path, true, folder);
}

static int add_file(struct blob *blob, uint32_t i, const char *prefix)
{
	uint32_t folder = i / PER_FOLDER;
	char path[96];

	snprintf(path, sizeof(path), "share-%03u/package-%02u/%smodule_%02u.data",
		 folder / PER_FOLDER, folder % PER_FOLDER, prefix, i % PER_FOLDER);
	return add_member(blob, path, false, i);
}

static int write_layer(unsigned int layer, uint32_t files, struct layer *out)
{
	uint32_t last = UINT32_MAX;
	struct blob blob;
	int rc = begin_blob(&blob);

	for (uint32_t i = 0; i < files && rc == 0; i++) {
		unsigned int own = i / PER_LAYER % layer_count;
		bool above = own + 1 == layer;
		bool deletes = above && i % 97 == 0;

		if (own != layer && !deletes && !(above && i % 50 == 0))
			continue;
		rc = add_folder(&blob, i / PER_FOLDER, &last);
		if (rc == 0)
			rc = add_file(&blob, i, deletes ? ".wh." : "");
	}
	if (rc == 0)
		rc = cps_buf_zeros(&blob.buf, END_BYTES, NULL);
	return rc < 0 ? rc : end_blob(&blob, out);
}

/* ---- documents ---- */

static int print_config(struct cps_buf *out)
{
	char digest[CPS_DIGEST_TEXT_LEN];

	cps_buf_str(out, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{"
			 "\"type\":\"layers\",\"diff_ids\":[");
	for (unsigned int i = 0; i < layer_count; i++)
		cps_buf_printf(out, "%s\"%s\"", i ? "," : "",
			       cps_digest_text(&layers[i].digest, digest));
	return cps_buf_str(out, "]}}");
}

static void print_descriptor(struct cps_buf *out, const char *type,
			     const struct layer *blob)
{
	char digest[CPS_DIGEST_TEXT_LEN];

	cps_buf_printf(out,
		       "{\"mediaType\":\"application/vnd.oci.image.%s\",\"digest\":"
		       "\"%s\",\"size\":%llu",
		       type, cps_digest_text(&blob->digest, digest),
		       (unsigned long long)blob->size);
}

static int print_manifest(struct cps_buf *out, const struct layer *config)
{
	cps_buf_str(out, "{\"schemaVersion\":2,\"config\":");
	print_descriptor(out, "config.v1+json", config);
	cps_buf_str(out, "},\"layers\":[");
	for (unsigned int i = 0; i < layer_count; i++) {
		if (i)
			cps_buf_str(out, ",");
		print_descriptor(out, "layer.v1.tar", &layers[i]);
		cps_buf_str(out, "}");
	}
	return cps_buf_str(out, "]}");
}

static int write_file(const char *name, const char *text, size_t len)
{
	cps_auto(cps_fd) int fd =
		openat(layout_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : cps_write_full(fd, text, len);
}

static int write_index(const struct layer *manifest)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	int rc;

	cps_buf_str(&index, "{\"schemaVersion\":2,\"manifests\":[");
	print_descriptor(&index, "manifest.v1+json", manifest);
	rc = cps_buf_str(&index, ",\"annotations\":{\"org.opencontainers.image.ref."
				 "name\":\"bench\"}}]}");
	if (rc == 0)
		rc = write_file("oci-layout", version, sizeof(version) - 1);
	return rc < 0 ? rc : write_file("index.json", cps_buf_cstr(&index), index.len);
}

static int write_documents(void)
{
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(0);
	struct layer blob;
	int rc = print_config(&config);

	if (rc == 0)
		rc = put_blob(&config, &blob);
	if (rc == 0)
		rc = print_manifest(&manifest, &blob);
	if (rc == 0)
		rc = put_blob(&manifest, &blob);
	return rc < 0 ? rc : write_index(&blob);
}

static int make_folders(const char *layout)
{
	if (mkdir(layout, 0755) < 0)
		return -errno;
	layout_fd = open(layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layout_fd < 0 || mkdirat(layout_fd, "blobs", 0755) < 0 ||
	    mkdirat(layout_fd, "blobs/sha256", 0755) < 0)
		return -errno;
	return 0;
}

static int make_image(const char *layout, uint32_t entries)
{
	/* Of a hundred and one entries, about, one is a folder. */
	uint32_t files = entries - entries / (PER_FOLDER + 1) -
			 entries / (PER_FOLDER * PER_FOLDER);
	int rc = make_folders(layout);

	for (unsigned int i = 0; i < layer_count && rc == 0; i++)
		rc = write_layer(i, files, &layers[i]);
	return rc < 0 ? rc : write_documents();
}

int main(int argc, char **argv)
{
	unsigned long entries = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	int rc;

	if (entries < PER_FOLDER || entries > ENTRIES_MAX || count < 1 ||
	    count > LAYERS_MAX) {
		fprintf(stderr, "usage: bench.layers LAYOUT ENTRIES LAYERS\n");
		return 2;
	}
	layer_count = (unsigned int)count;
	rc = make_image(argv[1], (uint32_t)entries);
	if (rc < 0)
		fprintf(stderr, "bench.layers: '%s': %s\n", argv[1], strerror(-rc));
	return rc < 0;
}
