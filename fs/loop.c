#define FUSE_USE_VERSION 314

#include "fs/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "store/base/fd.h"

#define REQUEST_BYTES (CPS_IO_MAX + 4096u) /* max_write, and room for a header */
#define THREADS_LEAST 3u  /* a leader, and two that may wait for content */
#define THREADS_MOST  16u /* unless told otherwise */
#define PAUSES        16  /* between two looks at the device */

struct cps_worker {
	pthread_t thread;
	struct cps_loop *loop;
	uint8_t *request; /* REQUEST_BYTES, then CPS_IO_MAX of the reply; one mapping */
	bool leads;       /* seen by its own thread only */
};

struct cps_loop {
	struct fuse_session *se; /* borrowed */
	int fd;                  /* borrowed */
	int end_fd;
	bool (*raw)(void *ctx, const void *request, size_t len); /* NULL: none */
	void *raw_ctx;
	uint64_t spin_ns;
	struct cps_worker *workers;
	unsigned int count;   /* of workers */
	unsigned int started; /* of these, threads that exist */
	atomic_bool ending;
	pthread_mutex_t lock;
	pthread_cond_t lead_is_free; /* with lock */
	struct cps_worker *leader;   /* under lock; the leader itself may just look */
	int rc;                      /* under lock */
};

/* ---- waiting for a request ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_briefly(void)
{
	for (int i = 0; i < PAUSES; i++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ __volatile__("yield");
#else
		atomic_signal_fence(memory_order_seq_cst);
#endif
	}
}

/* Waking a processor that has gone to sleep takes longer than any answer; so stay awake
 * for a moment: the next request of a walk is on its way. */
static void await_request(const struct cps_loop *loop, uint64_t *deadline_ns)
{
	struct pollfd fds[] = {
		{.fd = loop->fd, .events = POLLIN},
		{.fd = loop->end_fd, .events = POLLIN},
	};

	if (loop->spin_ns && !*deadline_ns)
		*deadline_ns = now_ns() + loop->spin_ns;
	if (loop->spin_ns && now_ns() < *deadline_ns) {
		pause_briefly();
		return;
	}
	poll(fds, CPS_ARRAY_LEN(fds), -1);
	*deadline_ns = 0;
}

/* Bytes of the next request; -ENODEV at the end. */
static ssize_t receive(struct cps_worker *me)
{
	struct cps_loop *loop = me->loop;
	uint64_t deadline_ns = 0;

	for (;;) {
		ssize_t n;

		if (atomic_load_explicit(&loop->ending, memory_order_relaxed))
			return -ENODEV;
		n = read(loop->fd, me->request, REQUEST_BYTES);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			return n;
		if (n >= 0)
			return -EIO;
		if (errno == EAGAIN)
			await_request(loop, &deadline_ns);
		else if (errno != EINTR && errno != ENOENT) /* ENOENT: withdrawn */
			return -errno;
	}
}

/* ---- leading ---- */

static bool become_leader(struct cps_worker *me)
{
	struct cps_loop *loop = me->loop;

	pthread_mutex_lock(&loop->lock);
	while (loop->leader && !atomic_load(&loop->ending))
		pthread_cond_wait(&loop->lead_is_free, &loop->lock);
	me->leads = !atomic_load(&loop->ending);
	if (me->leads)
		loop->leader = me;
	pthread_mutex_unlock(&loop->lock);
	return me->leads;
}

void cps_worker_pass_lead(struct cps_worker *me)
{
	struct cps_loop *loop = me->loop;

	if (!me->leads)
		return;
	me->leads = false;
	pthread_mutex_lock(&loop->lock);
	loop->leader = NULL;
	pthread_cond_signal(&loop->lead_is_free);
	pthread_mutex_unlock(&loop->lock);
}

static void answer(struct cps_worker *me, size_t len)
{
	struct cps_loop *loop = me->loop;
	struct fuse_buf buf = {.size = len, .mem = me->request};

	if (!loop->raw || !loop->raw(loop->raw_ctx, me->request, len))
		fuse_session_process_buf(loop->se, &buf);
}

