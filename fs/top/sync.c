/* Making changes last. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/top/content.h"
#include "store/base/fd.h"

#define UNSYNCED "unsynced" /* is there while somebody writes, or was killed then */
/* A link to the name of the boot in which a volatile writer began. It is made with its
 * target in one step of the file system's journal, before any change. */
#define VOLATILE  "volatile"
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_LEN  36u

#define DOOMED_MANY 1024u /* data files that wait for a sync to be removed */
#define FILES_MOST  16u   /* of one inode, synced by name; else all are */

/* What no range of the inode is in, while the log on disk says the same. */
static void give_back(struct cps_top *top, const struct cps_loose *loose)
{
	const struct cps_node *n = cps_node_find(top, loose->owner);
	uint64_t at = loose->off;

	if (!n || n->gen != loose->number || n->gen < top->frozen_gen)
		return;
	for (size_t i = cps_ranges_find(&n->ranges, at); at < loose->end; i++) {
		const struct cps_range *r =
			i < n->ranges.count ? &n->ranges.items[i] : NULL;

		if (r && r->in != loose->number)
			continue;
		if (!r || r->off > at)
			cps_files_punch(&top->files, loose->number, at,
					r ? cps_least(r->off, loose->end) : loose->end);
		at = r ? r->off + r->len : loose->end;
	}
}

/* Under the lock. The kernel tells a lost page once: it stays lost (the "fsyncgate").
 */
static void note_synced(struct cps_top *top, struct cps_files_sync *sync, uint64_t upto,
			int rc)
{
	if (rc < 0)
		top->sync_error = rc;
	else
		top->synced = upto;
	for (size_t i = 0; rc == 0 && i < sync->loose_count; i++)
		give_back(top, &sync->loose[i]);
	cps_files_sync_end(&top->files, sync, rc);
}

static int sync_alone(struct cps_top *top, const uint32_t *numbers, size_t count)
{
	struct cps_files_sync sync = {.dirfd = -1};
	uint64_t upto;
	int rc, fd;

	cps_top_lock(top);
	rc = top->sync_error;
	fd = cps_toplog_fd(top->log);
	upto = cps_toplog_end(top->log);
	if (rc == 0)
		rc = cps_files_sync_begin(&top->files, numbers, count, &sync);
	cps_top_unlock(top);
	if (rc == 0 && !top->is_volatile)
		rc = cps_files_sync_do(&sync, fd);
	cps_top_lock(top);
	note_synced(top, &sync, upto, rc);
	cps_top_unlock(top);
	return rc;
}

/* A second sync must not end before the first: what that one has taken on is clean for
 * everybody else, but not on disk yet. */
int cps_top_sync(struct cps_top *top)
{
	int rc;

	if (!top->writable)
		return 0;
	pthread_mutex_lock(&top->sync_lock);
	rc = sync_alone(top, NULL, 0);
	pthread_mutex_unlock(&top->sync_lock);
	return rc;
}

/* The data files that hold the inode's content. -E2BIG: too many to name. */
static int files_of(const struct cps_node *n, uint32_t numbers[FILES_MOST])
{
	int count = 0;

	for (size_t i = 0; n && i < n->ranges.count; i++) {
		uint32_t in = n->ranges.items[i].in;

		if (in < CPS_IN_FILES || (count && numbers[count - 1] == in))
			continue;
		if (count == FILES_MOST)
			return -E2BIG;
		numbers[count++] = in;
	}
	return count;
}

/* The log is one for all: who syncs one file after another, as dpkg does, syncs them
 * all with the first. Is nothing about the inode younger than the last sync? */
static bool is_synced(struct cps_top *top, uint64_t ino, uint32_t numbers[FILES_MOST],
		      int *count)
{
	const struct cps_node *n;
	int rc;

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	*count = files_of(n, numbers);
	rc = n && *count >= 0 && n->touched <= top->synced && top->sync_error == 0 &&
	     !cps_files_dirty(&top->files, numbers, (size_t)*count);
	cps_top_unlock(top);
	return rc;
}

