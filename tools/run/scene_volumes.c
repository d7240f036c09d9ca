#include "tools/run/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "store/base/fd.h"
#include "store/base/path.h"
#include "tools/run/inside.h"
#include "tools/run/mounts.h"

/* One thing to mount; where it comes from. */
struct item {
	char path[CPS_PATH_MAX + 1];     /* relative to the root, cleaned */
	const struct cps_volume *volume; /* or */
	const char *tmpfs;               /* "PATH[:OPTIONS]", or */
	const char *name, *content;      /* a file of ours, or none: the root's own */
	size_t depth, order;
};

/* Say where it goes: `len` bytes of `target`. */
static int place(struct item *item, const char *target, size_t len, struct cps_err *err)
{
	size_t pos = 0, name_len;
	const char *name;

	if (target[0] != '/' || len > CPS_PATH_MAX)
		return cps_err_set(err, -EINVAL, "mount on '%s': not an absolute path",
				   target);
	len = cps_path_clean(target, len, item->path);
	item->path[len] = '\0';
	while (cps_path_next(item->path, len, &pos, &name, &name_len))
		item->depth++;
	if (item->depth == 0)
		return cps_err_set(err, -EINVAL, "mount on '%s': that is the root",
				   target);
	return 0;
}

/* ---- tmpfs ---- */

#define TMPFS_OPTIONS_MAX 32

/* Docker's: nothing is run, set-id or opened as a device unless asked. */
static int tmpfs_flag(const char *word, unsigned int *attrs)
{
	static const struct {
		const char *word;
		unsigned int set, clear;
	} flags[] = {
		{"ro", MOUNT_ATTR_RDONLY, 0},
		{"rw", 0, MOUNT_ATTR_RDONLY},
		{"exec", 0, MOUNT_ATTR_NOEXEC},
		{"noexec", MOUNT_ATTR_NOEXEC, 0},
		{"suid", 0, MOUNT_ATTR_NOSUID},
		{"nosuid", MOUNT_ATTR_NOSUID, 0},
		{"dev", 0, 0},
		{"nodev", 0, 0},
		{"noatime", MOUNT_ATTR_NOATIME, 0},
		{"relatime", 0, 0},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(flags); i++)
		if (strcmp(word, flags[i].word) == 0) {
			*attrs = (*attrs | flags[i].set) & ~flags[i].clear;
			return 1;
		}
	return 0;
}

