#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/folder.h"
#include "store/store_internal.h"

static const char *const derived_paths[CPS_DERIVED_KINDS] = {
	[CPS_INDEX] = "index/sha256", [CPS_SEEK] = "seek/sha256",
	[CPS_TREE] = "tree/sha256",   [CPS_SPAN] = "span/sha256",
	[CPS_KEPT] = "kept/sha256",
};

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
static const char index_text[] = "{\"schemaVersion\":2,\"manifests\":[]}";

/* ---- where it is ---- */

static int default_path(struct cps_buf *out, struct cps_err *err)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	int rc;

	if (geteuid() == 0)
		rc = cps_buf_str(out, "/var/lib/capas");
	else if (data && data[0] == '/')
		rc = cps_buf_printf(out, "%s/capas", data);
	else if (home && home[0] == '/')
		rc = cps_buf_printf(out, "%s/.local/share/capas", home);
	else
		return cps_err_set(err, -ENOENT,
				   "no place for a store: HOME is not set; use --root");
	return rc < 0 ? cps_err_nomem(err) : 0;
}

/* mkdir -p; the last folder is private. */
static int make_path(const char *path)
{
	cps_auto(cps_free) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/' || p[strspn(p, "/")] == '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* ---- making a new one ---- */

/* A second descriptor, so that the offset of the first one stays. */
static DIR *list_folder(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* May a store be made here? 1 if the folder is empty, or holds no more than a killed or
 * concurrent first open has made so far: that begins with blobs/, so a foreign folder
 * with a tmp/ of its own is never taken, and never swept. 0 if not; -errno. */
static int may_become_store(int dirfd)
{
	static const char *const free_names[] = {".", "..", "lost+found"};
	static const char *const our_names[] = {
		"blobs", "index", "seek",       "tree",       "span",
		"kept",  "tmp",   "index.json", "store.lock", "index.lock"};
	DIR *dir = list_folder(dirfd);
	bool foreign = false, begun = false, blobs = false;
	struct dirent *de;
	int rc;

	if (!dir)
		return -errno;
	while (errno = 0, (de = readdir(dir))) {
		if (is_one_of(de->d_name, free_names, CPS_ARRAY_LEN(free_names)))
			continue;
		begun = true;
		blobs = blobs || strcmp(de->d_name, "blobs") == 0;
		foreign = foreign ||
			  !is_one_of(de->d_name, our_names, CPS_ARRAY_LEN(our_names));
	}
	rc = errno ? -errno : !foreign && (blobs || !begun);
	closedir(dir);
	return rc;
}

static int make_folder(int root, const char *path)
{
	char top[32];

	snprintf(top, sizeof(top), "%.*s", (int)strcspn(path, "/"), path);
	if (mkdirat(root, top, 0700) < 0 && errno != EEXIST)
		return -errno;
	return mkdirat(root, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int put_file(struct cps_store *store, const char *name, const char *text,
		    struct cps_err *err)
{
	cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT;
	int rc;

	if (faccessat(store->root_fd, name, F_OK, 0) == 0)
		return 0;
	rc = cps_tmp_open(store, &tmp, err);
	if (rc < 0)
		return rc;
	rc = cps_write_full(tmp.fd, text, strlen(text));
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': write '%s'", store->path,
				   name);
	if (fchmod(tmp.fd, 0644) < 0)
		return cps_err_sys(err, -errno, "store '%s': write '%s'", store->path,
				   name);
	return cps_tmp_publish(&tmp, store->root_fd, name, false, err);
}

static int make_folders(struct cps_store *store, struct cps_err *err)
{
	int rc = make_folder(store->root_fd, "blobs/sha256"); /* first: it marks ours */

	if (rc == 0 && mkdirat(store->root_fd, "tmp", 0700) < 0 && errno != EEXIST)
		rc = -errno;
	for (int i = 0; i < CPS_DERIVED_KINDS && rc == 0; i++)
		rc = make_folder(store->root_fd, derived_paths[i]);
	return rc < 0 ? cps_err_sys(err, rc, "store '%s': make its folders",
				    store->path)
		      : 0;
}

/* ---- opening ---- */

static int open_folder(const struct cps_store *store, const char *path, int *out)
{
	*out = openat(store->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? -errno : 0;
}

static int open_folders(struct cps_store *store)
{
	int rc = open_folder(store, "tmp", &store->tmp_fd);

	if (rc == 0)
		rc = open_folder(store, "blobs/sha256", &store->blobs_fd);
	for (int i = 0; i < CPS_DERIVED_KINDS && rc == 0; i++)
		rc = open_folder(store, derived_paths[i], &store->derived_fd[i]);
	return rc;
}

static void close_folders(struct cps_store *store)
{
	for (int i = 0; i < CPS_DERIVED_KINDS; i++) {
		cps_fd_auto(&store->derived_fd[i]);
		store->derived_fd[i] = -1;
	}
	cps_fd_auto(&store->blobs_fd);
	cps_fd_auto(&store->tmp_fd);
	store->blobs_fd = store->tmp_fd = -1;
}

/* Make what is missing: all of it for a new store, some of it for a layout that another
 * tool made or a store whose derived folders were deleted. */
static int complete(struct cps_store *store, struct cps_err *err)
{
	bool layout = faccessat(store->root_fd, "oci-layout", F_OK, 0) == 0;
	int rc;

	if (!layout) {
		rc = may_become_store(store->root_fd);
		/* Another process may have finished it since. */
		if (rc == 0 && faccessat(store->root_fd, "oci-layout", F_OK, 0) < 0)
			return cps_err_set(
				err, -ENOTEMPTY,
				"store '%s': the folder is neither empty nor "
				"an OCI layout",
				store->path);
		if (rc < 0)
			return cps_err_sys(err, rc, "store '%s'", store->path);
	}
	close_folders(store);
	rc = make_folders(store, err);
	if (rc < 0)
		return rc;
	rc = open_folders(store);
	if (rc < 0)
		return cps_err_sys(err, rc, "store '%s': open its folders",
				   store->path);
	rc = put_file(store, "index.json", index_text, err);
	return rc < 0 ? rc : put_file(store, "oci-layout", layout_text, err);
}

/* Remove named unfinished files and folders whose maker is gone. */
static void sweep(const struct cps_store *store)
{
	DIR *dir = list_folder(store->tmp_fd);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		cps_auto(cps_fd) int file = -1;

		if (de->d_name[0] == '.')
			continue;
		file = openat(store->tmp_fd, de->d_name,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
			cps_folder_remove(store->tmp_fd, de->d_name);
	}
	if (dir)
		closedir(dir);
}

/* What root writes among a user's files is lost to the user; and what is to be run as
 * root is for root to say. */
static int check_owner(const struct cps_store *store, struct cps_err *err)
{
	struct stat st;

	if (fstat(store->root_fd, &st) < 0)
		return cps_err_sys(err, -errno, "store '%s'", store->path);
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	return cps_err_set(
		err, -EPERM,
		"store '%s' belongs to user %u: root would leave files in it "
		"that they cannot use; run capas as that user",
		store->path, st.st_uid);
}

static int open_root(struct cps_store *store, const char *path, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf found = CPS_BUF_INIT(0);
	int rc = path ? cps_buf_str(&found, path) : default_path(&found, err);

	if (rc < 0)
		return rc;
	store->path = (char *)cps_buf_steal(&found, NULL);
	if (!store->path[0])
		return cps_err_set(err, -EINVAL, "the store's path is empty");
	store->root_fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->root_fd < 0 && errno == ENOENT) {
		rc = make_path(store->path);
		if (rc == 0)
			store->root_fd =
				open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (store->root_fd < 0)
		return cps_err_sys(err, rc < 0 ? rc : -errno, "store '%s'",
				   store->path);
	return 0;
}

int cps_store_open(const char *path, struct cps_store **out, struct cps_err *err)
{
	cps_auto(cps_store_close) struct cps_store *store = calloc(1, sizeof(*store));
	int rc;

	if (!store)
		return cps_err_nomem(err);
	store->root_fd = store->blobs_fd = store->tmp_fd = -1;
	for (int i = 0; i < CPS_DERIVED_KINDS; i++)
		store->derived_fd[i] = -1;
	rc = open_root(store, path, err);
	if (rc == 0)
		rc = check_owner(store, err);
	if (rc < 0)
		return rc;
	if (open_folders(store) < 0 ||
	    faccessat(store->root_fd, "oci-layout", F_OK, 0) < 0 ||
	    faccessat(store->root_fd, "index.json", F_OK, 0) < 0)
		rc = complete(store, err);
	if (rc < 0)
		return rc;
	sweep(store);
	*out = CPS_TAKE(store);
	return 0;
}

void cps_store_close(struct cps_store *store)
{
	if (!store)
		return;
	close_folders(store);
	cps_fd_auto(&store->root_fd);
	free(store->path);
	free(store);
}

/* ---- what others ask ---- */

const char *cps_store_path(const struct cps_store *store)
{
	return store->path;
}

int cps_store_root_fd(const struct cps_store *store)
{
	return store->root_fd;
}

int cps_store_blobs_fd(const struct cps_store *store)
{
	return store->blobs_fd;
}

int cps_store_derived_fd(const struct cps_store *store, enum cps_derived kind)
{
	return store->derived_fd[kind];
}

static int lock_file(struct cps_store *store, const char *name, int how,
		     struct cps_err *err)
{
	cps_auto(cps_fd) int fd = openat(
		store->root_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return cps_err_sys(err, -errno, "store '%s': open '%s'", store->path,
				   name);
	do {
		rc = flock(fd, how);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return cps_err_sys(err, -errno, "store '%s': lock '%s'", store->path,
				   name);
	return CPS_TAKE_FD(fd);
}

int cps_store_lock(struct cps_store *store, bool exclusive, struct cps_err *err)
{
	return lock_file(store, "store.lock", exclusive ? LOCK_EX : LOCK_SH, err);
}

int cps_store_lock_index(struct cps_store *store, struct cps_err *err)
{
	return lock_file(store, "index.lock", LOCK_EX, err);
}

int cps_derived_open(const struct cps_store *store, enum cps_derived kind,
		     const struct cps_digest *id)
{
	char hex[CPS_DIGEST_HEX_LEN];

	return cps_open_regular(store->derived_fd[kind], cps_digest_hex(id, hex));
}

void cps_derived_drop(const struct cps_store *store, enum cps_derived kind,
		      const struct cps_digest *id)
{
	char hex[CPS_DIGEST_HEX_LEN];

	unlinkat(store->derived_fd[kind], cps_digest_hex(id, hex), 0);
}
