#define FUSE_USE_VERSION 314

#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/detached.h"
#include "fs/init_reply.h"
#include "fs/ops.h"
#include "fs/readahead.h"
#include "fs/seeker.h"
#include "store/base/fd.h"
#include "store/base/log.h"

#define READ_AHEAD_KIB    1024u
#define GRACE_MS          2000  /* for the last users after a signal */
#define DETACHED_GRACE_MS 10000 /* for what the kernel writes back at the end */

struct cps_mount {
	struct cps_ops ops;
	struct fuse_session *se;
	struct cps_loop *loop;
	bool mounted;
};

/* ---- the device ---- */

static ssize_t device_read(int fd, void *buf, size_t len, void *userdata)
{
	return read(fd, buf, len);
}

static ssize_t device_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct cps_ops *ops = userdata;
	const struct cps_init_wishes wishes = {
		.default_permissions = ops->default_permissions,
		.writable = cps_top_writable(ops->top),
		.kernel_flags = ops->kernel_flags,
	};
	ssize_t n;

	if (!ops->init_reply)
		return writev(fd, iov, count);
	ops->init_reply = false; /* nobody else answers before INIT is answered */
	cps_init_reply_patch(iov, count, &wishes);
	n = writev(fd, iov, count);
	/* Not before: the answer to INIT sets the kernel's own figure. */
	if (n >= 0 &&
	    cps_readahead_raise(ops->mountpoint, ops->root, READ_AHEAD_KIB) < 0)
		cps_debug("the kernel keeps its read-ahead");
	return n;
}

static const struct fuse_custom_io device_io = {
	.writev = device_writev,
	.read = device_read,
};

/* ---- mounting ---- */

static void log_libfuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	cps_log(level <= FUSE_LOG_ERR ? CPS_LOG_ERROR : CPS_LOG_DEBUG, "%s", text);
}

static int option_text(const struct cps_mount_opts *opts, bool writable, char **out)
{
	cps_auto(cps_buf) struct cps_buf fsname = CPS_BUF_INIT(0);
	const struct {
		const char *name;
		bool set;
	} flags[] = {
		{writable ? "rw" : "ro", true},
		{"subtype=capas", true},
		{opts->suid ? "suid" : "nosuid", true},
		{opts->dev ? "dev" : "nodev", true},
		{"noexec", opts->noexec},
		{"noatime", opts->noatime},
		{"nodiratime", opts->nodiratime},
		{"allow_other", opts->allow_other},
		{"default_permissions", opts->default_permissions},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(flags); i++)
		if (flags[i].set && fuse_opt_add_opt(out, flags[i].name) < 0)
			return -ENOMEM;
	if (cps_buf_printf(&fsname, "fsname=%s", opts->fsname ? opts->fsname : "capas"))
		return -ENOMEM;
	return fuse_opt_add_opt_escaped(out, cps_buf_cstr(&fsname)) < 0 ? -ENOMEM : 0;
}

static int new_session(struct cps_mount *mount, const struct cps_mount_opts *opts,
		       struct cps_err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	cps_auto(cps_free) char *text = NULL;
	int rc = option_text(opts, cps_top_writable(mount->ops.top), &text);

	if (rc == 0 &&
	    (fuse_opt_add_arg(&args, "capas") < 0 ||
	     fuse_opt_add_arg(&args, "-o") < 0 || fuse_opt_add_arg(&args, text) < 0))
		rc = -ENOMEM;
	if (rc == 0) {
		fuse_set_log_func(log_libfuse);
		mount->se = fuse_session_new(&args, &cps_fuse_ops, sizeof(cps_fuse_ops),
					     &mount->ops);
	}
	fuse_opt_free_args(&args);
	if (rc < 0)
		return cps_err_nomem(err);
	return mount->se ? 0 : cps_err_set(err, -EINVAL, "libfuse takes no session");
}

/* The driver leaves its folder, so the name must not depend on it. */
static int find_mountpoint(struct cps_mount *mount, const char *name,
			   struct cps_err *err)
{
	struct statvfs numbers;
	struct stat st;