static void *work(void *arg)
{
	struct cps_worker *me = arg;
	struct cps_loop *loop = me->loop;

	while (become_leader(me)) {
		ssize_t n = 0;

		while (me->leads && (n = receive(me)) > 0)
			answer(me, (size_t)n);
		if (n >= 0)
			continue;
		pthread_mutex_lock(&loop->lock);
		if (n != -ENODEV)
			loop->rc = (int)n;
		pthread_mutex_unlock(&loop->lock);
		cps_loop_end(loop);
	}
	return NULL;
}

struct cps_worker *cps_loop_leader(struct cps_loop *loop)
{
	return loop->leader;
}

const void *cps_worker_request(const struct cps_worker *worker)
{
	return worker->request;
}

void *cps_worker_buffer(struct cps_worker *worker)
{
	return worker->request + REQUEST_BYTES;
}

/* ---- life ---- */

static unsigned int usable_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

static unsigned int choose_threads(unsigned int processors)
{
	unsigned int n = processors + 1;

	if (n < THREADS_LEAST)
		return THREADS_LEAST;
	return n > THREADS_MOST ? THREADS_MOST : n;
}

static int make_workers(struct cps_loop *loop, unsigned int count)
{
	loop->workers = calloc(count, sizeof(*loop->workers));
	if (!loop->workers)
		return -ENOMEM;
	for (; loop->count < count; loop->count++) {
		struct cps_worker *worker = &loop->workers[loop->count];
		/* Untouched pages cost nothing: few requests are long. */
		void *memory =
			mmap(NULL, REQUEST_BYTES + CPS_IO_MAX, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return -ENOMEM;
		worker->request = memory;
		worker->loop = loop;
	}
	return 0;
}

int cps_loop_new(const struct cps_loop_opts *opts, struct cps_loop **out,
		 struct cps_err *err)
{
	unsigned int processors = usable_processors();
	cps_auto(cps_loop_free) struct cps_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return cps_err_nomem(err);
	loop->se = opts->se;
	loop->fd = opts->fd;
	loop->raw = opts->raw;
	loop->raw_ctx = opts->raw_ctx;
	/* With one processor the caller could not run while we look. */
	loop->spin_ns = processors > 1 ? opts->spin_us * (uint64_t)1000 : 0;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->lead_is_free, NULL);
	loop->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->end_fd < 0)
		return cps_err_sys(err, -errno, "make an eventfd");
	if (fcntl(loop->fd, F_SETFL, O_NONBLOCK) < 0)
		return cps_err_sys(err, -errno, "/dev/fuse");
	if (make_workers(loop, opts->threads ? opts->threads
					     : choose_threads(processors)) < 0)
		return cps_err_nomem(err);
	*out = CPS_TAKE(loop);
	return 0;
}

int cps_loop_start(struct cps_loop *loop, struct cps_err *err)
{
	for (; loop->started < loop->count; loop->started++) {
		struct cps_worker *worker = &loop->workers[loop->started];
		int rc = pthread_create(&worker->thread, NULL, work, worker);

		if (rc != 0) {
			cps_loop_end(loop);
			cps_loop_join(loop);
			return cps_err_sys(err, -rc, "start a thread");
		}
	}
	return 0;
}

int cps_loop_end_fd(const struct cps_loop *loop)
{
	return loop->end_fd;
}

void cps_loop_end(struct cps_loop *loop)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&loop->lock);
	atomic_store(&loop->ending, true);
	pthread_cond_broadcast(&loop->lead_is_free);
	pthread_mutex_unlock(&loop->lock);
	/* Cannot fail: an eventfd has room for far more than the threads that end. */
	(void)!write(loop->end_fd, &one, sizeof(one));
}

int cps_loop_join(struct cps_loop *loop)
{
	while (loop->started > 0)
		pthread_join(loop->workers[--loop->started].thread, NULL);
	return loop->rc;
}

void cps_loop_free(struct cps_loop *loop)
{
	if (!loop)
		return;
	if (loop->started) {
		cps_loop_end(loop);
		cps_loop_join(loop);
	}
	for (unsigned int i = 0; i < loop->count; i++)
		munmap(loop->workers[i].request, REQUEST_BYTES + CPS_IO_MAX);
	free(loop->workers);
	if (loop->end_fd >= 0)
		close(loop->end_fd);
	pthread_cond_destroy(&loop->lead_is_free);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}
