/* A top from opening to closing. */
#include "fs/top/top.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "fs/top/compact.h"
#include "fs/top/internal.h"
#include "fs/top/replay.h"
#include "fs/top/stubs.h"
#include "fs/top/tidy.h"
#include "store/base/fd.h"
#include "store/base/log.h"

#define LOG_NAME  "log"
#define DATA_NAME "data"

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- changes ---- */

/* Entry of the table of processes; a new one goes to the log first. */
static int find_who(struct cps_top *top, const struct cps_top_who *who, int64_t time_ns,
		    uint32_t *out)
{
	char comm[CPS_WHO_COMM_MAX + 1] = "";
	struct cps_change entry = {.type = CPS_CHANGE_WHO, .time_ns = time_ns};
	int rc;

	*out = 0;
	if (!who || who->pid <= 0)
		return 0;
	*out = cps_whos_find(&top->whos, who->pid, time_ns, comm);
	if (*out)
		return 0;
	entry.gen = top->whos.count;
	entry.ino = (uint64_t)who->pid;
	entry.uid = who->uid;
	entry.name = (struct cps_bytes){comm, strlen(comm)};
	rc = cps_toplog_append(top->log, &entry, true);
	if (rc < 0)
		return rc;
	*out = top->whos.count;
	cps_whos_add(&top->whos, who->pid, time_ns, comm);
	return 0;
}

/* What frees space, or is needed to find out what can be freed. */
static bool may_use_reserve(const struct cps_change *c)
{
	return c->type == CPS_CHANGE_UNLINK || c->type == CPS_CHANGE_RENAME ||
	       c->type == CPS_CHANGE_ATTR;
}

static int put_on_record(struct cps_top *top, const struct cps_top_who *who,
			 struct cps_change *c)
{
	int rc = find_who(top, who, c->time_ns, &c->who);

	return rc < 0 ? rc : cps_toplog_append(top->log, c, may_use_reserve(c));
}

int cps_top_commit_change(struct cps_top *top, const struct cps_top_who *who,
			  struct cps_change *c)
{
	int rc;

	if (!top->writable)
		return -EROFS;
	if (top->wedged)
		return -EIO;
	rc = cps_change_check(top, c);
	if (rc < 0)
		return rc;
	c->time_ns = now_ns();
	rc = put_on_record(top, who, c);
	if (rc == -ENOSPC && cps_top_reclaim_locked(top))
		rc = put_on_record(top, who, c);
	if (rc < 0)
		return rc;
	top->applying = cps_toplog_end(top->log);
	rc = cps_change_apply(top, c);
	top->applying = 0;
	if (rc == 0)
		return 0;
	/* It is on record, so it happened; only this process does not know it. */
	top->wedged = true;
	cps_log(CPS_LOG_ERROR, "no memory for a change that is on record: unmount and "
			       "mount again");
	return -EIO;
}

int cps_top_mark(struct cps_top *top, const struct cps_top_who *who, const char *name,
		 uint64_t *upto, struct cps_err *err)
{
	struct cps_change c = {
		.type = CPS_CHANGE_MARK,
		.name = {name, strlen(name)},
	};
	int rc;

	if (c.name.len > CPS_NAME_MAX)
		return cps_err_set(err, -ENAMETOOLONG, "the mark's name is too long");
	cps_top_lock(top);
	c.gen = top->next_gen;
	rc = cps_top_commit_change(top, who, &c);
	*upto = top->log ? cps_toplog_end(top->log) : 0;
	cps_top_unlock(top);
	return rc < 0 ? cps_err_sys(err, rc, "mark") : 0;
}

/* ---- opening ---- */

static int new_top(struct cps_root *root, struct cps_top **out, struct cps_err *err)
{
	struct cps_top *top = calloc(1, sizeof(*top));

	if (!top)
		return cps_err_nomem(err);
	top->root = root;
	top->dirfd = -1;
	top->files.dirfd = -1;
	top->next_ino = CPS_TOP_FRESH;
	top->next_gen = CPS_IN_FILES;
	top->whos.count = 1;
	pthread_mutex_init(&top->lock, NULL);
	pthread_mutex_init(&top->sync_lock, NULL);
	*out = top;
	return 0;
}

int cps_top_bare(struct cps_root *root, struct cps_top **out, struct cps_err *err)
{
	int rc = new_top(root, out, err);

	if (rc == 0)
		(*out)->fixed = true;
	return rc;
}

