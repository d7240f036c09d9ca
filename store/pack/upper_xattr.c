/* Extended attributes of an upper directory: those that belong to the files, and those
 * in which overlayfs and fuse-overlayfs keep their own affairs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "store/pack/upper_internal.h"

#define PROC_PATH_MAX (CPS_NAME_MAX + 40) /* bytes */

/* The calls take paths only; this one goes through the folder's descriptor. */
static void proc_path(int dirfd, const char *name, char out[PROC_PATH_MAX])
{
	snprintf(out, PROC_PATH_MAX, "/proc/self/fd/%d/%s", dirfd, name);
}

static int read_names(const char *path, struct cps_buf *out)
{
	ssize_t n = llistxattr(path, NULL, 0);
	uint8_t *at;

	out->len = 0;
	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	if (n == 0)
		return 0;
	if (cps_buf_zeros(out, (size_t)n, &at) < 0)
		return -ENOMEM;
	n = llistxattr(path, (char *)at, (size_t)n);
	if (n < 0)
		return -errno;
	out->len = (size_t)n;
	return 0;
}

static int read_value(const char *path, const char *name, struct cps_buf *values,
		      uint32_t *len)
{
	ssize_t n = lgetxattr(path, name, NULL, 0);
	uint8_t *at;

	if (n < 0)
		return -errno;
	/* A byte more: text values get their NUL. */
	if (cps_buf_zeros(values, (size_t)n + 1, &at) < 0)
		return -ENOMEM;
	if (n > 0 && (n = lgetxattr(path, name, at, (size_t)n)) < 0)
		return -errno;
	*len = (uint32_t)n;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct cps_tar_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int cps_upper_xattrs_read(int dirfd, const char *name, struct cps_upper_xattrs *out)
{
	char path[PROC_PATH_MAX];
	size_t at = 0;
	int rc;

	proc_path(dirfd, name, path);
	out->count = out->values.len = 0;
	rc = read_names(path, &out->names);
	for (size_t pos = 0; rc == 0 && pos < out->names.len;) {
		struct cps_tar_xattr x = {.name = (const char *)out->names.data + pos};

		pos += strlen(x.name) + 1;
		rc = read_value(path, x.name, &out->values, &x.value_len);
		if (rc == 0 && cps_grow(&out->items, &out->cap, out->count + 1,
					sizeof(*out->items)) < 0)
			rc = -ENOMEM;
		if (rc == 0)
			out->items[out->count++] = x;
	}
	/* Now the values do not move any more. */
	for (size_t i = 0; rc == 0 && i < out->count; i++) {
		out->items[i].value = out->values.data + at;
		at += out->items[i].value_len + 1;
	}
	if (rc == 0 && out->count)
		qsort(out->items, out->count, sizeof(*out->items), by_name);
	return rc;
}

void cps_upper_xattrs_release(struct cps_upper_xattrs *xattrs)
{
	free(xattrs->items);
	cps_buf_release(&xattrs->names);
	cps_buf_release(&xattrs->values);
	*xattrs = (struct cps_upper_xattrs){0};
}

/* ---- marks ---- */

/* The rest of a name that belongs to a union filesystem, or NULL. */
static const char *own_name(const char *name)
{
	static const char *const prefixes[] = {"trusted.overlay.", "user.overlay.",
					       "user.fuseoverlayfs.",
					       "security.fuseoverlayfs."};

	for (size_t i = 0; i < CPS_ARRAY_LEN(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return name + strlen(prefixes[i]);
	return strcmp(name, "user.containers.override_stat") == 0 ? "override_stat"
								  : NULL;
}

static uint32_t device_type(const char *text, const char *prefix, uint32_t type,
			    dev_t *rdev)
{
	unsigned int high, low;
	size_t len = strlen(prefix);

	if (strncmp(text, prefix, len) != 0 ||
	    sscanf(text + len, "%u-%u", &high, &low) != 2)
		return 0;
	*rdev = makedev(high, low);
	return type;
}

/* "file", "dir", "symlink", "pipe", "socket", "block-MAJOR-MINOR", "char-MAJOR-MINOR"
 */
static uint32_t type_of(const char *text, uint32_t now, dev_t *rdev)
{
	static const struct {
		const char *name;
		uint32_t type;
	} types[] = {{"file", S_IFREG},
		     {"dir", S_IFDIR},
		     {"symlink", S_IFLNK},
		     {"pipe", S_IFIFO},
		     {"socket", S_IFSOCK}};
	uint32_t type;

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++)
		if (strcmp(text, types[i].name) == 0)
			return types[i].type;
	type = device_type(text, "block-", S_IFBLK, rdev);
	if (!type)
		type = device_type(text, "char-", S_IFCHR, rdev);
	return type ? type : now;
}

/* "UID:GID:MODE[:TYPE]", the mode in octal. */
static void read_override(const char *text, const struct stat *st,
			  struct cps_upper_marks *out)
{
	unsigned int uid, gid, mode;
	int end = 0;

	if (sscanf(text, "%u:%u:%o%n", &uid, &gid, &mode, &end) != 3)
		return;
	out->has_override = true;
	out->uid = uid;
	out->gid = gid;
	out->mode = mode & 07777;
	out->mode |= text[end] == ':'
			     ? type_of(text + end + 1, st->st_mode & S_IFMT, &out->rdev)
			     : st->st_mode & S_IFMT;
}

static void take_mark(const char *own, const struct cps_tar_xattr *x,
		      const struct stat *st, struct cps_upper_marks *out)
{
	const char *value = (const char *)x->value;

	/* "x" on a folder only says that whiteouts in it may be files. */
	if (strcmp(own, "opaque") == 0)
		out->opaque = strcmp(value, "y") == 0;
	else if (strcmp(own, "whiteout") == 0)
		out->whiteout = S_ISREG(st->st_mode) && st->st_size == 0;
	else if (strcmp(own, "redirect") == 0 || strcmp(own, "metacopy") == 0)
		out->refused = x->name;
	else if (strcmp(own, "override_stat") == 0)
		read_override(value, st, out);
}

void cps_upper_marks_take(struct cps_upper_xattrs *xattrs, const struct stat *st,
			  struct cps_upper_marks *out)
{
	size_t kept = 0;

	*out = (struct cps_upper_marks){.rdev = st->st_rdev};
	for (size_t i = 0; i < xattrs->count; i++) {
		const char *own = own_name(xattrs->items[i].name);

		if (own)
			take_mark(own, &xattrs->items[i], st, out);
		else
			xattrs->items[kept++] = xattrs->items[i];
	}
	xattrs->count = kept;
}

int cps_upper_look(int dirfd, const char *name, struct stat *st,
		   struct cps_upper_xattrs *xattrs, struct cps_upper_marks *marks)
{
	int rc = fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	if (rc == 0)
		rc = cps_upper_xattrs_read(dirfd, name, xattrs);
	if (rc < 0)
		return rc;
	cps_upper_marks_take(xattrs, st, marks);
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0 && !marks->has_override)
		marks->whiteout = true;
	if (!marks->has_override)
		return 0;
	st->st_uid = marks->uid;
	st->st_gid = marks->gid;
	st->st_mode = marks->mode;
	st->st_rdev = marks->rdev;
	return 0;
}
