/* A folder of the host as a layer: its files have places in a stream that nobody
 * writes.
 */
#include "store/dirlayer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/base/log.h"
#include "store/layer_index.h"
#include "store/pack/upper_internal.h"

#define OPEN_FILES 64u /* that are kept open for the next read */

/** What was seen of a file with content. */
struct seen {
	uint64_t off; /* of its bytes in the stream */
	uint64_t size;
	uint64_t ino, dev;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t item; /* of the plan */
};

/** A file that is open; which one depends on its number. */
struct slot {
	pthread_mutex_t lock;
	int fd;        /* -1: none */
	uint32_t file; /* which */
};

struct cps_dirlayer {
	int fd;
	struct cps_upper *upper;
	struct seen *files; /* by offset */
	size_t count, cap;
	uint64_t end; /* of the stream so far */
	struct slot slots[OPEN_FILES];
};

int cps_dirlayer_open(const char *path, struct cps_dirlayer **out, struct cps_err *err)
{
	cps_auto(cps_dirlayer_close) struct cps_dirlayer *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return cps_err_nomem(err);
	for (size_t i = 0; i < OPEN_FILES; i++) {
		pthread_mutex_init(&d->slots[i].lock, NULL);
		d->slots[i].fd = -1;
	}
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return cps_err_sys(err, -errno, "open the folder");
	rc = cps_upper_plan(d->fd, NULL, INT64_MAX, &d->upper, err);
	if (rc < 0)
		return rc;
	d->upper->closed = true;
	*out = CPS_TAKE(d);
	return 0;
}

void cps_dirlayer_close(struct cps_dirlayer *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < OPEN_FILES; i++) {
		cps_fd_auto(&d->slots[i].fd);
		pthread_mutex_destroy(&d->slots[i].lock);
	}
	cps_upper_free(d->upper);
	cps_fd_auto(&d->fd);
	free(d->files);
	free(d);
}

/* ---- the index ---- */

static int add_file(struct cps_dirlayer *d, uint32_t item, struct cps_tar_entry *e,
		    struct cps_err *err)
{
	const struct stat *st = &d->upper->seen;

	if (cps_grow(&d->files, &d->cap, d->count + 1, sizeof(*d->files)) < 0)
		return cps_err_nomem(err);
	e->data_off = d->end;
	e->stored_size = e->size;
	d->files[d->count++] = (struct seen){
		.off = d->end,
		.size = e->size,
		.ino = st->st_ino,
		.dev = st->st_dev,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.item = item,
	};
	if (__builtin_add_overflow(d->end, e->size, &d->end) || d->end > INT64_MAX)
		return cps_err_set(err, -EFBIG, "'/%s': the files are too large",
				   e->path);
	return 0;
}

int cps_dirlayer_index(struct cps_dirlayer *d, const struct cps_digest *id,
		       struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_index_builder_free) struct cps_index_builder *b =
		cps_index_builder_new();
	const struct cps_pack_plan *plan = &d->upper->plan;
	int rc = b ? 0 : cps_err_nomem(err);

	for (uint32_t i = 0; i < plan->count && rc == 0; i++) {
		struct cps_tar_entry e;

		rc = cps_pack_describe(plan, &d->upper->source, &plan->items[i], &e,
				       err);
		if (rc == 0 && e.type == CPS_TAR_REG && e.size)
			rc = add_file(d, i, &e, err);
		if (rc == 0)
			rc = cps_index_add(b, &e, err);
	}
	return rc < 0 ? rc : cps_index_finish(b, id, true, out, err);
}

/* ---- bytes ---- */

static const struct seen *find(const struct cps_dirlayer *d, uint64_t off)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (d->files[mid].off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || off - d->files[low - 1].off >= d->files[low - 1].size)
		return NULL;
	return &d->files[low - 1];
}

/* -ESTALE: it is not what was seen. */
static int check(const struct seen *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_ino == f->ino && st.st_dev == f->dev && S_ISREG(st.st_mode) &&
			       (uint64_t)st.st_size == f->size &&
			       st.st_mtim.tv_sec == f->mtime_s &&
			       (uint32_t)st.st_mtim.tv_nsec == f->mtime_ns
		       ? 0
		       : -ESTALE;
}

/* Under the slot's lock. */
static int take_slot(struct cps_dirlayer *d, struct slot *s, uint32_t number,
		     const char *path)
{
	if (s->fd >= 0 && s->file == number)
		return s->fd;
	cps_fd_auto(&s->fd);
	s->file = number;
	s->fd = cps_open_beneath(d->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	return s->fd;
}

static ssize_t read_file(struct cps_dirlayer *d, const struct seen *f, void *buf,
			 size_t len, uint64_t off)
{
	const char *path =
		cps_pack_path(&d->upper->plan, &d->upper->plan.items[f->item]);
	uint32_t number = (uint32_t)(f - d->files);
	struct slot *s = &d->slots[number % OPEN_FILES];
	ssize_t n;
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = take_slot(d, s, number, path);
	n = rc < 0 ? rc : cps_pread_full(s->fd, buf, len, off);
	/* Afterwards: what was written before the bytes were read is seen by now. */
	rc = n < 0 ? (int)n : check(f, s->fd);
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		return n;
	cps_log(CPS_LOG_ERROR, "'/%s': %s", path,
		rc == -ESTALE ? "it was changed since its folder was read"
			      : strerror(-rc));
	return -EIO;
}

ssize_t cps_dirlayer_pread(struct cps_dirlayer *d, void *buf, size_t len, uint64_t off)
{
	const struct seen *f = find(d, off);

	if (!f)
		return 0;
	off -= f->off;
	if (len > f->size - off)
		len = f->size - off;
	return read_file(d, f, buf, len, off);
}
