#ifndef CPS_TOP_FILES_H
#define CPS_TOP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The files beside the log, data/<number in hex>: large contents. A bounded number of
 * them is open at a time.
 *
 * Two rules keep what was synced: a file is removed only after the log, which says that
 * it is not needed, was synced; and before the log is synced, files that took contents
 * over from it are. */

struct cps_file;

struct cps_files {
	int dirfd; /* of data/; -1: none */
	bool writable;
	struct cps_file *slots[256];      /* by number, chained */
	struct cps_file *newest, *oldest; /* of the open ones */
	size_t open_count, count;
	bool folder_dirty; /* a file was made since the last sync */
	uint32_t *doomed;  /* numbers, to be removed after a sync */
	size_t doomed_count, doomed_cap;
	size_t loose_count; /* files of which something is loose */
};

/** Bytes of a file that were an inode's content and are not any more. */
struct cps_loose {
	uint64_t owner; /* the inode */
	uint64_t off, end;
	uint32_t number;
};

#define CPS_FILES_OPEN_MAX 128u /* descriptors */

/** dirfd  of data/, taken */
void cps_files_init(struct cps_files *files, int dirfd, bool writable);
void cps_files_release(struct cps_files *files);

/** Use a file: `make` it, or open it when it is not. The descriptor stays open until
 *  cps_files_put(). 0; -errno. */
int cps_files_get(struct cps_files *files, uint32_t number, bool make,
		  struct cps_file **out);
void cps_files_put(struct cps_files *files, struct cps_file *file);
int cps_file_fd(const struct cps_file *file);
/** It was written to. `first`: it holds what the log held, and goes before the log. */
void cps_file_touch(struct cps_file *file, bool first);
/** Not needed any more. 0 or -ENOMEM (it then stays until the top is opened again). */
int cps_files_doom(struct cps_files *files, uint32_t number);
/** These bytes may be given back to the disk after a sync, if nobody takes them again;
 *  what lies between two such pieces of one file, too. */
void cps_files_loosen(struct cps_files *files, const struct cps_loose *loose);
/** The file's loose bytes are kept after all. */
void cps_files_tighten(struct cps_files *files, uint32_t number);
/** Give [off, end) of a file back to the disk, or all from `off` on if `end` is
 *  CPS_RANGE_END. What cannot be done is left. */
void cps_files_punch(struct cps_files *files, uint32_t number, uint64_t off,
		     uint64_t end);

/** What a sync has to do, taken under the lock and done without it. One at a time. */
struct cps_files_sync {
	int *fds; /* dups; they go before the log */
	size_t count;
	int dirfd; /* -1: the folder is clean */
	size_t doomed;
	struct cps_loose *loose; /* bytes that may be given back if it goes well */
	size_t loose_count;
};

/** Was one of them written to since the last sync began? */
bool cps_files_dirty(struct cps_files *files, const uint32_t *numbers, size_t count);
/** numbers  NULL: every dirty file; else these and those that go before the log */
int cps_files_sync_begin(struct cps_files *files, const uint32_t *numbers, size_t count,
			 struct cps_files_sync *out);
/** Without the lock. 0 or the first -errno. */
int cps_files_sync_do(struct cps_files_sync *sync, int log_fd);
/** Under the lock again: remove what was doomed when it began, if it went well. */
void cps_files_sync_end(struct cps_files *files, struct cps_files_sync *sync, int rc);
/** Cut off what a file has beyond `size`. Nothing when it is not there. 0 or -errno. */
int cps_files_trim(struct cps_files *files, uint32_t number, uint64_t size);
/** Remove the files from number `from` on that `keep` does not want. For opening. */
int cps_files_sweep(struct cps_files *files, uint32_t from,
		    bool (*keep)(void *ctx, uint32_t number), void *ctx);

#endif
