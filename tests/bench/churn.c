/* What writing costs, one kind of change at a time: `churn ROOT` changes the root
 * filesystem at ROOT and prints "name count microseconds-per-operation" lines.
 * Operations on files that are there need some below usr/. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES       4000
#define LOWER_MAX   4000
#define WRITTEN_MAX 1000
#define BIG_BYTES   (256u << 20)
#define BLOCK       (128u << 10)
#define RANDOM_OPS  20000

static char *lower[LOWER_MAX];
static int lower_count;
static off_t least_size;

static void die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void say(const char *name, int count, double since_us)
{
	printf("%s %d %.2f\n", name, count, (now_us() - since_us) / count);
	fflush(stdout);
}

/* ---- new files ---- */

static void name_of(char *out, const char *prefix, int i)
{
	sprintf(out, "churn/%s%d", prefix, i);
}

static void create(void)
{
	static char kib[1024];
	char name[64];
	double start;

	memset(kib, 'x', sizeof(kib));
	if (mkdir("churn", 0755) < 0)
		die("mkdir");
	start = now_us();
	for (int i = 0; i < FILES; i++) {
		int fd;

		name_of(name, "f", i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, kib, sizeof(kib)) != sizeof(kib) || close(fd) < 0)
			die("create");
	}
	say("create", FILES, start);
}

static void each_new(const char *what, int (*fn)(const char *name, int i))
{
	double start = now_us();
	char name[64];

	for (int i = 0; i < FILES; i++) {
		name_of(name, strcmp(what, "unlink") == 0 ? "g" : "f", i);
		if (fn(name, i) < 0)
			die(what);
	}
	say(what, FILES, start);
}

static int do_rename(const char *name, int i)
{
	char to[64];

	name_of(to, "g", i);
	return rename(name, to);
}

static int do_unlink(const char *name, int i)
{
	(void)i;
	return unlink(name);
}

/* ---- files of the image ---- */

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_size >= least_size &&
	    lower_count < LOWER_MAX)
		lower[lower_count++] = strdup(path);
	return 0;
}

static void find_lower(const char *dir, off_t size)
{
	while (lower_count > 0)
		free(lower[--lower_count]);
	least_size = size;
	if (nftw(dir, collect, 16, FTW_PHYS) < 0 || lower_count == 0)
		die("no files below usr/");
}

static void chmod_lower(void)
{
	double start;

	find_lower("usr/share", 0);
	start = now_us();
	for (int i = 0; i < lower_count; i++)
		if (chmod(lower[i], 0640) < 0)
			die("chmod");
	say("chmod-lower", lower_count, start);
}

static void write_lower(void)
{
	static char block[4096];
	double start;
	int count;

	find_lower("usr/share", 2 * (off_t)sizeof(block));
	count = lower_count < WRITTEN_MAX ? lower_count : WRITTEN_MAX;
	start = now_us();
	for (int i = 0; i < count; i++) {
		int fd = open(lower[i], O_WRONLY);

		if (fd < 0 ||
		    pwrite(fd, block, sizeof(block), sizeof(block)) != sizeof(block) ||
		    close(fd) < 0)
			die("write into a lower file");
	}
	say("write-4k-lower", count, start);
}

/* ---- large files ---- */

static void sequential(void)
{
	char *block = calloc(1, BLOCK);
	double start = now_us();
	int fd = open("churn/big", O_RDWR | O_CREAT | O_TRUNC, 0644);

	memset(block, 'y', BLOCK);
	for (unsigned int off = 0; off < BIG_BYTES; off += BLOCK)
		if (write(fd, block, BLOCK) != BLOCK)
			die("sequential write");
	if (close(fd) < 0)
		die("close");
	say("write-sequential-128k", BIG_BYTES / BLOCK, start);
	free(block);
}

static void at_random(void)
{
	static char block[4096];
	uint64_t state = 88172645463325252ull;
	int fd = open("churn/big", O_RDWR);
	double start = now_us();

	for (int i = 0; i < RANDOM_OPS; i++) {
		off_t at;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		at = (off_t)(state % (BIG_BYTES / sizeof(block))) * (off_t)sizeof(block);
		if (pwrite(fd, block, sizeof(block), at) != sizeof(block))
			die("random write");
	}
	if (close(fd) < 0)
		die("close");
	say("write-random-4k", RANDOM_OPS, start);
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0)
		die("usage: churn ROOT");
	create();
	each_new("rename", do_rename);
	each_new("unlink", do_unlink);
	chmod_lower();
	write_lower();
	sequential();
	at_random();
	return 0;
}
