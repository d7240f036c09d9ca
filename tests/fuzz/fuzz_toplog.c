/* A hostile log of a top. Byte 0 chooses: the rest is a log file (the header is made
 * right), or it becomes changes with right sums, or only those of them that make sense
 * at their place. What opens is dumped, changed a bit, closed, and must open again and
 * say the same. Or so much of it becomes garbage that closing it compacts the log,
 * which must say the same too; then some of its bytes are damaged, where the end of the
 * input says, and whatever opens must open again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DUMP_BYTES_MAX (100u << 10)
#include "../unit/top/dump.h"
#include "fs/top/internal.h"

#define CHANGES_MAX  400u
#define LITTER_BYTES (3u << 20) /* more than compaction finds worth it */
#define DAMAGES      4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cps_digest chain = {.bytes = {1, 2, 3}};

/** Input that is used up from the front. */
struct input {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct input *in, size_t len)
{
	uint64_t v = 0;

	for (; len && in->left; len--, in->left--)
		v = v << 8 | *in->at++;
	return v;
}

/* Mostly small numbers near something that is there; sometimes any. */
static uint64_t number(struct input *in)
{
	uint64_t b = take(in, 1);

	if (b < 128)
		return b;
	if (b < 192)
		return CPS_TOP_FRESH + (b - 128);
	switch (b) {
	case 192:
		return take(in, 8);
	case 193:
		return UINT64_MAX - take(in, 1);
	case 194:
		return (uint64_t)INT64_MAX - take(in, 1);
	case 195:
		return 1ull << (take(in, 1) & 63);
	default:
		return take(in, 3);
	}
}

static struct cps_bytes text(struct input *in)
{
	static const char *const names[] = {"a",
					    "b",
					    "c",
					    "f1",
					    "f2",
					    "big",
					    "x",
					    "many",
					    "none",
					    "n00",
					    "deep",
					    "hole",
					    "user.color",
					    "system.posix_acl_default",
					    "security.capability",
					    "acl"};
	uint64_t b = take(in, 1);
	struct cps_bytes out = {in->at, b & 63};

	if (b < 192)
		return (struct cps_bytes){names[b % 16], strlen(names[b % 16])};
	if (out.len > in->left)
		out.len = in->left;
	in->at += out.len;
	in->left -= out.len;
	return out;
}

static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR,
				 S_IFIFO, 0,       0170000, S_IFDIR};

static struct cps_change next_change(struct input *in)
{
	struct cps_change c = {.type = (uint16_t)(1 + take(in, 1) % CPS_CHANGE_TYPES)};
	uint32_t has = (uint32_t)take(in, 2);

	c.ino = number(in);
	c.dir = number(in);
	c.mode = types[take(in, 1) & 7] | ((uint32_t)take(in, 1) << 4);
	c.name = text(in);
	c.mask = has & 1 ? (uint32_t)take(in, 1) : 0;
	c.flags = has & 2 ? (uint32_t)take(in, 2) : 0;
	c.dir2 = has & 4 ? number(in) : 0;
	c.name2 = has & 4 ? text(in) : (struct cps_bytes){0};
	c.nlink = has & 8 ? (uint32_t)number(in) : 0;
	c.size = has & 16 ? number(in) : 0;
	c.off = has & 32 ? number(in) : 0;
	c.len = has & 64 ? number(in) : 0;
	c.base_len = has & 128 ? number(in) : 0;
	c.gen = has & 256 ? (uint32_t)number(in) : 0;
	c.value = has & 512 ? text(in) : (struct cps_bytes){0};
	c.bulk = has & 1024 ? text(in) : (struct cps_bytes){0};
	c.ctime.tv_sec = has & 2048 ? (time_t)take(in, 8) : 0;
	c.uid = has & 4096 ? (uint32_t)number(in) : 0;
	return c;
}

static void write_changes(int dirfd, struct input in, struct cps_top *filter)
{
	cps_auto(cps_toplog_close) struct cps_toplog *log = NULL;

	must(cps_toplog_open(dirfd, "log", &chain, true, &log, NULL) == 0, "log");
	for (unsigned int i = 0; in.left && i < CHANGES_MAX; i++) {
		struct cps_change c = next_change(&in);

		if (!filter || (cps_change_check(filter, &c) == 0 &&
				cps_change_apply(filter, &c) == 0))
			cps_toplog_append(log, &c, true);
	}
}

/* A shadow of the top that will replay them says what makes sense. */
static void write_sensible(struct cps_root *root, int dirfd, struct input in)
{
	struct cps_top *shadow;

	must(cps_top_bare(root, &shadow, NULL) == 0, "shadow");
	shadow->replaying = true;
	write_changes(dirfd, in, shadow);
	cps_top_close(shadow, NULL);
}

static void write_raw(int dirfd, struct input in)
{
	cps_auto(cps_toplog_close) struct cps_toplog *log = NULL;

	must(cps_toplog_open(dirfd, "log", &chain, true, &log, NULL) == 0, "log");
	must(cps_pwrite_full(cps_toplog_fd(log), in.at, in.left, CPS_LOG_HEADER) == 0,
	     "log");
}

static struct cps_top *open_top(struct cps_root *root, int dirfd, bool read_only)
{
	const struct cps_top_opts opts = {.read_only = read_only};
	struct cps_top *top = NULL;