static bool tmpfs_value(const char *word)
{
	static const char *const keys[] = {
		"size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks="};

	for (size_t i = 0; i < CPS_ARRAY_LEN(keys); i++)
		if (strncmp(word, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

static int new_tmpfs(const char *text, struct cps_err *err)
{
	const char *colon = strchr(text, ':'), *options[TMPFS_OPTIONS_MAX + 1] = {0};
	cps_auto(cps_free) char *words = strdup(colon ? colon + 1 : "");
	unsigned int attrs = CPS_MOUNT_INERT;
	size_t count = 0;
	char *save = NULL;

	if (!words)
		return cps_err_nomem(err);
	for (char *word = strtok_r(words, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		if (tmpfs_flag(word, &attrs))
			continue;
		if (!tmpfs_value(word) || count == TMPFS_OPTIONS_MAX)
			return cps_err_set(err, -EINVAL, "tmpfs '%s': option '%s'",
					   text, word);
		options[count++] = word;
	}
	return cps_mount_new("tmpfs", options, attrs, err);
}

/* ---- files of ours ---- */

static int new_file(const struct cps_scene *scene, const struct item *item,
		    struct cps_err *err)
{
	cps_auto(cps_fd) int fd = openat(scene->stuff, item->name,
					 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno
			: cps_write_full(fd, item->content, strlen(item->content));
	int mount = rc < 0 ? rc : cps_mount_clone(scene->stuff, item->name, false);

	if (mount >= 0)
		cps_mount_set(mount, CPS_MOUNT_INERT, false);
	return mount < 0 ? cps_err_sys(err, mount, "write '%s'", item->name) : mount;
}

/* ---- all of them ---- */

static int open_source(const struct cps_scene *scene, const struct item *item,
		       struct cps_err *err)
{
	uint64_t attrs = MOUNT_ATTR_NODEV;
	int fd, rc;

	if (item->tmpfs)
		return new_tmpfs(item->tmpfs, err);
	if (item->content)
		return new_file(scene, item, err);
	if (item->volume->read_only)
		attrs |= MOUNT_ATTR_RDONLY;
	fd = fcntl(item->volume->source, F_DUPFD_CLOEXEC, 0);
	rc = fd < 0 ? -errno : cps_mount_set(fd, attrs, true);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? cps_err_sys(err, rc, "the volume") : fd;
}

/* Nothing of the machine's may hide or replace what shows the kernel, nor the root. */
static int check_target(const struct cps_scene *scene, int target)
{
	struct statfs fs;
	struct stat st, root;

	if (fstatfs(target, &fs) < 0 || fstat(target, &st) < 0 ||
	    fstat(scene->root, &root) < 0)
		return -errno;
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
	    fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC)
		return -EPERM;
	return st.st_dev == root.st_dev && st.st_ino == root.st_ino ? -EINVAL : 0;
}

static int make_target(const struct cps_scene *scene, const struct item *item,
		       bool folder, struct cps_err *err)
{
	int rc, onto = cps_inside_make_stub(scene->root, item->path, folder, err);

	if (onto < 0)
		return onto;
	rc = check_target(scene, onto);
	if (rc == 0)
		return onto;
	close(onto);
	return cps_err_sys(err, rc, "'%s' in the root", item->path);
}

static bool is_own(const struct item *item)
{
	return !item->volume && !item->tmpfs && !item->content;
}

/* The folder upon itself: what the root becomes later, it does not. */
static int mount_own(const struct cps_scene *scene, const struct item *item,
		     struct cps_err *err)
{
	cps_auto(cps_fd) int mount = -1;
	int onto = make_target(scene, item, true, err);

	if (onto < 0)
		return onto;
	mount = cps_mount_clone(onto, "", false);
	if (mount >= 0)
		return cps_scene_put(mount, onto, item->path, err);
	close(onto);
	return cps_err_sys(err, mount, "clone the folder");
}

static int mount_other(const struct cps_scene *scene, const struct item *item,
		       struct cps_err *err)
{
	cps_auto(cps_fd) int mount = open_source(scene, item, err);
	struct stat st;
	int onto;

	if (mount < 0)
		return mount;
	if (fstat(mount, &st) < 0)
		return cps_err_sys(err, -errno, "what is mounted");
	onto = make_target(scene, item, S_ISDIR(st.st_mode), err);
	return onto < 0 ? onto : cps_scene_put(mount, onto, item->path, err);
}

static int mount_item(const struct cps_scene *scene, const struct item *item,
		      struct cps_err *err)
{
	int rc = is_own(item) ? mount_own(scene, item, err)
			      : mount_other(scene, item, err);

	return rc < 0 ? cps_err_wrap(err, rc, "mount on '/%s'", item->path) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth > y->depth ? 1 : -1;
	return (x->order > y->order) - (x->order < y->order);
}

struct list {
	struct item *items;
	size_t count;
};

static struct item *add(struct list *list)
{
	struct item *item = &list->items[list->count];

	item->order = list->count++;
	return item;
}

/* A volume on the very file goes before ours. */
static int add_file(struct list *list, const char *target, const char *content,
		    struct cps_err *err)
{
	struct item *item;

	if (!content)
		return 0;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].path, target + 1) == 0)
			return 0;
	item = add(list);
	item->name = strrchr(target, '/') + 1;
	item->content = content;
	return place(item, target, strlen(target), err);
}

/* A folder of the root's own, unless something else is on it. */
static int add_own(struct list *list, const char *target, struct cps_err *err)
{
	struct item *item = add(list);
	int rc = place(item, target, strlen(target), err);

	for (size_t i = 0; rc == 0 && i + 1 < list->count; i++)
		if (strcmp(list->items[i].path, item->path) == 0) {
			*item = (struct item){0};
			list->count--;
			break;
		}
	return rc;
}

static int gather(const struct cps_sandbox_opts *opts, const char *hostname_line,
		  struct list *list, struct cps_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < opts->volume_count; i++) {
		struct item *item = add(list);

		item->volume = &opts->volumes[i];
		rc = place(item, item->volume->target, strlen(item->volume->target),
			   err);
	}
	for (size_t i = 0; rc == 0 && i < opts->tmpfs_count; i++) {
		struct item *item = add(list);

		item->tmpfs = opts->tmpfs[i];
		rc = place(item, item->tmpfs, strcspn(item->tmpfs, ":"), err);
	}
	for (size_t i = 0; rc == 0 && i < opts->own_count; i++)
		rc = add_own(list, opts->own[i], err);
	if (rc == 0)
		rc = add_file(list, "/etc/resolv.conf", opts->resolv_conf, err);
	if (rc == 0)
		rc = add_file(list, "/etc/hosts", opts->hosts, err);
	if (rc == 0 && opts->hosts && opts->hostname)
		rc = add_file(list, "/etc/hostname", hostname_line, err);
	return rc;
}

int cps_scene_volumes(struct cps_scene *scene, struct cps_err *err)
{
	size_t max = scene->opts->volume_count + scene->opts->tmpfs_count +
		     scene->opts->own_count + 3;
	cps_auto(cps_free) struct item *items = calloc(max, sizeof(*items));
	struct list list = {.items = items};
	char hostname_line[HOST_NAME_MAX + 2];
	int rc;

	if (!items)
		return cps_err_nomem(err);
	snprintf(hostname_line, sizeof(hostname_line), "%s\n",
		 scene->opts->hostname ? scene->opts->hostname : "");
	rc = gather(scene->opts, hostname_line, &list, err);
	if (rc == 0)
		qsort(items, list.count, sizeof(*items), compare);
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		rc = mount_item(scene, &items[i], err);
	return rc;
}
