#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "differ.h"

#define CHUNK     (256u << 10) /* the most one operation writes */
#define DIRECT_AT 4096u

static uint8_t buffer[CHUNK + DIRECT_AT] __attribute__((aligned(4096)));

/* ---- open files ---- */

static void run_open(const struct op *op, struct root *root, struct result *out)
{
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
	int flags = modes[op->bits % 4] | O_NONBLOCK | O_NOCTTY;

	flags |= (op->bits & 0x70) == 0 ? O_TRUNC : 0;
	flags |= (op->bits & 0x300) == 0 ? O_APPEND : 0;
	flags |= (op->bits & 0xc00) == 0 ? O_CREAT : 0;
	flags |= (op->bits & 0xf000) == 0 ? O_NOFOLLOW : 0;
	flags |= (op->bits & 0xf0000) == 0 ? O_DIRECTORY : 0;
	if (root->slot[op->s] >= 0)
		close(root->slot[op->s]);
	root->slot[op->s] = openat(root->dirfd, op->a, flags, op->mode & 0777);
	out->rc = root->slot[op->s] < 0 ? -1 : 0;
}

/* Open, then take its name away: the file lives on in the slot. */
static void run_open_unlinked(const struct op *op, struct root *root,
			      struct result *out)
{
	if (root->slot[op->s] >= 0)
		close(root->slot[op->s]);
	root->slot[op->s] = openat(root->dirfd, op->a,
				   (op->bits & 1 ? O_RDWR : O_RDONLY) | O_NONBLOCK);
	out->rc = root->slot[op->s] < 0 ? -1 : unlinkat(root->dirfd, op->a, 0);
}

static void run_close(const struct op *op, struct root *root, struct result *out)
{
	out->rc = close(root->slot[op->s]);
	root->slot[op->s] = -1;
}

static void run_pread(const struct op *op, struct root *root, struct result *out)
{
	out->rc = pread(root->slot[op->s], buffer, op->len, (off_t)op->off);
	if (out->rc > 0)
		out->digest = digest(0, buffer, (size_t)out->rc);
}

static void run_pwrite(const struct op *op, struct root *root, struct result *out)
{
	fill(buffer, op->len, op->seed);
	out->rc = pwrite(root->slot[op->s], buffer, op->len, (off_t)op->off);
}

static void run_append(const struct op *op, struct root *root, struct result *out)
{
	int fd = openat(root->dirfd, op->a,
			O_WRONLY | O_APPEND | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	out->rc = fd < 0 ? -1 : 0;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < SIZE_LIMIT) {
		fill(buffer, op->len, op->seed);
		out->rc = write(fd, buffer, op->len / 2);
		out->rc += write(fd, buffer + op->len / 2, op->len - op->len / 2);
		out->digest = (uint64_t)lseek(fd, 0, SEEK_CUR);
	}
	close(fd);
}

static void run_ftruncate(const struct op *op, struct root *root, struct result *out)
{
	out->rc = ftruncate(root->slot[op->s], (off_t)op->off);
}

static void run_fsync(const struct op *op, struct root *root, struct result *out)
{
	out->rc =
		op->bits & 1 ? fsync(root->slot[op->s]) : fdatasync(root->slot[op->s]);
}

static void run_fallocate(const struct op *op, struct root *root, struct result *out)
{
	static const int modes[] = {0,
				    FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE};

	out->rc = fallocate(root->slot[op->s], modes[op->bits % 6], (off_t)op->off,
			    (off_t)op->len);
}

/* What is called a hole must read as zeros, and the walk must end at the size. */
static int check_hole(int fd, off_t from, off_t to)
{
	while (from < to) {
		size_t len = (size_t)(to - from) < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = pread(fd, buffer, len, from);

		if (n <= 0)
			return -1;
		for (ssize_t i = 0; i < n; i++)
			if (buffer[i])
				return -1;
		from += n;
	}
	return 0;
}

