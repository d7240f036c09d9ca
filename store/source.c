/* SOURCE of the command line: an image of the store or of somebody else's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/archive/archive.h"
#include "store/archive/spool.h"
#include "store/codec.h"
#include "store/image.h"

typedef int (*source_fn)(struct cps_store *store, const char *rest,
			 const struct cps_platform *platform, struct cps_image **out,
			 struct cps_err *err);

/* DIR or FILE is as long as it can be: a ':' in it must not look like a tag. */
static size_t path_part(const char *rest)
{
	const char *colon;
	struct stat st;

	if (stat(rest, &st) == 0)
		return strlen(rest);
	for (colon = strchr(rest, ':'); colon; colon = strchr(colon + 1, ':')) {
		cps_auto(cps_free) char *path = strndup(rest, (size_t)(colon - rest));

		if (path && stat(path, &st) == 0)
			return (size_t)(colon - rest);
	}
	return strlen(rest);
}

/** How a tag may mean a name: as it is written, or by the tag of a whole name. */
typedef bool (*match_fn)(const char *name, const char *tag);

static bool same_tag(const char *name, const char *tag)
{
	struct cps_ref ref;

	return cps_ref_parse(name, &ref, NULL) == 0 && strcmp(ref.tag, tag) == 0;
}

static bool same_name(const char *a, const char *b)
{
	struct cps_ref x, y;

	return strcmp(a, b) == 0 ||
	       (cps_ref_parse(a, &x, NULL) == 0 && cps_ref_parse(b, &y, NULL) == 0 &&
		cps_ref_same_name(&x, &y));
}

static int name_choices(struct cps_archive *archive, const char *tag,
			struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf list = CPS_BUF_INIT(1024);

	for (size_t i = 0; i < cps_archive_count(archive); i++) {
		const char *const *names;
		size_t count;

		cps_archive_names(archive, i, &names, &count);
		for (size_t n = 0; n < count; n++)
			if (cps_buf_printf(&list, "%s%s", list.len ? ", " : "",
					   names[n]) < 0)
				break;
	}
	return cps_err_set(err, -ENOENT, "%s%s%s; there are: %s",
			   tag ? "no image '" : "several images, name one",
			   tag ? tag : "", tag ? "'" : "",
			   list.len ? cps_buf_cstr(&list) : "only untagged ones");
}

/* How many images have a name that matches; *at is the last of them. */
static size_t count_matches(const struct cps_archive *archive, match_fn match,
			    const char *tag, size_t *at)
{
	size_t found = 0;

	for (size_t i = 0; i < cps_archive_count(archive); i++) {
		const char *const *names;
		size_t count, n = 0;

		cps_archive_names(archive, i, &names, &count);
		while (n < count && !match(names[n], tag))
			n++;
		if (n == count)
			continue;
		found++;
		*at = i;
	}
	return found;
}

/* The image of that name; without a name, the only one. */
static int choose(struct cps_archive *archive, const char *tag, struct cps_image **out,
		  struct cps_err *err)
{
	size_t total = cps_archive_count(archive), at = 0;

	if (total == 0)
		return cps_err_set(err, -ENOENT, "it holds no image");
	if (tag ? count_matches(archive, same_name, tag, &at) == 0 &&
			    count_matches(archive, same_tag, tag, &at) != 1
		: total != 1)
		return name_choices(archive, tag, err);
	return cps_archive_image(archive, at, out, NULL, NULL, err);
}

static int open_layout(struct cps_store *store, const char *rest,
		       const struct cps_platform *platform, struct cps_image **out,
		       struct cps_err *err)
{
	size_t n = path_part(rest);
	cps_auto(cps_free) char *path = strndup(rest, n);
	cps_auto(cps_archive_close) struct cps_archive *archive = NULL;
	int rc =
		path ? cps_archive_open_layout(path, platform, &archive, err) : -ENOMEM;

	if (rc < 0)
		return rc;
	rc = choose(archive, rest[n] ? rest + n + 1 : NULL, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "'%s'", path) : 0;
}

static int open_archive(struct cps_store *store, const char *rest,
			const struct cps_platform *platform, struct cps_image **out,
			struct cps_err *err)
{
	size_t n = path_part(rest);
	cps_auto(cps_free) char *path = strndup(rest, n);
	cps_auto(cps_archive_close) struct cps_archive *archive = NULL;
	cps_auto(cps_fd) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int rc;

	if (fd < 0)
		return cps_err_sys(err, -errno, "'%s'", path ? path : rest);
	rc = cps_archive_open_fd(store, fd, platform, &archive, err);
	if (rc == 0)
		rc = choose(archive, rest[n] ? rest + n + 1 : NULL, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "'%s'", path) : 0;
}

static int open_remote(struct cps_store *store, const char *rest,
		       const struct cps_platform *platform, struct cps_image **out,
		       struct cps_err *err)
{
	return cps_err_set(err, -ENOTSUP,
			   "capas asks no registry; let 'skopeo copy docker://%s "
			   "oci:DIR' fetch the image, and take oci:DIR",
			   rest);
}

