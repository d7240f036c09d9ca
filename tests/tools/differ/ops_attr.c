#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "differ.h"

/* ---- operations on attributes ---- */

static void proc_path(const struct root *root, const struct op *op,
		      char out[PATH_MAX * 2])
{
	snprintf(out, PATH_MAX * 2, "%s/%s", root->path, op->a);
}

static void run_chmod(const struct op *op, struct root *root, struct result *out)
{
	out->rc = fchmodat(root->dirfd, op->a, op->mode & 07777, 0);
}

/* chown to neither owner clears setuid, but FUSE does not tell the driver of it. */
static void run_chown(const struct op *op, struct root *root, struct result *out)
{
	static const int ids[] = {-1, 0, 1000, 1001, 70000};
	int uid = ids[op->bits % 5], gid = ids[op->bits / 5 % 5];

	out->rc = fchownat(root->dirfd, op->a, (uid_t)uid,
			   (gid_t)(uid < 0 && gid < 0 ? 0 : gid),
			   op->bits & 0x1000 ? AT_SYMLINK_NOFOLLOW : 0);
}

/* Times in the past, to the nanosecond: the tree is compared to them later. */
static void old_times(const struct op *op, struct timespec times[2])
{
	for (int i = 0; i < 2; i++) {
		times[i].tv_sec = (time_t)(op->seed >> (i * 20) & 0x3fffffff) - 1000;
		times[i].tv_nsec = (long)((op->seed >> (i * 30)) % 1000000000);
	}
	if (op->bits % 8 == 0)
		times[op->bits / 8 % 2].tv_nsec = UTIME_OMIT;
	else if (op->bits % 8 == 1)
		times[op->bits / 8 % 2].tv_nsec = UTIME_NOW;
}

static void run_utimens(const struct op *op, struct root *root, struct result *out)
{
	int flags = op->bits & 0x1000 ? AT_SYMLINK_NOFOLLOW : 0;
	struct timespec times[2];
	struct stat st;

	old_times(op, times);
	out->rc = utimensat(root->dirfd, op->a, times, flags);
	if (out->rc == 0 && times[0].tv_nsec < 1000000000 &&
	    fstatat(root->dirfd, op->a, &st, flags) == 0)
		snprintf(out->note, sizeof(out->note), "atime %lld.%09ld",
			 (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec);
}

static void run_access(const struct op *op, struct root *root, struct result *out)
{
	out->rc = syscall(SYS_faccessat2, root->dirfd, op->a, op->bits & 7,
			  AT_EACCESS | (op->bits & 16 ? AT_SYMLINK_NOFOLLOW : 0));
}

static void run_statx(const struct op *op, struct root *root, struct result *out)
{
	struct statx st;

	out->rc = statx(root->dirfd, op->a,
			(op->bits & 1 ? AT_SYMLINK_NOFOLLOW : 0) |
				(op->bits & 2 ? AT_STATX_FORCE_SYNC : 0),
			STATX_BASIC_STATS, &st);
	if (out->rc == 0)
		snprintf(out->note, sizeof(out->note), "%o %u %u %llu", st.stx_mode,
			 st.stx_uid, st.stx_gid,
			 S_ISDIR(st.stx_mode) ? 0 : (unsigned long long)st.stx_size);
}

/* ---- extended attributes ---- */

static const char *xattr_name(const struct op *op)
{
	static const char *const names[] = {
		"user.a",         "user.b.c", "trusted.t", "user.\xc3\xa9",
		"security.other", "user.",    "bogus.x"};
	size_t n = sizeof(names) / sizeof(*names);

	/* The last two are refused; seldom. */
	return names[op->bits % 16 ? op->bits / 16 % (n - 2) : op->bits / 16 % n];
}

static void run_setxattr(const struct op *op, struct root *root, struct result *out)
{
	static const int flags[] = {0, 0, 0, XATTR_CREATE, XATTR_REPLACE};
	char path[PATH_MAX * 2], value[300];

	proc_path(root, op, path);
	fill(value, sizeof(value), op->seed);
	out->rc = lsetxattr(path, xattr_name(op), value, op->len % sizeof(value),
			    flags[op->bits / 512 % 5]);
}

static void run_getxattr(const struct op *op, struct root *root, struct result *out)
{
	char path[PATH_MAX * 2], value[400];
	size_t size = op->bits & 0x10000 ? sizeof(value) : op->len % 300;

	proc_path(root, op, path);
	out->rc = lgetxattr(path, xattr_name(op), value, size);
	if (out->rc > 0 && size)
		out->digest = digest(0, value, (size_t)out->rc);
}

static void run_removexattr(const struct op *op, struct root *root, struct result *out)
{
	char path[PATH_MAX * 2];

	proc_path(root, op, path);
	out->rc = lremovexattr(path, xattr_name(op));
}

/* An ACL as the kernel wants it; random, and now and then not valid. */
static size_t acl_make(const struct op *op, uint8_t acl[128])
{
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[] = {{1, op->bits & 7, ~0u},        {2, op->bits >> 3 & 7, 1000},
		       {4, op->bits >> 6 & 7, ~0u},   {8, op->bits >> 9 & 7, 1001},
		       {16, op->bits >> 12 & 7, ~0u}, {32, op->bits >> 15 & 7, ~0u}};
	size_t n = 0;
	uint32_t version = 2;

	memcpy(acl, &version, 4);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		bool named = entries[i].tag == 2 || entries[i].tag == 8;

		if (named && op->bits >> (20 + i) & 1)
			continue;
		memcpy(acl + 4 + 8 * n++, &entries[i], 8);
	}
	return 4 + 8 * n - (op->bits % 64 == 63);
}

