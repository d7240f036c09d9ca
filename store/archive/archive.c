#include "store/archive/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/archive/members.h"
#include "store/archive/spool.h"
#include "store/codec.h"
#include "store/image_internal.h"
#include "store/json.h"
#include "store/tree.h" /* CPS_LAYERS_MAX */

#define DOCKER_MANIFEST_MAX (1u << 20) /* bytes of an archive's manifest.json */
#define IMAGES_MAX          10000u

/** One image: a manifest by digest, or a docker entry by config and layer members. */
struct found {
	struct cps_digest manifest;
	uint64_t size;  /* of the manifest, bytes */
	char *config;   /* docker: member name; NULL: by digest */
	json_t *layers; /* docker: member names; borrowed from archive->docker */
	char **names;
	size_t name_count, name_cap;
	bool foreign; /* there are several of this name, none of them suits */
};

struct cps_archive {
	int dirfd;                           /* of a layout, -1: an archive */
	struct cps_members *members;         /* of an archive */
	json_t *docker;                      /* manifest.json */
	json_t *index;                       /* index.json */
	const struct cps_platform *platform; /* NULL: this machine's */
	struct found *images;
	size_t count, cap;
};

/* ---- where blobs are ---- */

static int open_file(struct cps_archive *a, const char *path, struct cps_blob *out)
{
	struct stat st;
	int fd;

	if (a->members)
		return cps_members_open(a->members, path, out);
	fd = cps_open_beneath(a->dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOTSUP;
	}
	*out = (struct cps_blob){.fd = fd, .size = (uint64_t)st.st_size};
	return 0;
}

static int open_blob(void *ctx, const struct cps_digest *digest, struct cps_blob *out,
		     struct cps_err *err)
{
	char path[96], hex[CPS_DIGEST_HEX_LEN];
	int rc;

	snprintf(path, sizeof(path), "blobs/sha256/%s", cps_digest_hex(digest, hex));
	rc = open_file(ctx, path, out);
	return rc < 0 ? cps_err_sys(err, rc, "blob sha256:%s", hex) : 0;
}

static int read_file(struct cps_archive *a, const char *path, struct cps_buf *out,
		     struct cps_err *err)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	int rc = open_file(a, path, &blob);

	if (rc < 0)
		return cps_err_sys(err, rc, "'%s'", path);
	rc = cps_blob_read(&blob, NULL, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "'%s'", path) : 0;
}

/* ---- what images there are ---- */

static int add_name(struct found *f, const char *name)
{
	char *copy = strdup(name);

	if (!copy || cps_grow(&f->names, &f->name_cap, f->name_count + 1,
			      sizeof(*f->names)) < 0) {
		free(copy);
		return -ENOMEM;
	}
	f->names[f->name_count++] = copy;
	return 0;
}

static struct found *add_image(struct cps_archive *a, struct cps_err *err)
{
	if (a->count >= IMAGES_MAX) {
		cps_err_set(err, -EFBIG, "more than %u images", IMAGES_MAX);
		return NULL;
	}
	if (cps_grow(&a->images, &a->cap, a->count + 1, sizeof(*a->images)) < 0) {
		cps_err_nomem(err);
		return NULL;
	}
	a->images[a->count] = (struct found){0};
	return &a->images[a->count++];
}

static struct found *image_of(struct cps_archive *a, const struct cps_digest *manifest,
			      uint64_t size, struct cps_err *err)
{
	struct found *f;

	for (size_t i = 0; i < a->count; i++)
		if (cps_digest_equal(&a->images[i].manifest, manifest))
			return &a->images[i];
	f = add_image(a, err);
	if (f) {
		f->manifest = *manifest;
		f->size = size;
	}
	return f;
}

/* containerd and docker write the whole name beside the tag that OCI has a place for.
 */
static const char *full_name(const json_t *desc, const char *fallback)
{
	const char *full = cps_json_text(json_object_get(desc, "annotations"),
					 "io.containerd.image.name");

	return full[0] ? full : fallback;
}

/** What a line of index.json says of the image for one platform. */
struct line {
	const json_t *desc;
	const char *name; /* "": none */
	int suits;        /* the platform that is wanted */
	bool alone;       /* its name means no other platform's image too */
};

static bool same_image(const struct line *a, const struct line *b)
{
	return json_object_get(a->desc, "platform") &&
	       json_object_get(b->desc, "platform") && strcmp(a->name, b->name) == 0;
}

/* Some write the images for all platforms into index.json itself, under one name. Is
 * there one that suits better than line `i`? */