static void seek_from(int fd, off_t from, off_t size, struct result *out)
{
	off_t data = lseek(fd, from, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		data = size;
	hole = data < size ? lseek(fd, data, SEEK_HOLE) : size;
	if (data < from || data > size || hole > size ||
	    (hole <= data && data < size) || check_hole(fd, from, data) < 0)
		snprintf(out->note, sizeof(out->note),
			 "data %lld hole %lld of %lld lie", (long long)data,
			 (long long)hole, (long long)size);
}

static void run_seek(const struct op *op, struct root *root, struct result *out)
{
	int fd = root->slot[op->s];
	struct stat st;
	off_t beyond;

	out->rc = fstat(fd, &st);
	if (out->rc < 0 || !S_ISREG(st.st_mode) ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		return;
	beyond = lseek(fd, st.st_size, op->bits & 1 ? SEEK_DATA : SEEK_HOLE);
	if (beyond >= 0 || errno != ENXIO)
		snprintf(out->note, sizeof(out->note), "a seek to the size gave %lld",
			 (long long)beyond);
	if ((off_t)op->off < st.st_size)
		seek_from(fd, (off_t)op->off, st.st_size, out);
	lseek(fd, 0, SEEK_SET);
}

static void run_mmap(const struct op *op, struct root *root, struct result *out)
{
	int fd = root->slot[op->s];
	struct stat st;
	size_t from, len;
	uint8_t *map;

	out->rc = fstat(fd, &st);
	if (out->rc < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	out->rc = map == MAP_FAILED ? -1 : 0;
	if (map == MAP_FAILED)
		return;
	from = op->off % (uint64_t)st.st_size;
	len = op->len < (uint64_t)st.st_size - from ? op->len
						    : (size_t)st.st_size - from;
	out->digest = digest(0, map + from, len);
	fill(map + from, len, op->seed);
	if (op->bits & 1)
		out->rc = msync(map, (size_t)st.st_size,
				op->bits & 2 ? MS_SYNC : MS_ASYNC);
	if (op->bits & 4 && pread(fd, buffer, len, (off_t)from) != (ssize_t)len)
		snprintf(out->note, sizeof(out->note), "read through the map is short");
	if (op->bits & 4 && memcmp(buffer, map + from, len) != 0)
		snprintf(out->note, sizeof(out->note), "read and map differ");
	munmap(map, (size_t)st.st_size);
}

static void run_copy_range(const struct op *op, struct root *root, struct result *out)
{
	int from = root->slot[op->s], to = root->slot[op->t];
	off_t in = (off_t)op->off, at = (off_t)op->off2;
	size_t left = op->len;
	ssize_t n = 1;

	while (left && n > 0) {
		n = copy_file_range(from, &in, to, &at, left, 0);
		left -= n > 0 ? (size_t)n : 0;
	}
	/* How much one call copies is the kernel's choice. */
	out->rc = n < 0 && left == op->len ? -1 : (long)(op->len - left);
}

/* ---- without a slot ---- */

static void run_truncate(const struct op *op, struct root *root, struct result *out)
{
	char path[PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/%s", root->path, op->a);
	out->rc = truncate(path, (off_t)op->off);
}

static void run_write(const struct op *op, struct root *root, struct result *out)
{
	int flags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | (op->bits & 0xf0 ? 0 : O_TRUNC);
	int fd = openat(root->dirfd, op->a, flags);

	out->rc = fd < 0 ? -1 : 0;
	if (fd < 0)
		return;
	fill(buffer, op->len, op->seed);
	out->rc = pwrite(fd, buffer, op->len, (off_t)op->off);
	if (out->rc > 0 && op->bits & 1) {
		out->rc = pread(fd, buffer, op->len, (off_t)(op->off / 2));
		out->digest = out->rc > 0 ? digest(0, buffer, (size_t)out->rc) : 0;
	}
	close(fd);
}

static void run_direct(const struct op *op, struct root *root, struct result *out)
{
	int fd =
		openat(root->dirfd, op->a, O_RDWR | O_DIRECT | O_NONBLOCK | O_NOFOLLOW);
	size_t len = (1 + op->len / DIRECT_AT % 8) * DIRECT_AT;
	off_t at = (off_t)(op->off / DIRECT_AT * DIRECT_AT);
	struct stat st;

	out->rc = fd < 0 ? -1 : 0;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		fill(buffer, len, op->seed);
		if (op->bits & 1)
			out->rc = pwrite(fd, buffer, len, at);
		if (out->rc >= 0)
			out->rc = pread(fd, buffer, len, at);
		out->digest = out->rc > 0 ? digest(0, buffer, (size_t)out->rc) : 0;
	}
	close(fd);
}

const struct op_kind data_ops[] = {
	{"open", 60, FILES, NONE, true, run_open},
	{"open-any", 10, EITHER, NONE, true, run_open},
	{"open-unlinked", 15, FILES, NONE, true, run_open_unlinked},
	{"close", 10, NONE, NONE, true, run_close},
	{"pread", 30, NONE, NONE, true, run_pread},
	{"pwrite", 60, NONE, NONE, true, run_pwrite},
	{"append", 15, FILES, NONE, false, run_append},
	{"ftruncate", 20, NONE, NONE, true, run_ftruncate},
	{"fsync", 3, NONE, NONE, true, run_fsync},
	{"fallocate", 25, NONE, NONE, true, run_fallocate},
	{"seek", 25, NONE, NONE, true, run_seek},
	{"mmap", 25, NONE, NONE, true, run_mmap},
	{"copy-range", 25, NONE, NONE, true, run_copy_range},
	{"truncate", 15, FILES, NONE, false, run_truncate},
	{"write", 40, FILES, NONE, false, run_write},
	{"direct", 10, FILES, NONE, false, run_direct},
	{0},
};
