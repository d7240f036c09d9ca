#include "store/aside.h"

#include <pthread.h>
#include <stdbool.h>

struct cps_aside {
	pthread_t thread;
	cps_aside_fn fn;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* with lock */
	bool busy, stop;        /* under lock */
	int rc;                 /* of the last run; the thread's own while busy */
	struct cps_err err;     /* likewise */
};

static void *run(void *arg)
{
	struct cps_aside *aside = arg;

	pthread_mutex_lock(&aside->lock);
	for (;;) {
		while (!aside->busy && !aside->stop)
			pthread_cond_wait(&aside->changed, &aside->lock);
		if (!aside->busy)
			break;
		pthread_mutex_unlock(&aside->lock);
		aside->rc = aside->fn(aside->ctx, &aside->err);
		pthread_mutex_lock(&aside->lock);
		aside->busy = false;
		pthread_cond_broadcast(&aside->changed);
	}
	pthread_mutex_unlock(&aside->lock);
	return NULL;
}

static void release(struct cps_aside *aside)
{
	pthread_mutex_destroy(&aside->lock);
	pthread_cond_destroy(&aside->changed);
	free(aside);
}

int cps_aside_new(cps_aside_fn fn, void *ctx, struct cps_aside **out,
		  struct cps_err *err)
{
	struct cps_aside *aside = calloc(1, sizeof(*aside));
	int rc;

	if (!aside)
		return cps_err_nomem(err);
	aside->fn = fn;
	aside->ctx = ctx;
	pthread_mutex_init(&aside->lock, NULL);
	pthread_cond_init(&aside->changed, NULL);
	rc = pthread_create(&aside->thread, NULL, run, aside);
	if (rc != 0) {
		release(aside);
		return cps_err_sys(err, -rc, "start a thread");
	}
	*out = aside;
	return 0;
}

void cps_aside_start(struct cps_aside *aside)
{
	pthread_mutex_lock(&aside->lock);
	aside->busy = true;
	pthread_cond_broadcast(&aside->changed);
	pthread_mutex_unlock(&aside->lock);
}

int cps_aside_wait(struct cps_aside *aside, struct cps_err *err)
{
	pthread_mutex_lock(&aside->lock);
	while (aside->busy)
		pthread_cond_wait(&aside->changed, &aside->lock);
	pthread_mutex_unlock(&aside->lock);
	if (aside->rc < 0)
		return cps_err_set(err, aside->rc, "%s", aside->err.msg);
	return aside->rc;
}

void cps_aside_free(struct cps_aside *aside)
{
	if (!aside)
		return;
	pthread_mutex_lock(&aside->lock);
	aside->stop = true;
	pthread_cond_broadcast(&aside->changed);
	pthread_mutex_unlock(&aside->lock);
	pthread_join(aside->thread, NULL);
	release(aside);
}
