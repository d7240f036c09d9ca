/* The mounts that are there: mounts, umount. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/mount.h"
#include "tools/document.h"
#include "tools/options.h"
#include "tools/table.h"

#define DRIVER_END_MS 60000 /* for its last sync */

/* Undo mountinfo's \040 and friends, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
				       (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

typedef int (*mount_fn)(void *ctx, const char *source, const char *dir);

/* Call `fn` for each mount of ours; its first result but 0 ends the walk. */
static int each_mount(mount_fn fn, void *ctx)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	while (f && rc == 0 && getline(&line, &cap, f) > 0) {
		char dir[4096], type[64], source[4096];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", dir) != 1 ||
		    sscanf(dash, " - %63s %4095s", type, source) != 2 ||
		    strcmp(type, "fuse.capas") != 0)
			continue;
		unescape(dir);
		unescape(source);
		rc = fn(ctx, source, dir);
	}
	free(line);
	if (f)
		fclose(f);
	return rc;
}

static int print_mount(void *ctx, const char *source, const char *dir)
{
	cps_table_add(ctx, source);
	cps_table_add(ctx, dir);
	return 0;
}

static int print_mount_json(void *ctx, const char *source, const char *dir)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_text(doc, "Source", source);
	cps_doc_put_text(doc, "Destination", dir);
	cps_doc_list_add(ctx, doc);
	return 0;
}

static int cmd_mounts(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	cps_auto(cps_table) struct cps_table table = CPS_TABLE_INIT(2u);
	struct cps_doc_list list = {.out = stdout};
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	if (CPS_HAS("json")) {
		each_mount(print_mount_json, &list);
		rc = cps_doc_list_end(&list);
	} else {
		print_mount(&table, "SOURCE", "DIR");
		each_mount(print_mount, &table);
		rc = cps_table_print(&table);
	}
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the list");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_mounts = {
	.name = "mounts",
	.run = cmd_mounts,
	.args = "",
	.summary = "list the mounts of capas",
	.options =
		{
			JSON,
		},
};

static int is_dir(void *ctx, const char *source, const char *dir)
{
	return strcmp(ctx, dir) == 0;
}

static int run_fusermount(const char *dir, bool lazy)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", lazy ? "-uzq" : "-uq", "--", dir,
		       (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

/* The process that serves the mount at `dir`; -1: it does not say. */
static int driver_of(const char *dir)
{
	char text[16] = "", path[32], comm[16] = "";
	cps_auto(cps_fd) int fd = -1;
	int pid;

	if (getxattr(dir, CPS_MOUNT_DRIVER_XATTR, text, sizeof(text) - 1) <= 0)
		return -1;
	pid = atoi(text);
	/* It may live in another namespace, where the number means another process. */
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, comm, sizeof(comm) - 1) <= 0 ||
	    strcmp(comm, "capas\n") != 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int unmount(const char *path, bool lazy, struct cps_err *err)
{
	cps_auto(cps_free) char *dir = realpath(path, NULL);
	cps_auto(cps_fd) int driver = -1;
	struct pollfd end = {.events = POLLIN};
	int rc;

	/* A mount whose driver died cannot be walked into, but it can be named. */
	if (!dir && errno == ENOTCONN)
		dir = strdup(path);
	if (!dir)
		return cps_err_sys(err, -errno, "'%s'", path);
	if (!each_mount(is_dir, dir))
		return cps_err_set(err, -EINVAL, "'%s' is no mount of capas", path);
	if (!lazy)
		driver = driver_of(dir);
	rc = umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
	if (rc == -EPERM)
		rc = run_fusermount(dir, lazy);
	/* Unmounted means synced, as everywhere. */
	end.fd = driver;
	if (rc == 0 && driver >= 0)
		poll(&end, 1, DRIVER_END_MS);
	return rc < 0 ? cps_err_sys(err, rc, "'%s'", path) : 0;
}

static int cmd_umount(struct cps_app *app, const struct cps_command *cmd, int argc,
		      char **argv)
{
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args), status = CPS_EXIT_OK;

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	for (int i = 0; i < args.count; i++) {
		struct cps_err err = CPS_ERR_INIT;

		if (unmount(args.args[i], cps_args_get(cmd, &args, "lazy") != NULL,
			    &err) < 0) {
			cps_err_wrap(&err, 0, "umount");
			cps_complain(err.msg);
			status = CPS_EXIT_FAILED;
		}
	}
	return status;
}

const struct cps_command cps_cmd_umount = {
	.name = "umount",
	.run = cmd_umount,
	.min_args = 1,
	.max_args = ANY,
	.args = "DIR...",
	.summary = "unmount",
	.options =
		{
			SWITCH("lazy", 'l', "detach now, end when nobody uses it"),
		},
};
