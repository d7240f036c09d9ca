/* Unfinished files, and the one way in which a file gets its name. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/store_internal.h"

#define NAME_TRIES 16 /* against sweepers that meet a file before its lock */

static void fresh_name(char out[40])
{
	static atomic_uint counter;
	unsigned int random = 0;

	/* Uniqueness comes from O_EXCL and link; randomness only spares retries. */
	if (getentropy(&random, sizeof(random)) < 0)
		random = 0;
	snprintf(out, 40, "%d.%u.%08x", getpid(), atomic_fetch_add(&counter, 1),
		 random);
}

/* 1 once the file is ours; 0 if a sweeper came between its making and its lock. */
static int try_named(const struct cps_store *store, struct cps_tmp *out)
{
	cps_auto(cps_fd) int fd = -1;
	struct stat st;

	fresh_name(out->name);
	fd = openat(store->tmp_fd, out->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = errno == EWOULDBLOCK ? 0 : -errno;

		unlinkat(store->tmp_fd, out->name, 0);
		return rc;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return 0;
	out->fd = CPS_TAKE_FD(fd);
	return 1;
}

static int open_named(const struct cps_store *store, struct cps_tmp *out,
		      struct cps_err *err)
{
	int rc = 0;

	for (int i = 0; i < NAME_TRIES && rc == 0; i++)
		rc = try_named(store, out);
	if (rc > 0)
		return 0;
	out->name[0] = '\0';
	return cps_err_sys(err, rc < 0 ? rc : -EBUSY, "store '%s': make a file in tmp/",
			   store->path);
}

int cps_tmp_open(const struct cps_store *store, struct cps_tmp *out,
		 struct cps_err *err)
{
	*out = (struct cps_tmp){.fd = -1, .store = store};
	out->fd = openat(store->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (out->fd >= 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL ||
	    errno == ENOENT)
		return open_named(store, out, err);
	return cps_err_sys(err, -errno, "store '%s': make a file in tmp/", store->path);
}

static int link_to(const struct cps_tmp *tmp, int dirfd, const char *name)
{
	char proc[40];

	if (tmp->name[0])
		return linkat(tmp->store->tmp_fd, tmp->name, dirfd, name, 0) < 0
			       ? -errno
			       : 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", tmp->fd);
	return linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* A rename replaces in one step; a file without a name gets one first. */
static int replace_name(struct cps_tmp *tmp, int dirfd, const char *name)
{
	int rc;

	if (!tmp->name[0]) {
		char fresh[40];

		fresh_name(fresh);
		flock(tmp->fd, LOCK_EX | LOCK_NB);
		rc = link_to(tmp, tmp->store->tmp_fd, fresh);
		if (rc < 0)
			return rc;
		strcpy(tmp->name, fresh);
	}
	if (renameat(tmp->store->tmp_fd, tmp->name, dirfd, name) < 0)
		return -errno;
	tmp->name[0] = '\0';
	return 0;
}

static int give_name(struct cps_tmp *tmp, int dirfd, const char *name, bool replace)
{
	int rc = link_to(tmp, dirfd, name);

	if (rc != -EEXIST)
		return rc;
	return replace ? replace_name(tmp, dirfd, name) : 0;
}

int cps_tmp_publish(struct cps_tmp *tmp, int dirfd, const char *name, bool replace,
		    struct cps_err *err)
{
	const char *path = tmp->store->path;
	int rc = fdatasync(tmp->fd) < 0 ? -errno : 0;

	if (rc == 0)
		rc = give_name(tmp, dirfd, name, replace);
	if (rc == 0 && fsync(dirfd) < 0)
		rc = -errno;
	if (rc < 0)
		cps_err_sys(err, rc, "store '%s': write '%s'", path, name);
	cps_tmp_discard(tmp);
	return rc;
}

int cps_tmp_publish_derived(struct cps_tmp *tmp, enum cps_derived kind,
			    const struct cps_digest *id, struct cps_err *err)
{
	const char *path = tmp->store->path;
	char hex[CPS_DIGEST_HEX_LEN];
	int rc;

	cps_digest_hex(id, hex);
	/* A power cut must not leave a name whose pages are zeros: checksums of
	 * sections are not compared at every open. */
	rc = fdatasync(tmp->fd) < 0 ? -errno : 0;
	if (rc == 0)
		rc = give_name(tmp, tmp->store->derived_fd[kind], hex, true);
	cps_tmp_discard(tmp);
	return rc < 0 ? cps_err_sys(err, rc, "store '%s': write '%s'", path, hex) : 0;
}

void cps_tmp_discard(struct cps_tmp *tmp)
{
	if (tmp->fd < 0)
		return;
	if (tmp->name[0])
		unlinkat(tmp->store->tmp_fd, tmp->name, 0);
	close(tmp->fd);
	tmp->fd = -1;
	tmp->name[0] = '\0';
}