static ssize_t read_fd(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	ssize_t n = cps_read_full(*(int *)ctx, buf, len);

	return n < 0 ? cps_err_sys(err, (int)n, "read") : n;
}

/* What a document would have told. */
static int empty_texts(struct cps_image *image)
{
	char **const texts[] = {
		&image->media_type,           &image->created, &image->author,
		&image->architecture,         &image->os,      &image->variant,
		&image->layers[0].media_type,
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(texts); i++) {
		*texts[i] = strdup("");
		if (!*texts[i])
			return -ENOMEM;
	}
	return 0;
}

/* A bare root filesystem: an image of one layer without documents. The layer's blob or
 * folder is the caller's to fill in. */
static int bare_image(const char *scheme, const char *path, struct cps_image **out,
		      struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	cps_auto(cps_buf) struct cps_buf origin = CPS_BUF_INIT(0);
	int rc;

	if (!image)
		return cps_err_nomem(err);
	image->layers = calloc(1, sizeof(*image->layers));
	if (!image->layers || cps_buf_printf(&origin, "%s%s", scheme, path) < 0)
		return cps_err_nomem(err);
	image->layer_count = 1;
	image->layers[0].blob.fd = -1;
	image->layers[0].created_by = (char *)cps_buf_steal(&origin, NULL);
	rc = empty_texts(image);
	if (rc < 0)
		return cps_err_nomem(err);
	*out = CPS_TAKE(image);
	return 0;
}

static int open_tar(struct cps_store *store, const char *path,
		    const struct cps_platform *platform, struct cps_image **out,
		    struct cps_err *err)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[CPS_CODEC_MAGIC_LEN];
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cps_err_sys(err, -errno, "'%s'", path);
	if (S_ISDIR(st.st_mode))
		return cps_err_set(err, -EISDIR, "'%s' is a directory, not an archive",
				   path);
	n = S_ISREG(st.st_mode) ? cps_pread_full(fd, head, sizeof(head), 0) : 0;
	if (n < 0)
		return cps_err_sys(err, (int)n, "'%s'", path);
	if (n == 0 || cps_codec_detect(head, (size_t)n) == CPS_CODEC_OTHER) {
		rc = cps_spool(store, read_fd, &fd, &blob, err);
	} else {
		blob.fd = CPS_TAKE_FD(fd);
		blob.size = (uint64_t)st.st_size;
	}
	if (rc == 0 && blob.size == 0)
		rc = cps_err_set(err, -EINVAL, "it is empty, not an archive");
	if (rc < 0)
		return cps_err_wrap(err, rc, "'%s'", path);
	rc = bare_image("tar:", path, out, err);
	if (rc == 0) {
		(*out)->layers[0].blob = blob;
		blob.fd = -1;
	}
	return rc;
}

/* A root filesystem that is unpacked. Its layer has no diffID, since nobody reads all
 * of it; what stands for one tells it from no other folder. */
static int open_root_dir(const char *path, struct cps_image **out, struct cps_err *err)
{
	cps_auto(cps_dirlayer_close) struct cps_dirlayer *dir = NULL;
	int rc = cps_dirlayer_open(path, &dir, err);

	if (rc == 0)
		rc = bare_image("dir:", path, out, err);
	if (rc < 0)
		return rc;
	cps_digest_of("dir:", strlen("dir:"), &(*out)->layers[0].diff_id);
	(*out)->layers[0].dir = CPS_TAKE(dir);
	return 0;
}

static int open_dir(struct cps_store *store, const char *path,
		    const struct cps_platform *platform, struct cps_image **out,
		    struct cps_err *err)
{
	int rc = cps_archive_open_dir(path, platform, out, err);

	if (rc == -ENOTSUP)
		rc = open_root_dir(path, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "'%s'", path) : 0;
}

static const struct {
	const char *prefix;
	source_fn open;
} sources[] = {
	{"oci:", open_layout},
	{"oci-archive:", open_archive},
	{"docker-archive:", open_archive},
	{"tar:", open_tar},
	{"dir:", open_dir},
	{"docker://", open_remote},
};

static int open_stored(struct cps_store *store, const char *name,
		       const struct cps_platform *platform, struct cps_image **out,
		       struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	int rc = cps_image_open(store, name, &image, err);

	if (rc == 0)
		rc = cps_platform_check(image, platform, err);
	if (rc == 0)
		*out = CPS_TAKE(image);
	return rc;
}

int cps_source_open(struct cps_store *store, const char *source,
		    const struct cps_platform *platform, struct cps_image **out,
		    struct cps_err *err)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(sources); i++) {
		size_t n = strlen(sources[i].prefix);

		if (strncmp(source, sources[i].prefix, n) == 0)
			return sources[i].open(store, source + n, platform, out, err);
	}
	return open_stored(store, source, platform, out, err);
}