static bool is_outdone(struct line *lines, size_t count, size_t i)
{
	struct line *l = &lines[i];

	l->alone = true;
	for (size_t j = 0; j < count; j++) {
		if (i == j || !same_image(l, &lines[j]))
			continue;
		l->alone = false;
		if (lines[j].suits > l->suits || (lines[j].suits == l->suits && j < i))
			return true;
	}
	return false;
}

static int take_line(struct cps_archive *a, const struct line *l, struct cps_err *err)
{
	struct cps_digest digest;
	struct found *f;
	uint64_t size;

	if (cps_descriptor_parse(l->desc, &digest, &size, NULL) < 0)
		return 0;
	f = image_of(a, &digest, size, err);
	if (!f)
		return -EBADMSG;
	f->foreign = !l->alone && l->suits == 0;
	return l->name[0] && add_name(f, l->name) < 0 ? cps_err_nomem(err) : 0;
}

static const struct cps_platform *wanted(const struct cps_archive *a,
					 struct cps_platform *host)
{
	cps_platform_host(host);
	return a->platform ? a->platform : host;
}

static int take_lines(struct cps_archive *a, const json_t *list, struct cps_err *err)
{
	size_t count = json_array_size(list), i;
	cps_auto(cps_free) struct line *lines = calloc(count + 1, sizeof(*lines));
	struct cps_platform host;
	json_t *desc;
	int rc = 0;

	if (!lines)
		return cps_err_nomem(err);
	if (count > IMAGES_MAX)
		return cps_err_set(err, -EFBIG, "more than %u images", IMAGES_MAX);
	json_array_foreach(list, i, desc)
	{
		const char *tag = cps_json_text(json_object_get(desc, "annotations"),
						"org.opencontainers.image.ref.name");

		lines[i].desc = desc;
		lines[i].name = full_name(desc, tag);
		lines[i].suits = cps_descriptor_suits(desc, wanted(a, &host));
	}
	for (i = 0; i < count && rc == 0; i++)
		if (!is_outdone(lines, count, i))
			rc = take_line(a, &lines[i], err);
	return rc;
}

static int find_oci(struct cps_archive *a, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_INDEX_MAX);
	json_t *list;
	int rc = read_file(a, "index.json", &text, err);

	if (rc < 0)
		return rc;
	a->index = cps_json_object(text.data, text.len, "index.json", err);
	if (!a->index)
		return -EBADMSG;
	list = cps_json_get(a->index, "manifests", JSON_ARRAY, &rc, err);
	return rc < 0 ? rc : take_lines(a, list, err);
}

static int find_docker(struct cps_archive *a, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(DOCKER_MANIFEST_MAX);
	json_t *entry, *name;
	size_t i, j;
	int rc = read_file(a, "manifest.json", &text, err);

	if (rc < 0)
		return rc;
	a->docker = cps_json_array(text.data, text.len, "manifest.json", err);
	if (!a->docker)
		return -EBADMSG;
	json_array_foreach(a->docker, i, entry)
	{
		struct found *f = add_image(a, err);

		if (!f)
			return -EBADMSG;
		f->config = strdup(cps_json_text(entry, "Config"));
		if (!f->config)
			return cps_err_nomem(err);
		f->layers = json_object_get(entry, "Layers");
		json_array_foreach(json_object_get(entry, "RepoTags"), j, name)
		{
			if (json_is_string(name) &&
			    add_name(f, json_string_value(name)) < 0)
				return cps_err_nomem(err);
		}
	}
	return 0;
}

/* ---- opening ---- */

static struct cps_archive *new_archive(const struct cps_platform *platform,
				       struct cps_err *err)
{
	struct cps_archive *a = calloc(1, sizeof(*a));

	if (!a) {
		cps_err_nomem(err);
		return NULL;
	}
	a->dirfd = -1;
	a->platform = platform;
	return a;
}

int cps_archive_open_layout(const char *path, const struct cps_platform *platform,
			    struct cps_archive **out, struct cps_err *err)
{
	cps_auto(cps_archive_close) struct cps_archive *a = new_archive(platform, err);
	int rc;

	if (!a)
		return -ENOMEM;
	a->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dirfd < 0)
		return cps_err_sys(err, -errno, "'%s'", path);
	rc = find_oci(a, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, "'%s' as an OCI layout", path);
	*out = CPS_TAKE(a);
	return 0;
}

static ssize_t read_fd(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	ssize_t n = cps_read_full(*(int *)ctx, buf, len);

	return n < 0 ? cps_err_sys(err, (int)n, "read") : n;
}

