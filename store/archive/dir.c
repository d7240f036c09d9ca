/* The layout of skopeo's dir: -- manifest.json, version, and blobs named by their hex
 * digests. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/archive/archive.h"
#include "store/image_internal.h"

struct folder {
	int fd;
	struct cps_digest manifest; /* of manifest.json */
};

static int open_file(const struct folder *f, const char *name, struct cps_blob *out)
{
	struct stat st;
	int fd = cps_open_regular(f->fd, name);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*out = (struct cps_blob){.fd = fd, .size = (uint64_t)st.st_size};
	return 0;
}

static int open_blob(void *ctx, const struct cps_digest *digest, struct cps_blob *out,
		     struct cps_err *err)
{
	const struct folder *f = ctx;
	char hex[CPS_DIGEST_HEX_LEN], child[CPS_DIGEST_HEX_LEN + 16];
	int rc;

	if (cps_digest_equal(digest, &f->manifest))
		return open_file(f, "manifest.json", out);
	rc = open_file(f, cps_digest_hex(digest, hex), out);
	if (rc == -ENOENT) { /* an image below an index */
		snprintf(child, sizeof(child), "%s.manifest.json", hex);
		rc = open_file(f, child, out);
	}
	return rc < 0 ? cps_err_sys(err, rc, "blob sha256:%s", hex) : 0;
}

#define VERSION "Directory Transport Version: "

/* Any folder may have files of these names; skopeo's says what it is. */
static bool is_skopeo(const struct folder *f)
{
	cps_auto(cps_blob) struct cps_blob version = CPS_BLOB_INIT;
	char text[sizeof(VERSION)] = "";

	return open_file(f, "version", &version) == 0 &&
	       cps_blob_pread(&version, text, strlen(VERSION), 0) > 0 &&
	       strcmp(text, VERSION) == 0;
}

static int read_manifest(struct folder *f, uint64_t *size, struct cps_err *err)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	int rc;

	if (!is_skopeo(f))
		return cps_err_set(err, -ENOTSUP,
				   "it is not what skopeo's dir: writes");
	rc = open_file(f, "manifest.json", &blob);
	if (rc < 0)
		return cps_err_sys(err, rc, "'manifest.json'");
	rc = cps_blob_read(&blob, NULL, &text, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, "'manifest.json'");
	cps_digest_of(text.data, text.len, &f->manifest);
	*size = text.len;
	return 0;
}

int cps_archive_open_dir(const char *path, const struct cps_platform *platform,
			 struct cps_image **out, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct folder f = {.fd = fd};
	const struct cps_blob_source source = {open_blob, &f};
	uint64_t size = 0;
	int rc;

	if (fd < 0)
		return cps_err_sys(err, -errno, "open the folder");
	rc = read_manifest(&f, &size, err);
	return rc < 0 ? rc
		      : cps_image_resolve(&source, &f.manifest, size, platform, out,
					  err);
}
