#include "tools/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/fd.h"

#define MODE       0644
#define NAME_TRIES 16

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A name beside the path that nobody has. */
static char *fresh_name(const char *path)
{
	unsigned int random = 0;
	char *name;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (unsigned int)getpid();
	return asprintf(&name, "%s.%08x", path, random) < 0 ? NULL : name;
}

static int open_named(struct cps_outfile *out)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		free(out->aside);
		out->aside = fresh_name(out->path);
		if (!out->aside)
			return -ENOMEM;
		out->fd =
			open(out->aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
		if (out->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

static int open_aside(struct cps_outfile *out)
{
	cps_auto(cps_free) char *folder = folder_of(out->path);

	if (!folder)
		return -ENOMEM;
	out->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE);
	if (out->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	return open_named(out);
}

int cps_outfile_open(const char *path, struct cps_outfile *out, struct cps_err *err)
{
	struct stat st;
	int rc;

	*out = (struct cps_outfile){.fd = -1, .path = path};
	out->direct = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	if (out->direct) {
		out->fd = open(path, O_WRONLY | O_CLOEXEC);
		rc = out->fd < 0 ? -errno : 0;
	} else {
		rc = open_aside(out);
	}
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", path) : 0;
}

static int link_as(const struct cps_outfile *out, const char *name)
{
	char proc[40];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", out->fd);
	return linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0 ? -errno
									     : 0;
}

static int give_name(struct cps_outfile *out)
{
	int rc;

	if (!out->aside) {
		rc = link_as(out, out->path);
		if (rc != -EEXIST)
			return rc;
		/* Only a rename replaces in one step, and it wants a name. */
		out->aside = fresh_name(out->path);
		rc = out->aside ? link_as(out, out->aside) : -ENOMEM;
		if (rc < 0)
			return rc;
	}
	if (rename(out->aside, out->path) < 0)
		return -errno;
	free(CPS_TAKE(out->aside));
	return 0;
}

static int sync_folder(const char *path)
{
	cps_auto(cps_free) char *folder = folder_of(path);
	cps_auto(cps_fd) int fd =
		folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int cps_outfile_commit(struct cps_outfile *out, struct cps_err *err)
{
	int rc = 0;

	if (!out->direct) {
		rc = fsync(out->fd) < 0 ? -errno : give_name(out);
		if (rc == 0)
			rc = sync_folder(out->path);
	}
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", out->path) : 0;
}

void cps_outfile_close(struct cps_outfile *out)
{
	if (out->aside)
		unlink(out->aside);
	free(out->aside);
	if (out->fd >= 0)
		close(out->fd);
	*out = (struct cps_outfile)CPS_OUTFILE_INIT;
}

int cps_stdout_write(void *ctx, const void *data, size_t len, struct cps_err *err)
{
	int rc = cps_write_full(STDOUT_FILENO, data, len);

	return rc < 0 ? cps_err_sys(err, rc, "standard output") : 0;
}