/* A plain tar in a file is read where it is; anything else is spooled. */
static int open_bytes(struct cps_store *store, int fd, struct cps_blob *out,
		      struct cps_err *err)
{
	uint8_t head[512];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return cps_err_sys(err, -errno, "stat");
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(fd, 0, SEEK_CUR);
		const struct cps_blob whole = {
			.fd = fd,
			.base = (uint64_t)at,
			.size = at < st.st_size ? (uint64_t)(st.st_size - at) : 0,
		};

		n = at < 0 ? -errno : cps_blob_pread(&whole, head, sizeof(head), 0);
		if (n < 0)
			return cps_err_sys(err, (int)n, "read");
		if (n == sizeof(head) && memcmp(head + 257, "ustar", 5) == 0)
			return cps_blob_dup(&whole, out, err);
	}
	return cps_spool(store, read_fd, &fd, out, err);
}

int cps_archive_open_fd(struct cps_store *store, int fd,
			const struct cps_platform *platform, struct cps_archive **out,
			struct cps_err *err)
{
	cps_auto(cps_archive_close) struct cps_archive *a = new_archive(platform, err);
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	int rc = a ? open_bytes(store, fd, &blob, err) : -ENOMEM;

	if (rc == 0)
		rc = cps_members_scan(&blob, &a->members, err);
	if (rc < 0)
		return rc;
	if (cps_members_has(a->members, "index.json"))
		rc = find_oci(a, err);
	else if (cps_members_has(a->members, "manifest.json"))
		rc = find_docker(a, err);
	else
		rc = cps_err_set(
			err, -EBADMSG,
			"no image archive: it has neither index.json nor "
			"manifest.json ('capas import' takes root filesystems)");
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(a);
	return 0;
}

size_t cps_archive_count(const struct cps_archive *archive)
{
	return archive->count;
}

void cps_archive_names(const struct cps_archive *archive, size_t i,
		       const char *const **names, size_t *count)
{
	*names = (const char *const *)archive->images[i].names;
	*count = archive->images[i].name_count;
}

/* ---- docker's own form ---- */

static int fill_layers(struct cps_archive *a, const struct found *f,
		       struct cps_image *image, struct cps_err *err)
{
	json_t *path;
	size_t i;

	if (json_array_size(f->layers) > CPS_LAYERS_MAX)
		return cps_err_set(err, -EBADMSG, "%zu layers",
				   json_array_size(f->layers));
	image->layers = calloc(json_array_size(f->layers) + 1, sizeof(*image->layers));
	if (!image->layers)
		return cps_err_nomem(err);
	json_array_foreach(f->layers, i, path)
	{
		struct cps_image_layer *l = &image->layers[image->layer_count++];
		const char *name = json_string_value(path);
		int rc;

		l->blob.fd = -1;
		l->media_type = strdup("");
		l->created_by = strdup("");
		if (!l->media_type || !l->created_by)
			return cps_err_nomem(err);
		rc = name ? open_file(a, name, &l->blob) : -EINVAL;
		if (rc < 0)
			return cps_err_sys(err, rc, "layer %zu ('%s')", i + 1,
					   name ? name : "");
	}
	return 0;
}

static int open_docker(struct cps_archive *a, const struct found *f,
		       struct cps_image **out, struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	struct cps_buf none = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	int rc = image ? read_file(a, f->config, &config, err) : cps_err_nomem(err);

	if (rc == 0)
		rc = fill_layers(a, f, image, err);
	if (rc == 0)
		rc = cps_image_parse(&none, &config, image, err);
	if (rc == 0)
		rc = cps_platform_check(image, a->platform, err);
	if (rc < 0)
		return rc;
	image->manifest.max = CPS_MANIFEST_MAX;
	*out = CPS_TAKE(image);
	return 0;
}

int cps_archive_image(struct cps_archive *a, size_t i, struct cps_image **out,
		      const char *const **names, size_t *count, struct cps_err *err)
{
	const struct cps_blob_source source = {open_blob, a};
	const struct found *f = &a->images[i];
	struct cps_platform host;

	if (names)
		cps_archive_names(a, i, names, count);
	if (f->foreign)
		return cps_platform_missing(json_object_get(a->index, "manifests"),
					    wanted(a, &host), err);
	return f->config ? open_docker(a, f, out, err)
			 : cps_image_resolve(&source, &f->manifest, f->size,
					     a->platform, out, err);
}

void cps_archive_close(struct cps_archive *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++) {
		for (size_t n = 0; n < a->images[i].name_count; n++)
			free(a->images[i].names[n]);
		free(a->images[i].names);
		free(a->images[i].config);
	}
	free(a->images);
	json_decref(a->docker);
	json_decref(a->index);
	cps_members_free(a->members);
	cps_fd_auto(&a->dirfd);
	free(a);
}
