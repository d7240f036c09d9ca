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

/* The outcomes so far into the model; the number of them. */
static uint64_t replay(int outcomes, uint64_t seed)
{
	uint64_t n = 0;
	uint8_t how;

	model_init(&model, seed);
	while (pread(outcomes, &how, 1, (off_t)n) == 1 && how != UNKNOWN) {
		struct step s = model_next(&model);

		if (how == DONE)
			model_apply(&model, &s);
		else if (step_writes(&s) && s.kind != CREATE)
			model.inode[s.inode].doubtful = true;
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
		if (rc < 0 && (!refusals || (rc != -ENOSPC && rc != -EIO))) {
			fprintf(stderr, "acked: step %llu, kind %d: %s\n",
				(unsigned long long)n, s.kind, strerror(-rc));
			return 1;
		}
		if (pwrite(outcomes, &how, 1, (off_t)n) != 1)
			return 2;
		if (how == DONE)
			model_apply(&model, &s);
		else if (step_writes(&s) && s.kind != CREATE)
			model.inode[s.inode].doubtful = true;
		refused += how == REFUSED;
	}
	printf("acked: %llu steps, %llu refused\n", (unsigned long long)n,
	       (unsigned long long)refused);
	return 0;
}

/* Is what the model says there? The step after it may have been done, or not; its data
 * may be half. */
static unsigned int check_now(bool quiet)
{
	unsigned int bad = model_check(&model, true);
	struct step s;

	if (bad == 0)
		return 0;
	s = model_next(&model);
	if (step_writes(&s) && s.kind != CREATE)
		model.inode[s.inode].doubtful = true;
	if (model_check(&model, true) == 0)
		return 0;
	model_apply(&model, &s);
	if (step_writes(&s))
		model.inode[s.inode].doubtful = true;
	return model_check(&model, quiet);
}

static int check(int outcomes, uint64_t seed)
{
	uint64_t n = replay(outcomes, seed);
	unsigned int bad = check_now(false);

	printf("acked: %llu steps%s\n", (unsigned long long)n,
	       bad ? ": NOT what is there" : " are all there");
	return bad ? 1 : 0;
}

/* Is it there, when the content of this inode may be anything? */
static bool fits(int inode)
{
	struct inode *i = &model.inode[inode];
	bool was = i->doubtful, fit;

	i->doubtful = true;
	fit = model_check(&model, true) == 0;
	i->doubtful = was;
	return fit;
}

/* The most steps that what is there can be the work of. */
static int prefix(int outcomes, uint64_t seed)
{
	long long best = -1;
	uint8_t how;

	model_init(&model, seed);
	for (long long n = 0;; n++) {
		bool writes, half;
		struct step s;

		if (model_check(&model, true) == 0)
			best = n;
		if (pread(outcomes, &how, 1, (off_t)n) != 1 || how == UNKNOWN)
			break;
		s = model_next(&model);
		writes = step_writes(&s);
		half = writes && s.kind != CREATE && fits(s.inode);
		if (how == DONE)
			model_apply(&model, &s);
		half = half || (writes && how == DONE && fits(s.inode));
		best = half ? n : best;
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
