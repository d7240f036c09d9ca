/* Times the small operations that a shell cannot: one line "name microseconds" each.
 * usage: probe DIR   (a mounted Debian root) */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 200000
#define ROUNDS	  5

static char *files[FILES_MAX];
static size_t file_count;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && file_count < FILES_MAX)
		files[file_count++] = strdup(path);
	return 0;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

typedef void (*op_fn)(const char *path);

static void op_stat(const char *path)
{
	struct stat st;

	lstat(path, &st);
}

static void op_missing(const char *path)
{
	char name[8192];

	snprintf(name, sizeof(name), "%s.no-such", path);
	access(name, F_OK);
}

static void op_open(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
}

static void op_random_read(const char *path)
{
	char buf[4096];
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0 &&
	    pread(fd, buf, sizeof(buf), (off_t)(random() % st.st_size)) < 0)
		perror(path);
	close(fd);
}

/* Best of several rounds per operation, after one that warms. */
static void measure(const char *name, op_fn op, size_t count)
{
	double best = 1e18;

	for (int round = 0; round <= ROUNDS; round++) {
		double start = now_us(), took;

		for (size_t i = 0; i < count; i++)
			op(files[i]);
		took = (now_us() - start) / (double)count;
		if (round && took < best)
			best = took;
	}
	printf("%s %.3f\n", name, best);
}

int main(int argc, char **argv)
{
	if (argc != 2 || nftw(argv[1], note_file, 64, FTW_PHYS | FTW_MOUNT) != 0 ||
	    file_count == 0) {
		fprintf(stderr, "usage: probe DIR\n");
		return 2;
	}
	srandom(1);
	measure("stat", op_stat, file_count);
	measure("missing", op_missing, file_count);
	measure("open", op_open, file_count);
	measure("random", op_random_read, file_count < 2000 ? file_count : 2000);
	return 0;
}
