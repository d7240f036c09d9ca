/* Making and removing tops: each comes and goes with one rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/compose.h"
#include "store/container.h"
#include "store/folder.h"
#include "store/json.h"
#include "store/names.h"
#include "store/store_internal.h"
#include "store/tops_internal.h"

#define SHORT_ID   12 /* digits of the ID that make a name where none is given */
#define MAKE_TRIES 16 /* against sweepers that meet a folder before its lock */
#define NAME_TRIES 64 /* against random names that are taken */

/* ---- what a new top says of itself ---- */

static int fresh_id(char out[CPS_TOP_ID_LEN])
{
	struct cps_digest random;

	if (getentropy(&random, sizeof(random)) < 0)
		return -errno;
	cps_digest_hex(&random, out);
	return 0;
}

static int describe(struct cps_top_info *info, const char *name, const char *image_text,
		    const struct cps_image *image, struct cps_err *err)
{
	int rc = fresh_id(info->id);

	if (rc < 0)
		return cps_err_sys(err, rc, "make an ID");
	cps_now_text(info->created);
	info->manifest = image->manifest_digest;
	info->image_id = image->id;
	for (size_t i = 0; i < image->layer_count; i++)
		cps_chain_id(i ? &info->chain_id : NULL, &image->layers[i].diff_id,
			     &info->chain_id);
	info->image = strdup(image_text);
	info->name = name ? strdup(name) : strndup(info->id, SHORT_ID);
	return info->image && info->name ? 0 : cps_err_nomem(err);
}

static json_t *document(const struct cps_top_info *info)
{
	char manifest[CPS_DIGEST_TEXT_LEN], chain[CPS_DIGEST_TEXT_LEN] = "",
					    id[CPS_DIGEST_TEXT_LEN];

	if (!cps_digest_is_zero(&info->chain_id))
		cps_digest_text(&info->chain_id, chain);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Id", info->id,
			 "Created", info->created, "Name", info->name, "Image",
			 info->image, "ImageID", cps_digest_text(&info->image_id, id),
			 "Manifest", cps_digest_text(&info->manifest, manifest),
			 "ChainID", chain);
}

/* ---- made aside ---- */

