#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "differ.h"

/* ---- operations on names ---- */

static void run_create(const struct op *op, struct root *root, struct result *out)
{
	int flags = O_CREAT | O_NONBLOCK | (op->bits & 1 ? O_EXCL : 0) |
		    (op->bits & 2 ? O_TRUNC : 0) | (op->bits & 4 ? O_RDWR : O_RDONLY) |
		    (op->bits & 24 ? 0 : O_NOFOLLOW);
	int fd = openat(root->dirfd, op->a, flags, op->mode);

	out->rc = fd < 0 ? -1 : 0;
	if (fd >= 0)
		close(fd);
}

static void run_mkdir(const struct op *op, struct root *root, struct result *out)
{
	out->rc = mkdirat(root->dirfd, op->a, op->mode & 07777);
}

static void run_mknod(const struct op *op, struct root *root, struct result *out)
{
	/* Numbers that are harmless to open. */
	static const struct {
		mode_t type;
		unsigned int major, minor;
	} kinds[] = {{S_IFIFO, 0, 0},       {S_IFSOCK, 0, 0},        {S_IFREG, 0, 0},
		     {S_IFCHR, 1, 3},       {S_IFCHR, 1, 5},         {S_IFBLK, 250, 7},
		     {S_IFCHR, 250, 70000}, {S_IFBLK, 250, 1u << 19}};
	size_t i = op->bits % (sizeof(kinds) / sizeof(*kinds));

	out->rc = mknodat(root->dirfd, op->a, kinds[i].type | (op->mode & 07777),
			  makedev(kinds[i].major, kinds[i].minor));
}

static void run_symlink(const struct op *op, struct root *root, struct result *out)
{
	char target[PATH_MAX];

	switch (op->bits % 4) {
	case 0: /* to a neighbour, or to itself */
		snprintf(target, sizeof(target), "n%u", op->bits / 4 % 24);
		break;
	case 1:
		snprintf(target, sizeof(target), "/no/such/place%u", op->bits / 4);
		break;
	case 2: /* ext4 has room for a block less two */
		memset(target, 't', 4094);
		target[op->bits & 64 ? 4094 : 300] = '\0';
		break;
	default:
		snprintf(target, sizeof(target), "./n%u/n%u", op->bits / 4 % 24,
			 op->bits / 96 % 24);
	}
	out->rc = symlinkat(target, root->dirfd, op->a);
}

static void run_readlink(const struct op *op, struct root *root, struct result *out)
{
	char target[PATH_MAX];

	out->rc = readlinkat(root->dirfd, op->a, target,
			     op->bits & 1 ? sizeof(target) : 1 + op->bits % 40);
	if (out->rc > 0)
		out->digest = digest(0, target, (size_t)out->rc);
}

static void run_link(const struct op *op, struct root *root, struct result *out)
{
	out->rc = linkat(root->dirfd, op->a, root->dirfd, op->b,
			 op->bits % 4 ? 0 : AT_SYMLINK_FOLLOW);
}

/* A file without a name that gets one, or stays as an open file. */
static void run_tmpfile(const struct op *op, struct root *root, struct result *out)
{
	char proc[64], data[5000];
	int fd = openat(root->dirfd, op->a,
			O_TMPFILE | O_RDWR | (op->bits & 16 ? O_EXCL : 0),
			op->mode & 0777);

	out->rc = fd < 0 ? -1 : 0;
	if (fd < 0)
		return;
	fill(data, sizeof(data), op->seed);
	out->rc = pwrite(fd, data, op->len % sizeof(data), (off_t)(op->off % 10000));
	if (out->rc >= 0 && op->bits & 3) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		out->rc = linkat(AT_FDCWD, proc, root->dirfd, op->b, AT_SYMLINK_FOLLOW);
	}
	if (root->slot[op->s] >= 0)
		close(root->slot[op->s]);
	root->slot[op->s] = fd;
}

static void run_unlink(const struct op *op, struct root *root, struct result *out)
{
	out->rc = unlinkat(root->dirfd, op->a, op->bits % 16 ? 0 : AT_REMOVEDIR);
}

static void run_rmdir(const struct op *op, struct root *root, struct result *out)
{
	out->rc = unlinkat(root->dirfd, op->a, AT_REMOVEDIR);
}

static void run_rename(const struct op *op, struct root *root, struct result *out)
{
	static const unsigned int flags[] = {0,
					     0,
					     0,
					     RENAME_NOREPLACE,
					     RENAME_EXCHANGE,
					     RENAME_EXCHANGE | RENAME_NOREPLACE};

	out->rc = renameat2(root->dirfd, op->a, root->dirfd, op->b,
			    flags[op->bits % (sizeof(flags) / sizeof(*flags))]);
}

static void run_exchange(const struct op *op, struct root *root, struct result *out)
{
	out->rc = renameat2(root->dirfd, op->a, root->dirfd, op->b, RENAME_EXCHANGE);
}

/* What editors and package managers do: write aside, rename over. */
static void run_replace(const struct op *op, struct root *root, struct result *out)
{
	char data[6000];
	int fd = openat(root->dirfd, op->b, O_CREAT | O_EXCL | O_WRONLY,
			op->mode & 0777);

	out->rc = fd < 0 ? -1 : 0;
	if (fd < 0)
		return;
	fill(data, sizeof(data), op->seed);
	out->rc = write(fd, data, op->len % sizeof(data));
	if (op->bits % 16 == 0)
		fsync(fd);
	close(fd);
	if (out->rc >= 0)
		out->rc = renameat(root->dirfd, op->b, root->dirfd, op->a);
}

const struct op_kind name_ops[] = {
	{"create", 60, EITHER, NONE, false, run_create},
	{"mkdir", 35, NEW, NONE, false, run_mkdir},
	{"mknod", 15, NEW, NONE, false, run_mknod},
	{"symlink", 15, NEW, NONE, false, run_symlink},
	{"readlink", 8, ANY, NONE, false, run_readlink},
	{"link", 25, FILES, NEW, false, run_link},
	{"link-any", 8, ANY, EITHER, false, run_link},
	{"tmpfile", 15, FOLDER, NEW, false, run_tmpfile},
	{"unlink", 55, ANY, NONE, false, run_unlink},
	{"rmdir", 20, FOLDER, NONE, false, run_rmdir},
	{"rename", 40, ANY, EITHER, false, run_rename},
	{"rename-folder", 25, FOLDER, NEW, false, run_rename},
	{"rename-over-folder", 10, FOLDER, FOLDER, false, run_rename},
	{"exchange", 12, ANY, ANY, false, run_exchange},
	{"replace", 20, FILES, NEW, false, run_replace},
	{0},
};
