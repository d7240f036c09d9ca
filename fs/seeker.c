#define FUSE_USE_VERSION 314

#include "fs/seeker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct job {
	struct job *next;
	fuse_req_t req;
	fuse_ino_t ino;
	off_t off;
	int whence;
};

struct cps_seeker {
	struct cps_top *top;     /* borrowed */
	struct fuse_session *se; /* borrowed */
	pthread_t thread;
	pthread_mutex_t lock; /* over the rest */
	pthread_cond_t work;
	struct job *first, **last;
	bool ending;
};

void cps_seek_reply(struct cps_top *top, fuse_req_t req, fuse_ino_t ino, off_t off,
		    int whence)
{
	uint64_t at = 0;
	int rc = cps_top_seek(top, ino, (uint64_t)off, whence, &at);

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_lseek(req, (off_t)at);
}

/* The next job, waited for; NULL at the end. */
static struct job *next_job(struct cps_seeker *seeker)
{
	struct job *job;

	pthread_mutex_lock(&seeker->lock);
	while (!seeker->first && !seeker->ending)
		pthread_cond_wait(&seeker->work, &seeker->lock);
	job = seeker->first;
	if (job)
		seeker->first = job->next;
	if (!seeker->first)
		seeker->last = &seeker->first;
	pthread_mutex_unlock(&seeker->lock);
	return job;
}

static void *serve(void *arg)
{
	struct cps_seeker *seeker = arg;
	struct job *job;

	while ((job = next_job(seeker))) {
		/* An inode that the kernel has dropped already holds nothing back. */
		fuse_lowlevel_notify_inval_inode(seeker->se, job->ino, 0, 0);
		cps_seek_reply(seeker->top, job->req, job->ino, job->off, job->whence);
		free(job);
	}
	return NULL;
}

int cps_seeker_start(struct cps_top *top, struct fuse_session *se,
		     struct cps_seeker **out, struct cps_err *err)
{
	struct cps_seeker *seeker = calloc(1, sizeof(*seeker));
	int rc;

	if (!seeker)
		return cps_err_nomem(err);
	seeker->top = top;
	seeker->se = se;
	seeker->last = &seeker->first;
	pthread_mutex_init(&seeker->lock, NULL);
	pthread_cond_init(&seeker->work, NULL);
	rc = pthread_create(&seeker->thread, NULL, serve, seeker);
	if (rc) {
		free(seeker);
		return cps_err_sys(err, -rc, "start a thread");
	}
	*out = seeker;
	return 0;
}

void cps_seeker_stop(struct cps_seeker *seeker)
{
	if (!seeker)
		return;
	pthread_mutex_lock(&seeker->lock);
	seeker->ending = true;
	pthread_cond_signal(&seeker->work);
	pthread_mutex_unlock(&seeker->lock);
	pthread_join(seeker->thread, NULL);
	pthread_cond_destroy(&seeker->work);
	pthread_mutex_destroy(&seeker->lock);
	free(seeker);
}

void cps_seeker_take(struct cps_seeker *seeker, fuse_req_t req, fuse_ino_t ino,
		     off_t off, int whence)
{
	struct job *job = malloc(sizeof(*job));

	if (!job) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*job = (struct job){.req = req, .ino = ino, .off = off, .whence = whence};
	pthread_mutex_lock(&seeker->lock);
	*seeker->last = job;
	seeker->last = &job->next;
	pthread_cond_signal(&seeker->work);
	pthread_mutex_unlock(&seeker->lock);
}