static int open_data(struct cps_top *top, bool write, struct cps_err *err)
{
	int fd;

	if (write && mkdirat(top->dirfd, DATA_NAME, 0700) < 0 && errno != EEXIST)
		return cps_err_sys(err, -errno, "make the folder '%s'", DATA_NAME);
	fd = openat(top->dirfd, DATA_NAME,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (write || errno != ENOENT))
		return cps_err_sys(err, -errno, "open the folder '%s'", DATA_NAME);
	cps_files_init(&top->files, fd, write);
	/* Who writes leaves data files alone while somebody looks at them. */
	if (!write && fd >= 0 && flock(fd, LOCK_SH) < 0)
		return cps_err_sys(err, -errno, "lock the folder '%s'", DATA_NAME);
	return 0;
}

static int count_lookups(struct cps_top *top, struct cps_err *err)
{
	size_t count = cps_tree_inode_count(top->root->tree);

	top->lower_refs = calloc(count, sizeof(*top->lower_refs));
	return top->lower_refs ? 0 : cps_err_nomem(err);
}

/* Remove what nobody needs; what somebody looks at stays as it is, as a mark's does. */
static int tidy(struct cps_top *top)
{
	int rc;

	if (flock(top->files.dirfd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		top->frozen_gen = top->next_gen;
		return 0;
	}
	/* What a lost record named is not told from what nothing names. */
	rc = cps_toplog_lost(top->log) ? 0 : cps_top_tidy(top);
	flock(top->files.dirfd, LOCK_UN);
	return rc;
}

/* From here on changes are logged. */
static int start(struct cps_top *top, struct cps_err *err)
{
	struct cps_change c = {
		.type = CPS_CHANGE_START,
		.ino = top->next_ino,
		.gen = top->next_gen,
		.time_ns = now_ns(),
	};
	int rc = cps_top_take_over(top);

	if (rc < 0)
		return cps_err_sys(err, rc, "sync what the last mount left");
	rc = cps_replay_mend(top, err);
	if (rc < 0)
		return rc;
	rc = cps_toplog_append(top->log, &c, false);
	if (rc < 0)
		return cps_err_sys(err, rc, "write to the log");
	rc = tidy(top);
	if (rc < 0)
		return cps_err_sys(err, rc, "tidy the folder '%s'", DATA_NAME);
	top->writable = true;
	return 0;
}

int cps_top_open(struct cps_root *root, int dirfd, const struct cps_digest *id,
		 const struct cps_top_opts *opts, struct cps_top **out,
		 struct cps_err *err)
{
	cps_auto(cps_top_close) struct cps_top *top = NULL;
	uint64_t upto = opts->upto;
	int rc = new_top(root, &top, err);

	if (rc < 0)
		return rc;
	top->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	if (top->dirfd < 0)
		return cps_err_sys(err, -errno, "dup");
	top->is_volatile = opts->is_volatile && !opts->read_only;
	rc = cps_top_check_volatile(dirfd, err);
	if (rc == 0 && opts->mark)
		rc = cps_replay_find_mark(dirfd, LOG_NAME, id, opts->mark, &upto, err);
	if (rc == 0)
		rc = open_data(top, !opts->read_only, err);
	if (rc == 0)
		rc = cps_toplog_open(dirfd, LOG_NAME, id, !opts->read_only, &top->log,
				     err);
	if (rc == 0 && opts->read_only && opts->alone)
		rc = cps_toplog_hold(top->log, dirfd, LOG_NAME, err);
	if (rc == 0 && upto)
		cps_toplog_limit(top->log, upto);
	if (rc == 0)
		rc = count_lookups(top, err);
	if (rc == 0)
		rc = cps_replay(top, err);
	if (rc == 0 && opts->read_only && cps_top_hide_stubs(top) < 0)
		rc = cps_err_nomem(err);
	if (rc == 0 && !opts->read_only)
		rc = start(top, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(top);
	return 0;
}

void cps_top_let_write(struct cps_top *top)
{
	cps_toplog_let_go(top->log);
}

int cps_top_close(struct cps_top *top, struct cps_err *err)
{
	int rc = 0;

	if (!top)
		return 0;
	if (top->writable && !top->wedged && !top->is_volatile) {
		rc = cps_top_sync(top);
		if (rc < 0)
			cps_err_sys(err, rc, "sync the changes");
		else
			rc = cps_top_compact(top, LOG_NAME, err);
		if (rc == 0)
			cps_top_leave_synced(top);
	}
	cps_nodes_release(top);
	cps_files_release(&top->files);
	cps_toplog_close(top->log);
	free(top->lower_refs);
	if (top->dirfd >= 0)
		close(top->dirfd);
	pthread_mutex_destroy(&top->lock);
	pthread_mutex_destroy(&top->sync_lock);
	free(top);
	return rc;
}

bool cps_top_writable(const struct cps_top *top)
{
	return top->writable;
}

bool cps_top_volatile(const struct cps_top *top)
{
	return top->is_volatile;
}

struct cps_root *cps_top_root(const struct cps_top *top)
{
	return top->root;
}