	mount->ops.mountpoint = realpath(name, NULL);
	/* Of a dead mount the kernel may still have the attributes, but no numbers. */
	if (!mount->ops.mountpoint || stat(mount->ops.mountpoint, &st) < 0 ||
	    statvfs(mount->ops.mountpoint, &numbers) < 0)
		return cps_err_sys(err, -errno, "mountpoint '%s'%s", name,
				   errno == ENOTCONN ? " (of a driver that died: "
						       "unmount it first)"
						     : "");
	if (!S_ISDIR(st.st_mode))
		return cps_err_sys(err, -ENOTDIR, "mountpoint '%s'", name);
	return 0;
}

static int find_device(struct cps_err *err)
{
	return access("/dev/fuse", F_OK) == 0
		       ? 0
		       : cps_err_set(err, -ENODEV,
				     "there is no /dev/fuse: the kernel's fuse module "
				     "is not loaded, or the device is not in this "
				     "container");
}

static int attach_at(struct cps_mount *mount, struct cps_err *err)
{
	errno = 0;
	if (fuse_session_mount(mount->se, mount->ops.mountpoint) < 0)
		return cps_err_sys(err, errno ? -errno : -EIO, "mount at '%s'",
				   mount->ops.mountpoint);
	mount->mounted = true;
	return 0;
}

/* libfuse takes a device that somebody else has opened by this name. */
static int attach_detached(struct cps_mount *mount, const struct cps_mount_opts *opts,
			   struct cps_err *err)
{
	cps_auto(cps_fd) int device = -1;
	char name[32];
	int rc = cps_detached_new(opts, cps_top_writable(mount->ops.top), &device,
				  &mount->ops.root, err);

	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "/dev/fd/%d", device);
	if (fuse_session_mount(mount->se, name) < 0)
		return cps_err_set(err, -EIO, "libfuse does not take the device");
	CPS_TAKE_FD(device);
	return 0;
}

static int attach(struct cps_mount *mount, const struct cps_mount_opts *opts,
		  struct cps_err *err)
{
	int rc = opts->mountpoint ? attach_at(mount, err)
				  : attach_detached(mount, opts, err);

	if (rc < 0)
		return rc;
	rc = fuse_session_custom_io(mount->se, &device_io, fuse_session_fd(mount->se));
	return rc < 0 ? cps_err_sys(err, rc, "/dev/fuse") : 0;
}

int cps_mount_open(struct cps_top *top, const struct cps_mount_opts *opts,
		   struct cps_mount **out, struct cps_err *err)
{
	cps_auto(cps_mount_close) struct cps_mount *mount = calloc(1, sizeof(*mount));
	struct cps_loop_opts loop = {
		.threads = opts->threads,
		.spin_us = opts->spin_us,
	};
	int rc;

	if (!mount)
		return cps_err_nomem(err);
	mount->ops.top = top;
	mount->ops.root = -1;
	mount->ops.writeback = opts->writeback && cps_top_writable(top);
	mount->ops.default_permissions = opts->default_permissions;
	rc = opts->mountpoint ? find_mountpoint(mount, opts->mountpoint, err) : 0;
	if (rc == 0)
		rc = find_device(err);
	if (rc == 0)
		rc = new_session(mount, opts, err);
	if (rc == 0)
		rc = attach(mount, opts, err);
	if (rc < 0)
		return rc;
	loop.se = mount->se;
	loop.fd = mount->ops.fd = fuse_session_fd(mount->se);
	loop.raw = cps_ops_raw;
	loop.raw_ctx = &mount->ops;
	rc = cps_loop_new(&loop, &mount->loop, err);
	if (rc < 0)
		return rc;
	mount->ops.loop = mount->loop;
	mount->ops.se = mount->se;
	if (cps_top_writable(top))
		rc = cps_seeker_start(top, mount->se, &mount->ops.seeker, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(mount);
	return 0;
}

void cps_mount_close(struct cps_mount *mount)
{
	if (!mount)
		return;
	cps_mount_stop(mount, NULL);
	cps_loop_free(mount->loop);
	cps_seeker_stop(mount->ops.seeker);
	if (mount->mounted)
		fuse_session_unmount(mount->se); /* only if it is still there */
	if (mount->se)
		fuse_session_destroy(mount->se);
	free(mount->ops.mountpoint);
	free(mount);
}

/* ---- signals ---- */

static const int stop_signals[] = {SIGTERM, SIGINT, SIGHUP};

/* A handler has no argument of its own; -1 while nothing is served. */
static atomic_int stop_fd = -1;

static void on_stop(int signal)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)!write(atomic_load(&stop_fd), &one, sizeof(one));
	errno = saved;
}