	cps_top_open(root, dirfd, &chain, &opts, &top, NULL);
	return top;
}

/* Some changes, on whatever there is. */
static void use(struct cps_top *top)
{
	const struct cps_top_who who = {.uid = 1};
	uint64_t ino, out;
	struct stat st = {.st_mode = 0600, .st_size = 5};

	for (uint64_t i = 1; i < 12; i++) {
		uint64_t dir = i < 8 ? i : CPS_TOP_FRESH + i - 8;

		if (cps_top_make(top, &who, dir, "made", S_IFREG | 0644, 0, NULL,
				 &ino) == 0)
			cps_top_write(top, &who, ino, "data", 4, 3, 0);
		cps_top_rename(top, &who, dir, "x", 1, "y", 0);
		cps_top_rename(top, &who, 1, "a", dir, "b", RENAME_EXCHANGE);
		cps_top_write(top, &who, dir, "over", 4, 10, 0);
		cps_top_seek(top, dir, 0, SEEK_DATA, &out);
		cps_top_setattr(top, &who, dir, CPS_TOP_MODE | CPS_TOP_SIZE, &st);
		cps_top_unlink(top, &who, 1, "a", true);
		cps_top_unlink(top, &who, dir, "f1", false);
	}
}

/* More garbage than anything else in the log: contents that nobody has any more. */
static bool litter(struct cps_top *top)
{
	static const uint8_t bytes[60000];
	const struct cps_top_who who = {.uid = 1};
	uint64_t enough = cps_toplog_end(top->log) + LITTER_BYTES, ino;

	while (cps_toplog_end(top->log) < enough)
		if (cps_top_make(top, &who, 1, "litter", S_IFREG | 0644, 0, NULL,
				 &ino) < 0 ||
		    cps_top_write(top, &who, ino, bytes, sizeof(bytes), 0, 0) < 0 ||
		    cps_top_unlink(top, &who, 1, "litter", false) < 0)
			return false;
	return true;
}

static off_t log_bytes(int dirfd)
{
	struct stat st;

	must(fstatat(dirfd, "log", &st, 0) == 0, "log");
	return st.st_size;
}

/* From the end of the input, which the changes hardly reach. */
static void damage(int dirfd, const uint8_t *data, size_t size)
{
	cps_auto(cps_fd) int fd = openat(dirfd, "log", O_RDWR | O_CLOEXEC);
	off_t len = log_bytes(dirfd);

	must(fd >= 0, "log");
	for (size_t i = 0; i < DAMAGES && size > 4; i++, size -= 3) {
		const uint8_t *at = data + size - 3;
		off_t pos = (at[1] << 8 | at[2]) % len;

		if (at[0])
			must(pwrite(fd, at, 1, pos) == 1, "damage");
	}
}

static void try(struct cps_root *root, int dirfd, bool compact)
{
	struct cps_top *top = open_top(root, dirfd, true);
	char *was, *is;

	if (top)
		free(dump_top(top, DUMP_ALL));
	cps_top_close(top, NULL);
	top = open_top(root, dirfd, false);
	if (!top)
		return;
	use(top);
	compact = compact && litter(top) && !top->named_gen;
	was = dump_top(top, DUMP_ALL);
	cps_top_close(top, NULL);
	must(!compact || log_bytes(dirfd) < LITTER_BYTES, "it is compacted");
	top = open_top(root, dirfd, false);
	must(top != NULL, "what could be opened can be opened again");
	is = dump_top(top, DUMP_ALL);
	if (strcmp(was, is) != 0)
		fprintf(stderr, "%s\n", dump_diff(was, is));
	must(strcmp(was, is) == 0, "replay says what was there");
	free(was);
	free(is);
	cps_top_close(top, NULL);
}

static void remove_all(int dirfd)
{
	int fd = dup(dirfd);
	DIR *dir = fdopendir(fd);
	struct dirent *de;

	must(dir != NULL, "folder");
	rewinddir(dir);
	while ((de = readdir(dir)))
		if (de->d_name[0] != '.')
			unlinkat(dirfd, de->d_name, 0);
	closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cps_root *root;
	char path[] = "/dev/shm/capas-fuzz.XXXXXX";
	struct input in = {data, size};
	int dirfd, data_fd;
	uint64_t how;

	if (size < 2 || size > 1u << 20)
		return 0;
	if (!root)
		root = lower_root();
	must(mkdtemp(path) != NULL, "folder");
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dirfd >= 0, "folder");
	how = take(&in, 1) & 3;
	if (how == 1)
		write_raw(dirfd, in);
	else if (how == 0)
		write_changes(dirfd, in, NULL);
	else
		write_sensible(root, dirfd, in);
	try(root, dirfd, data[0] & 4);
	if ((data[0] & 4) && faccessat(dirfd, "log", F_OK, 0) == 0) {
		damage(dirfd, data, size);
		try(root, dirfd, false);
	}
	data_fd = openat(dirfd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data_fd >= 0) {
		remove_all(data_fd);
		close(data_fd);
		unlinkat(dirfd, "data", AT_REMOVEDIR);
	}
	remove_all(dirfd);
	close(dirfd);
	rmdir(path);
	return 0;
}