int cps_top_sync_inode(struct cps_top *top, uint64_t ino)
{
	uint32_t numbers[FILES_MOST];
	int count, rc = 0;

	if (!top->writable || top->is_volatile)
		return 0;
	pthread_mutex_lock(&top->sync_lock);
	if (!is_synced(top, ino, numbers, &count))
		rc = count < 0 ? sync_alone(top, NULL, 0)
			       : sync_alone(top, numbers, (size_t)count);
	pthread_mutex_unlock(&top->sync_lock);
	return rc;
}

bool cps_top_reclaim(struct cps_top *top)
{
	bool waits;

	cps_top_lock(top);
	waits = top->writable &&
		(top->files.doomed_count > 0 || top->files.loose_count > 0);
	cps_top_unlock(top);
	return waits && cps_top_sync(top) == 0;
}

bool cps_top_reclaim_locked(struct cps_top *top)
{
	struct cps_files_sync sync = {.dirfd = -1};
	int rc;

	if (!top->writable || !top->files.doomed_count || top->sync_error < 0 ||
	    pthread_mutex_trylock(&top->sync_lock) != 0)
		return false;
	rc = cps_files_sync_begin(&top->files, NULL, 0, &sync);
	if (rc == 0 && !top->is_volatile)
		rc = cps_files_sync_do(&sync, cps_toplog_fd(top->log));
	note_synced(top, &sync, cps_toplog_end(top->log), rc);
	pthread_mutex_unlock(&top->sync_lock);
	return rc == 0;
}

bool cps_top_wants_sync(struct cps_top *top)
{
	bool many;

	cps_top_lock(top);
	many = top->writable && top->files.doomed_count >= DOOMED_MANY;
	cps_top_unlock(top);
	return many;
}

/* ---- from writer to writer ---- */

static int boot_name(char out[BOOT_LEN + 1])
{
	cps_auto(cps_fd) int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, BOOT_LEN);

	if (n < 0)
		return -errno;
	out[BOOT_LEN] = '\0';
	return n == BOOT_LEN ? 0 : -EIO;
}

int cps_top_check_volatile(int dirfd, struct cps_err *err)
{
	char began[BOOT_LEN + 1], now[BOOT_LEN + 1];
	ssize_t n = readlinkat(dirfd, VOLATILE, began, sizeof(began));
	int rc;

	if (n < 0)
		return errno == ENOENT
			       ? 0
			       : cps_err_sys(err, -errno, "read '" VOLATILE "'");
	rc = boot_name(now);
	if (rc < 0)
		return cps_err_sys(err, rc, "read '" BOOT_FILE "'");
	if (n == BOOT_LEN && memcmp(began, now, BOOT_LEN) == 0)
		return 0;
	return cps_err_set(
		err, -EBADMSG,
		"it was volatile, as with --rm, and the machine went down since: "
		"its changes are not whole");
}

static int be_volatile(struct cps_top *top)
{
	char now[BOOT_LEN + 1];
	int rc = boot_name(now);

	if (rc == 0 && symlinkat(now, top->dirfd, VOLATILE) < 0 && errno != EEXIST)
		rc = -errno;
	return rc;
}

/* A killed writer's changes are in the page cache. Those of the log name data files
 * that nobody knows to be dirty any more, and data files that they free are removed at
 * once: a sync of the log alone would lose what was synced before. After a power cut
 * there is nothing to sync, so the mark itself need not last. */
int cps_top_take_over(struct cps_top *top)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	cps_auto(cps_fd) int fd = openat(top->dirfd, UNSYNCED, flags | O_EXCL, 0600);

	if (fd < 0 && errno != EEXIST)
		return -errno;
	if (top->is_volatile)
		return be_volatile(top);
	if (fd < 0 && syncfs(top->dirfd) < 0)
		return -errno;
	return unlinkat(top->dirfd, VOLATILE, 0) < 0 && errno != ENOENT ? -errno : 0;
}

void cps_top_leave_synced(struct cps_top *top)
{
	unlinkat(top->dirfd, UNSYNCED, 0);
}
