#include <pthread.h>

#include "posix.h"

/* Behaviour 44: many at once. */

#define THREADS 8
#define ROUNDS  200

static void *write_own_block(void *arg)
{
	long i = (long)arg;
	char block[1000];
	int fd = open("big", O_WRONLY);

	memset(block, (int)('A' + i), sizeof(block));
	for (int k = 0; k < ROUNDS; k++)
		if (pwrite(fd, block, sizeof(block), i * 1000) != sizeof(block))
			return "a write failed";
	return close(fd) ? "close" : NULL;
}

static void *make_path(void *arg)
{
	char path[64] = "empty";

	for (int k = 0; k < 50; k++) {
		snprintf(path, sizeof(path), "empty/p%d", k);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return "mkdir";
		strcat(path, "/q");
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return "mkdir below";
	}
	return NULL;
}

static void *same_name(void *arg)
{
	char mine[32];

	snprintf(mine, sizeof(mine), "mine%ld", (long)arg);
	for (int k = 0; k < ROUNDS; k++) {
		put(mine, "whole");
		if (rename(mine, "target") < 0)
			return "rename";
		if (!holds("target", "whole"))
			return "half a file is seen";
	}
	return NULL;
}

static void *move_folder(void *arg)
{
	for (int k = 0; k < ROUNDS; k++)
		if (rename(k % 2 ? "moved" : "dir", k % 2 ? "dir" : "moved") < 0)
			return "rename of a folder";
	return NULL;
}

static int parent; /* the folder that move_folder() moves */

static void *make_below(void *arg)
{
	char name[32];

	for (int k = 0; k < ROUNDS; k++) {
		int fd;

		snprintf(name, sizeof(name), "made%ld-%d", (long)arg, k);
		fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			return "create in a folder that moves";
		close(fd);
	}
	return NULL;
}

static void end_thread(pthread_t thread)
{
	void *fault;

	CHECK(pthread_join(thread, &fault) == 0);
	if (fault)
		failed(__FILE__, __LINE__, "%s: %s", (char *)fault, strerror(errno));
}

static void all_at_once(void *(*fn)(void *))
{
	pthread_t thread[THREADS];

	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, fn, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++)
		end_thread(thread[i]);
}

static void check_blocks(void)
{
	char got[1000];
	int fd = open_ok("big", O_RDONLY);

	for (int i = 0; i < THREADS; i++) {
		CHECK(pread(fd, got, 1000, i * 1000) == 1000);
		for (int k = 0; k < 1000; k++)
			CHECK(got[k] == 'A' + i);
	}
	CHECK(pattern_at("big", THREADS * 1000, BIG));
}

static void many_at_once(void)
{
	pthread_t mover;

	all_at_once(write_own_block);
	check_blocks();
	all_at_once(make_path);
	IS(50, entries("empty"));
	all_at_once(same_name);
	parent = open_ok("dir", O_RDONLY | O_DIRECTORY);
	/* Overlayfs may refuse to move a lower folder. */
	if (!on_overlay())
		CHECK(pthread_create(&mover, NULL, move_folder, NULL) == 0);
	all_at_once(make_below);
	if (!on_overlay())
		end_thread(mover);
	IS(3 + THREADS * ROUNDS, entries("dir"));
	CHECK(holds("dir/sub/z", "z\n"));
}

static void many_again(void)
{
	check_blocks();
	IS(50, entries("empty"));
	IS(3 + THREADS * ROUNDS, entries("dir"));
	CHECK(holds("target", "whole"));
}

const struct test thread_tests[] = {
	{"44-many-at-once", many_at_once, many_again},
	{0},
};