/* 1 with the folder open and locked; 0 if a sweeper came before the lock; -errno. */
static int try_aside(int tmp, const char *name, int *out)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	if (mkdirat(tmp, name, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = openat(tmp, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return 0;
	*out = CPS_TAKE_FD(fd);
	return 1;
}

static int write_document(int folder, const char *file, const struct cps_top_info *info,
			  struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = document(info);
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (!doc)
		return cps_err_set(err, -EINVAL, "'%s' is not UTF-8", info->image);
	rc = cps_json_bytes(doc, &text, err);
	if (rc < 0)
		return rc;
	fd = openat(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : cps_write_full(fd, text.data, text.len);
	if (rc == 0 && (fsync(fd) < 0 || fsync(folder) < 0))
		rc = -errno;
	return rc < 0 ? cps_err_sys(err, rc, "write " CPS_TOP_FILE) : 0;
}

/* A container without a hostname has the start of its ID for one. */
static int write_config(int folder, const struct cps_top_info *info,
			const struct cps_container_config *config, struct cps_err *err)
{
	struct cps_container_config whole = *config;
	char hostname[SHORT_ID + 1];

	snprintf(hostname, sizeof(hostname), "%.*s", SHORT_ID, info->id);
	if (!whole.hostname[0])
		whole.hostname = hostname;
	return cps_container_config_write(folder, &whole, err);
}

static int publish(struct cps_store *store, int tops, const struct cps_top_info *info,
		   const struct cps_container_config *config, struct cps_err *err)
{
	cps_auto(cps_fd) int folder = -1;
	int rc = 0;

	for (int i = 0; i < MAKE_TRIES && rc == 0; i++)
		rc = try_aside(store->tmp_fd, info->id, &folder);
	if (rc <= 0)
		return cps_err_sys(err, rc < 0 ? rc : -EBUSY, "make a folder in tmp/");
	rc = config ? write_config(folder, info, config, err) : 0;
	if (rc == 0)
		rc = write_document(folder, CPS_TOP_FILE, info, err);
	if (rc == 0 && renameat(store->tmp_fd, info->id, tops, info->id) < 0)
		rc = cps_err_sys(err, -errno, "name the folder of a container");
	if (rc < 0)
		cps_folder_remove(store->tmp_fd, info->id);
	else if (fsync(tops) < 0)
		rc = cps_err_sys(err, -errno, "sync 'tops'");
	return rc;
}

/* ---- creating ---- */

/* All blobs: another tool's layout may hold parts of an image. */
static int check_image(const struct cps_store *store, const char *image_text,
		       const struct cps_image *image, struct cps_err *err)
{
	bool here = cps_blob_exists(store, &image->manifest_digest) &&
		    cps_blob_exists(store, &image->id);

	for (size_t i = 0; i < image->layer_count && here; i++)
		here = cps_blob_exists(store, &image->layers[i].digest);
	return here ? 0
		    : cps_err_set(err, -ENOENT, "image '%s' is not in the store",
				  image_text);
}

static int same_name(void *ctx, const char *folder, const struct cps_top_info *info,
		     const char *why)
{
	return info && strcmp(info->name, ctx) == 0 ? -EEXIST : 0;
}

static int check_name(struct cps_store *store, const char *name, struct cps_err *err)
{
	int rc = cps_tops_each(store, same_name, (void *)(uintptr_t)name, err);

	return rc == -EEXIST ? cps_err_set(err, rc,
					   "the name '%s' is in use by another "
					   "container",
					   name)
			     : rc;
}

/* The folder, made when missing, with the lock that makes names unique. */
static int lock_folder(struct cps_store *store, struct cps_err *err)
{
	cps_auto(cps_fd) int tops = -1;
	int rc = 0;

	if (mkdirat(store->root_fd, "tops", 0700) == 0)
		rc = fsync(store->root_fd) < 0 ? -errno : 0;
	else if (errno != EEXIST)
		rc = -errno;
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': make 'tops'", store->path);
	tops = cps_tops_folder(store, err);
	if (tops < 0)
		return tops;
	do {
		rc = flock(tops, LOCK_EX);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? cps_err_sys(err, -errno, "store '%s': lock 'tops'", store->path)
		      : CPS_TAKE_FD(tops);
}

static int bad_name(const char *name, struct cps_err *err)
{
	return cps_err_set(err, -EINVAL,
			   "'%s' is no name of a container: only "
			   "[a-zA-Z0-9][a-zA-Z0-9_.-]+",
			   name);
}

/* Two words that nobody has; a number makes them unique when luck does not. */
static int random_name(struct cps_store *store, struct cps_top_info *info,
		       struct cps_err *err)
{
	unsigned char random[4];
	char name[CPS_TOP_NAME_MAX + 1];
	int rc = -EEXIST;

	for (int i = 0; i < NAME_TRIES && rc == -EEXIST; i++) {
		if (getentropy(random, sizeof(random)) < 0)
			return cps_err_sys(err, -errno, "make a name");
		cps_random_name(random, name, sizeof(name));
		if (i >= NAME_TRIES / 2)
			snprintf(name + strlen(name), 8, "%u", random[0] + 1u);
		rc = check_name(store, name, err);
	}
	if (rc < 0)
		return rc;
	free(info->name);
	info->name = strdup(name);
	return info->name ? 0 : cps_err_nomem(err);
}

int cps_tops_create_container(struct cps_store *store, const char *name,
			      const char *image_text, const struct cps_image *image,
			      const struct cps_container_config *config,
			      struct cps_top_info *out, struct cps_err *err)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	cps_auto(cps_fd) int lock = -1, tops = -1;
	int rc;

	*out = (struct cps_top_info){0};
	if (name && !cps_container_name_ok(name))
		return bad_name(name, err);
	/* gc must not come between the look at the image and the top's name. */
	lock = cps_store_lock(store, false, err);
	rc = lock < 0 ? lock : check_image(store, image_text, image, err);
	if (rc < 0)
		return rc;
	tops = lock_folder(store, err);
	if (tops < 0)
		return tops;
	rc = describe(&info, name, image_text, image, err);
	if (rc == 0)
		rc = config && !name ? random_name(store, &info, err)
				     : check_name(store, info.name, err);
	if (rc == 0)
		rc = publish(store, tops, &info, config, err);
	if (rc < 0)
		return rc;
	*out = info;
	info = (struct cps_top_info){0};
	return 0;
}

int cps_tops_create(struct cps_store *store, const char *name, const char *image_text,
		    const struct cps_image *image, struct cps_top_info *out,
		    struct cps_err *err)
{
	return cps_tops_create_container(store, name, image_text, image, NULL, out,
					 err);
}

/* ---- renaming ---- */

/* Written aside, synced and renamed. */
static int replace_document(int folder, const struct cps_top_info *info,
			    struct cps_err *err)
{
	static const char aside[] = CPS_TOP_FILE ".new";
	int rc;

	unlinkat(folder, aside, 0); /* of one that was killed; we hold the lock */
	rc = write_document(folder, aside, info, err);
	if (rc == 0 &&
	    (renameat(folder, aside, folder, CPS_TOP_FILE) < 0 || fsync(folder) < 0))
		rc = cps_err_sys(err, -errno, "write " CPS_TOP_FILE);
	return rc;
}

int cps_tops_rename(struct cps_store *store, struct cps_top_info *info,
		    const char *name, struct cps_err *err)
{
	cps_auto(cps_fd) int tops = -1, folder = -1;
	char *copy;
	int rc;

	if (!cps_container_name_ok(name))
		return bad_name(name, err);
	tops = lock_folder(store, err);
	rc = tops < 0 ? tops : check_name(store, name, err);
	if (rc < 0)
		return rc;
	folder = cps_tops_dir(store, info, err);
	copy = strdup(name);
	if (folder < 0 || !copy) {
		free(copy);
		return folder < 0 ? folder : cps_err_nomem(err);
	}
	free(info->name);
	info->name = copy;
	return replace_document(folder, info, err);
}

/* ---- removing ---- */

int cps_tops_remove(struct cps_store *store, const struct cps_top_info *info,
		    struct cps_err *err)
{
	cps_auto(cps_fd) int tops = cps_tops_folder(store, err);
	cps_auto(cps_fd) int folder = -1;
	int rc;

	if (tops < 0)
		return tops;
	folder =
		openat(tops, info->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return cps_err_sys(err, -errno, "container '%s'", info->id);
	if (flock(folder, LOCK_EX | LOCK_NB) < 0)
		return cps_err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
				   "container '%s' is in use: unmount it first",
				   info->name ? info->name : info->id);
	/* The rename is the removal; a crash behind it leaves work for the sweeper. */
	if (renameat(tops, info->id, store->tmp_fd, info->id) < 0 || fsync(tops) < 0)
		return cps_err_sys(err, -errno, "remove container '%s'", info->id);
	rc = cps_folder_remove(store->tmp_fd, info->id);
	return rc < 0 ? cps_err_sys(err, rc, "remove container '%s'", info->id) : 0;
}