static void run_setacl(const struct op *op, struct root *root, struct result *out)
{
	const char *name = op->bits >> 28 & 1 ? "system.posix_acl_default"
					      : "system.posix_acl_access";
	char path[PATH_MAX * 2];
	uint8_t acl[128];

	proc_path(root, op, path);
	if (op->bits >> 29 == 0)
		out->rc = removexattr(path, name);
	else
		out->rc = setxattr(path, name, acl, acl_make(op, acl), 0);
}

/* setuid and file capabilities, for later writes to clear. */
static void run_setpriv(const struct op *op, struct root *root, struct result *out)
{
	static const uint8_t caps[20] = {1, 0, 0, 2, 0, 4};
	char path[PATH_MAX * 2];

	proc_path(root, op, path);
	out->rc = fchmodat(root->dirfd, op->a, 0777 | (op->bits & 3) << 10, 0);
	if (out->rc == 0 && op->bits & 4)
		out->rc = setxattr(path, "security.capability", caps, sizeof(caps), 0);
}

/* ---- the same on open files ---- */

static void run_fchmod(const struct op *op, struct root *root, struct result *out)
{
	out->rc = fchmod(root->slot[op->s], op->mode & 07777);
}

static void run_fchown(const struct op *op, struct root *root, struct result *out)
{
	static const int ids[] = {-1, 0, 1000, 1001};
	int uid = ids[op->bits % 4], gid = ids[op->bits / 4 % 4];

	out->rc = fchown(root->slot[op->s], (uid_t)uid,
			 (gid_t)(uid < 0 && gid < 0 ? 0 : gid));
}

static void run_futimens(const struct op *op, struct root *root, struct result *out)
{
	struct timespec times[2];

	old_times(op, times);
	out->rc = futimens(root->slot[op->s], times);
}

static void run_fsetxattr(const struct op *op, struct root *root, struct result *out)
{
	char value[300];

	fill(value, sizeof(value), op->seed);
	out->rc = op->bits >> 20 & 3 ? fsetxattr(root->slot[op->s], xattr_name(op),
						 value, op->len % sizeof(value), 0)
				     : fremovexattr(root->slot[op->s], xattr_name(op));
}

const struct op_kind attr_ops[] = {
	{"chmod", 25, ANY, NONE, false, run_chmod},
	{"chown", 25, ANY, NONE, false, run_chown},
	{"utimens", 30, ANY, NONE, false, run_utimens},
	{"access", 8, ANY, NONE, false, run_access},
	{"statx", 15, EITHER, NONE, false, run_statx},
	{"setxattr", 25, ANY, NONE, false, run_setxattr},
	{"getxattr", 10, ANY, NONE, false, run_getxattr},
	{"removexattr", 10, ANY, NONE, false, run_removexattr},
	{"setacl", 15, ANY, NONE, false, run_setacl},
	{"setpriv", 15, FILES, NONE, false, run_setpriv},
	{"fchmod", 8, NONE, NONE, true, run_fchmod},
	{"fchown", 8, NONE, NONE, true, run_fchown},
	{"futimens", 8, NONE, NONE, true, run_futimens},
	{"fsetxattr", 8, NONE, NONE, true, run_fsetxattr},
	{0},
};
