/* Times the small operations that a shell cannot: one line "name microseconds" each.
 * usage: probe DIR          stat, missing, open, random: warm, best of some passes
 *        probe DIR cold     random-cold: one pass, caches dropped first (root) */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX  200000
#define PASSES     5
#define RANDOM_MAX 2000 /* files for warm random reads */
#define COLD_MAX   500  /* and for cold ones */

static char *files[FILES_MAX];
static size_t file_count;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && file_count < FILES_MAX)
		files[file_count++] = strdup(path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same files in the same order for every contender: readdir gives each its own. */
static void shuffle(void)
{
	qsort(files, file_count, sizeof(*files), by_name);
	srandom(1);
	for (size_t i = file_count - 1; i > 0; i--) {
		size_t j = (size_t)random() % (i + 1);
		char *swap = files[i];

		files[i] = files[j];
		files[j] = swap;
	}
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

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static double pass(op_fn op, size_t count)
{
	double start = now_us();

	srandom(2);
	for (size_t i = 0; i < count; i++)
		op(files[i]);
	return (now_us() - start) / (double)count;
}

/* Best of several passes per operation, after one that warms. */
static void measure(const char *name, op_fn op, size_t count)
{
	double best = 1e18;

	for (int i = 0; i <= PASSES; i++) {
		double took = pass(op, count);

		if (i && took < best)
			best = took;
	}
	printf("%s %.3f\n", name, best);
}

static int measure_cold(void)
{
	FILE *drop = fopen("/proc/sys/vm/drop_caches", "w");

	sync();
	if (!drop || fputs("3", drop) < 0 || fclose(drop) != 0) {
		perror("probe: drop_caches");
		return 1;
	}
	printf("random-cold %.3f\n", pass(op_random_read, least(file_count, COLD_MAX)));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 ||
	    nftw(argv[1], note_file, 64, FTW_PHYS | FTW_MOUNT) != 0 ||
	    file_count == 0) {
		fprintf(stderr, "usage: probe DIR [cold]\n");
		return 2;
	}
	shuffle();
	if (argc == 3)
		return measure_cold();
	measure("stat", op_stat, file_count);
	measure("missing", op_missing, file_count);
	measure("open", op_open, file_count);
	measure("random", op_random_read, least(file_count, RANDOM_MAX));
	return 0;
}
