/* Four threads on one top; for ThreadSanitizer, and for what they leave. */
#include <pthread.h>

#include "fixture.h"

#define THREADS 4
#define STEPS   600

static uint8_t large[100u << 10];

struct worker {
	struct fixture *fx;
	uint64_t seed, dir, shared;
};

static void step(struct worker *w)
{
	struct cps_top *top = w->fx->top;
	uint64_t ino = 0, cookie = 0;
	char name[16], other[16];
	struct cps_top_entry e;
	uint8_t buf[4096];
	struct stat st = {.st_size = 50000};

	snprintf(name, sizeof(name), "n%u", fx_below(&w->seed, 20));
	snprintf(other, sizeof(other), "n%u", fx_below(&w->seed, 20));
	if (cps_top_make(top, &fx_who, w->dir, name, S_IFREG | 0644, 0, NULL, &ino) ==
	    0) {
		cps_top_ref(top, ino);
		cps_top_write(top, &fx_who, ino, large,
			      fx_below(&w->seed, sizeof(large)) + 1, 0, 0);
		cps_top_pread(top, ino, buf, sizeof(buf), 100, 0);
		cps_top_forget(top, ino, 1);
	}
	cps_top_write(top, &fx_who, w->shared, large, 1 + fx_below(&w->seed, 70000),
		      fx_below(&w->seed, 100000), 0);
	cps_top_pread(top, w->shared, buf, sizeof(buf), fx_below(&w->seed, 90000), 0);
	cps_top_stat(top, w->shared, &(struct stat){0});
	cps_top_rename(top, &fx_who, w->dir, name, 1, other, 0);
	cps_top_unlink(top, &fx_who, 1, other, false);
	cps_top_xattr_set(top, &fx_who, w->shared, "user.x", buf, 10, 0, false);
	cps_top_xattr_get(top, w->shared, "user.x", buf, sizeof(buf));
	while (cps_top_readdir(top, 1, cookie, &e) == 1)
		cookie = e.next;
	switch (fx_below(&w->seed, 12)) {
	case 0:
		cps_top_sync(top);
		break;
	case 1:
		cps_top_sync_inode(top, w->shared);
		break;
	case 2:
		cps_top_setattr(top, &fx_who, w->shared, CPS_TOP_SIZE, &st);
		break;
	default:
		break;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < STEPS; i++)
		step(w);
	return NULL;
}

static void four_threads_leave_what_replay_makes(void **state)
{
	struct fixture *fx = *state;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "d%d", i);
		workers[i] = (struct worker){
			.fx = fx,
			.seed = 0x9e3779b97f4a7c15ull * (uint64_t)(i + 1),
			.dir = fx_folder(fx, name),
			.shared = fx_find(fx, "big"),
		};
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]),
				 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	fx_reopen(fx);
	fx_reopen(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(four_threads_leave_what_replay_makes,
						fx_setup, fx_teardown),
	};

	memset(large, 'l', sizeof(large));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