struct signals {
	int fd; /* readable once a signal came */
	struct sigaction before[CPS_ARRAY_LEN(stop_signals)];
};

static int catch_signals(struct signals *signals, struct cps_err *err)
{
	const struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
	int nobody = -1;

	signals->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals->fd < 0)
		return cps_err_sys(err, -errno, "make an eventfd");
	if (!atomic_compare_exchange_strong(&stop_fd, &nobody, signals->fd)) {
		close(signals->fd);
		return cps_err_set(err, -EBUSY, "this process serves a mount already");
	}
	for (size_t i = 0; i < CPS_ARRAY_LEN(stop_signals); i++)
		sigaction(stop_signals[i], &action, &signals->before[i]);
	return 0;
}

static void release_signals(struct signals *signals)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(stop_signals); i++)
		sigaction(stop_signals[i], &signals->before[i], NULL);
	atomic_store(&stop_fd, -1);
	close(signals->fd);
}

/* ---- serving ---- */

/* Wait for the loop's end, a signal (`signal_fd` may be -1) or the time. Did it end? */
static bool await_end(const struct cps_mount *mount, int signal_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = cps_loop_end_fd(mount->loop), .events = POLLIN},
		{.fd = signal_fd, .events = POLLIN},
	};
	int n;

	do
		n = poll(fds, CPS_ARRAY_LEN(fds), timeout_ms);
	while (n < 0 && errno == EINTR);
	return n > 0 && fds[0].revents;
}

/* New users find nothing, those that are inside may finish. What an ordinary user may
 * not detach, cps_mount_close() has fusermount3 unmount. */
static void detach(struct cps_mount *mount)
{
	if (umount2(mount->ops.mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		await_end(mount, -1, GRACE_MS);
	cps_loop_end(mount->loop);
}

int cps_mount_serve(struct cps_mount *mount, struct cps_err *err)
{
	struct signals signals;
	int rc = catch_signals(&signals, err);

	if (rc < 0)
		return rc;
	rc = cps_loop_start(mount->loop, err);
	if (rc == 0) {
		if (!await_end(mount, signals.fd, -1))
			detach(mount);
		rc = cps_loop_join(mount->loop);
		if (rc < 0)
			cps_err_sys(err, rc, "read requests from the kernel");
	}
	release_signals(&signals);
	return rc;
}

/* ---- serving a detached one ---- */

int cps_mount_start(struct cps_mount *mount, struct cps_err *err)
{
	return cps_loop_start(mount->loop, err);
}

int cps_mount_root(const struct cps_mount *mount)
{
	return mount->ops.root;
}

int cps_mount_stop(struct cps_mount *mount, struct cps_err *err)
{
	int rc;

	if (mount->ops.root < 0)
		return 0;
	/* The last holder unmounts, and the kernel writes back what it holds. */
	close(CPS_TAKE_FD(mount->ops.root));
	if (!mount->loop)
		return 0;
	await_end(mount, -1, DETACHED_GRACE_MS);
	cps_loop_end(mount->loop);
	rc = cps_loop_join(mount->loop);
	return rc < 0 ? cps_err_sys(err, rc, "read requests from the kernel") : 0;
}
