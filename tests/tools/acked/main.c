#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acked.h"

/* usage: acked prepare DIR
 *        acked load|durable DIR OUTCOMES SEED STEPS [refusals]
 *        acked check|prefix DIR OUTCOMES SEED
 * load: run on from the last outcome until STEPS are done or the file system is gone
 * (3); durable: with everything on disk after each step. With "refusals" a step may
 * fail for lack of space or an error of the disk; without, that ends it with 1. */

static struct model model;

static void take(const struct step *s, uint8_t how)
{
	bool writes = step_writes(s);

	if (how == DONE || (how == HALF && s->kind == CREATE))
		model_apply(&model, s);
	if (writes && (how == HALF || (how == REFUSED && s->kind != CREATE)))
		model.inode[s->inode].doubtful = true;
}

/* The outcomes so far into the model; the number of them. */
static uint64_t replay(int outcomes, uint64_t seed)
{
	uint64_t n = 0;
	uint8_t how;

	model_init(&model, seed);
	while (pread(outcomes, &how, 1, (off_t)n) == 1 && how != UNKNOWN) {
		struct step s = model_next(&model);

		take(&s, how);
		n++;
	}
	return n;
}

static bool gone(int err)
{
	return err == -ENOTCONN || err == -ECONNABORTED || err == -ESTALE ||
	       err == -ESHUTDOWN;
}

/* A file that was made but not written is no refusal: take it away again. */
static int undo_create(const struct step *s)
{
	char path[64];

	name_file(&model, s->folder, s->name, path);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* fsync() and close() may tell of what an earlier write to the file lost. */
static bool told_late(const struct step *s)
{
	return (s->kind == SYNC || (step_writes(s) && s->kind != CREATE)) &&
	       model.inode[s->inode].doubtful;
}

static int load(int outcomes, uint64_t seed, uint64_t steps, bool durable,
		bool refusals)
{
	uint64_t n = replay(outcomes, seed), refused = 0;

	for (; n < steps; n++) {
		struct step s = model_next(&model);
		int rc = step_run(&model, &s, durable);
		uint8_t how = rc < 0 ? REFUSED : DONE;

		if (rc < 0 && s.kind == CREATE && !gone(rc) && undo_create(&s) < 0)
			rc = -ENOTCONN;
		if (gone(rc))
			return 3;
		if (rc < 0 &&
		    !((refusals || told_late(&s)) && (rc == -ENOSPC || rc == -EIO))) {
			fprintf(stderr, "acked: step %llu, kind %d: %s\n",
				(unsigned long long)n, s.kind, strerror(-rc));
			return 1;
		}
		if (pwrite(outcomes, &how, 1, (off_t)n) != 1)
			return 2;
		take(&s, how);
		refused += how == REFUSED;
	}
	printf("acked: %llu steps, %llu refused\n", (unsigned long long)n,
	       (unsigned long long)refused);
	return 0;
}

/* What became of the step after the last outcome: it may have been done or not, and its
 * data may be half. UNKNOWN: not done. -1: what is there is no work of these steps. */
static int settle(void)
{
	struct step s = model_next(&model);
	int how = DONE;

	if (model_check(&model, true) == 0)
		return UNKNOWN;
	if (step_writes(&s)) {
		take(&s, HALF);
		how = HALF;
	} else {
		model_apply(&model, &s);
	}
	return model_check(&model, true) == 0 ? how : -1;
}

static int check(int outcomes, uint64_t seed)
{
	uint64_t n = replay(outcomes, seed);
	int how = settle();
	uint8_t byte = (uint8_t)how;

	if (how < 0) {
		model_check(&model, false);
		printf("acked: %llu steps: NOT what is there\n", (unsigned long long)n);
		return 1;
	}
	if (how != UNKNOWN && pwrite(outcomes, &byte, 1, (off_t)n) != 1)
		return 2;
	printf("acked: %llu steps are all there\n", (unsigned long long)n);
	return 0;
}

/* Large contents lie beside the log: a damaged log does not bring back what later steps
 * wrote over, or threw away. The last of them, by inode. */
static long long last_write[INODES];

static void note_write(const struct step *s, long long n)
{
	int over = model.name[s->to_folder][s->to_name];

	if (s->inode >= 0 && s->kind != LINK && s->kind != RENAME)
		last_write[s->inode] = n;
	if (s->kind == RENAME && over >= 0)
		last_write[over] = n;
}

static void find_last_writes(int outcomes, uint64_t seed)
{
	uint8_t how;

	memset(last_write, 0xff, sizeof(last_write));
	model_init(&model, seed);
	for (long long n = 0; pread(outcomes, &how, 1, (off_t)n) == 1 && how != UNKNOWN;
	     n++) {
		struct step s = model_next(&model);

		note_write(&s, n);
		take(&s, how);
	}
}

/* Is it what `n` steps left? */
static bool fits(long long n)
{
	bool was[INODES], fit;

	for (int i = 0; i < INODES; i++) {
		was[i] = model.inode[i].doubtful;
		model.inode[i].gone = last_write[i] >= n;
		model.inode[i].doubtful = was[i] || model.inode[i].gone;
	}
	fit = model_check(&model, true) == 0;
	for (int i = 0; i < INODES; i++)
		model.inode[i].doubtful = was[i];
	return fit;
}

/* The most steps that what is there can be the work of. */
static int prefix(int outcomes, uint64_t seed)
{
	long long best = -1;
	uint8_t how;

	find_last_writes(outcomes, seed);
	model_init(&model, seed);
	for (long long n = 0;; n++) {
		struct step s;

		if (fits(n))
			best = n;
		if (pread(outcomes, &how, 1, (off_t)n) != 1 || how == UNKNOWN)
			break;
		s = model_next(&model);
		take(&s, how);
		/* The step itself may be half there: made, but not written. */
		if (step_writes(&s) && fits(n))
			best = n;
	}
	printf("%lld\n", best);
	return best < 0;
}

int main(int argc, char **argv)
{
	bool durable = argc > 1 && strcmp(argv[1], "durable") == 0;
	uint64_t seed;
	int outcomes;

	umask(0);
	if (argc == 3 && strcmp(argv[1], "prepare") == 0) {
		model_init(&model, 0);
		return chdir(argv[2]) < 0 || model_write(&model) < 0;
	}
	if (argc < 5)
		return 2;
	outcomes = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	seed = strtoull(argv[4], NULL, 10);
	if (outcomes < 0 || chdir(argv[2]) < 0) {
		perror(argv[2]);
		return 2;
	}
	if (strcmp(argv[1], "check") == 0)
		return check(outcomes, seed);
	if (strcmp(argv[1], "prefix") == 0)
		return prefix(outcomes, seed);
	if (argc < 6)
		return 2;
	return load(outcomes, seed, strtoull(argv[5], NULL, 10), durable, argc > 6);
}
