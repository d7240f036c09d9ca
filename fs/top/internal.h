#ifndef CPS_TOP_INTERNAL_H
#define CPS_TOP_INTERNAL_H

#include <pthread.h>

#include "fs/top/dents.h"
#include "fs/top/files.h"
#include "fs/top/log.h"
#include "fs/top/ranges.h"
#include "fs/top/top.h"
#include "fs/top/who.h"
#include "fs/top/xset.h"

/* What the files of this room share. */

#define CPS_INLINE_MAX  (64u << 10)  /* bytes of one file's content kept in the log */
#define CPS_RANGES_MANY 4096u        /* of one file; then it takes whole chunks over */
#define CPS_CHUNK       (256u << 10) /* bytes that it then takes at once */
#define CPS_XATTR_CAPS  "security.capability"

enum cps_node_flags {
	CPS_NODE_ATTRS = 1,     /* attributes are not the lower inode's */
	CPS_NODE_CONTENT = 2,   /* nor is the content */
	CPS_NODE_XATTRS = 4,    /* nor are the xattrs: node->xattrs holds all of them */
	CPS_NODE_UNLINKED = 16, /* it lost its last name, and gets none again */
	CPS_NODE_LOST = 8,      /* where no range is, content may be lost: no zeros */
};

/** An inode that is new, or no longer as it is below. */
struct cps_node {
	uint64_t ino;
	uint64_t refs;     /* of fresh ones: look-ups that the kernel remembers */
	uint64_t parent;   /* of a folder */
	uint64_t size;     /* bytes; of a symlink its length */
	uint64_t base_len; /* bytes of the lower content that still show */
	uint64_t rdev;     /* major << 32 | minor */
	struct timespec atime, mtime, ctime;
	uint32_t mode, uid, gid, nlink, flags, who;
	uint32_t logged;  /* bytes of content put in the log */
	uint32_t gen;     /* of the data file that is written; 0: none */
	uint32_t due;     /* replay: records that its state still owes it */
	uint64_t told;    /* st_blocks that the kernel was told last */
	uint64_t touched; /* where the last record in the log ends that is about it */
	bool named;       /* a folder: compaction wrote its name */
	bool placed;      /* a folder: verified to be below the root */
	struct cps_xset xattrs;
	struct cps_dents *dents;  /* of a folder, owned; NULL: it differs in no name */
	struct cps_ranges ranges; /* of a regular file */
	char *target;             /* of a new symlink, owned, NUL-terminated */
};

/** Nodes by inode number, open addressing. */
struct cps_nodes {
	struct cps_node **slots;
	size_t count, slot_count;
};

struct cps_top {
	struct cps_root *root;  /* borrowed */
	struct cps_toplog *log; /* NULL: bare */
	bool fixed;             /* bare: nothing changes, no lock is needed */
	bool writable;
	bool is_volatile;          /* a sync does all but wait for the disk */
	int dirfd;                 /* a dup; -1: bare */
	pthread_mutex_t sync_lock; /* one sync at a time; taken before `lock` */
	pthread_mutex_t lock;      /* over all that follows; never held over a sync */
	struct cps_nodes nodes;
	/* Look-ups by tree position, and CPS_LOWER_DEAD; untouched pages are free. */
	uint32_t *lower_refs;
	uint64_t gone_end; /* replay: after the last lower inode said to be gone */
	uint64_t next_ino;
	uint32_t next_gen;   /* of data files */
	uint32_t frozen_gen; /* data files below it are a mark's: never changed */
	uint32_t named_gen;  /* the same, of named marks alone */
	bool replaying;
	bool wedged;       /* a logged change could not be applied: reopen */
	int sync_error;    /* once lost, always reported */
	uint64_t synced;   /* so much of the log is on the disk */
	uint64_t applying; /* where the record ends that is applied now; 0: none is */
	struct cps_files files;
	struct cps_whos whos;
};

static inline void cps_top_lock(struct cps_top *top)
{
	if (!top->fixed)
		pthread_mutex_lock(&top->lock);
}

static inline void cps_top_unlock(struct cps_top *top)
{
	if (!top->fixed)
		pthread_mutex_unlock(&top->lock);
}

/** Can what a volatile writer left be whole? -EBADMSG: the machine went down since. */
int cps_top_check_volatile(int dirfd, struct cps_err *err);
/** Before the first change: what the last writer left unsynced, if it was killed or
 *  volatile, is on disk when this returns, unless the top is volatile too. 0; -errno.
 */
int cps_top_take_over(struct cps_top *top);
/** After a sync, and no change since: the next writer finds nothing of ours to sync. */
void cps_top_leave_synced(struct cps_top *top);

/** The disk is full: remove what waits for a sync to be removed. Not under the lock.
 *  True: it is worth to try again. */
bool cps_top_reclaim(struct cps_top *top);
/** The same under the lock, for a record that finds no room: all wait for the disk. Not
 *  while another sync is under way. */
bool cps_top_reclaim_locked(struct cps_top *top);

/* All functions below are called under the lock. */

#define CPS_LOWER_DEAD (1u << 31) /* it lost its last name, and its node is gone */
/* So many look-ups are counted; one that had more is never forgotten. */
#define CPS_LOWER_REFS_MAX (CPS_LOWER_DEAD - 1)

static inline uint64_t cps_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline bool cps_is_lower(uint64_t ino)
{
	return ino < CPS_TOP_FRESH;
}

static inline uint32_t cps_lower_pos(uint64_t ino)
{
	return (uint32_t)(ino - 1);
}

/** A lower inode that only a file handle may still name. */
static inline bool cps_is_dead(const struct cps_top *top, uint64_t ino)
{
	return top->lower_refs && cps_is_lower(ino) &&
	       cps_lower_pos(ino) < cps_tree_inode_count(top->root->tree) &&
	       top->lower_refs[cps_lower_pos(ino)] & CPS_LOWER_DEAD;
}

static inline const struct cps_dents *cps_node_dents(const struct cps_node *node)
{
	static const struct cps_dents none;

	return node->dents ? node->dents : &none;
}

/** The same, to be changed. NULL: no memory. */
struct cps_dents *cps_node_own_dents(struct cps_node *node);
/** NULL: as it is below, or not there. */
struct cps_node *cps_node_find(const struct cps_top *top, uint64_t ino);
/** The node of an inode, made from the lower one when there is none yet. -ENOENT. */
int cps_node_get(struct cps_top *top, uint64_t ino, struct cps_node **out);
/** A node of a number that is not in use. */
int cps_node_add(struct cps_top *top, uint64_t ino, struct cps_node **out);
/** Forget a node that has neither names nor look-ups; its data files are doomed. */
void cps_node_drop_if_dead(struct cps_top *top, struct cps_node *node);
/** In replay: forget all that nothing names, whoever had it at hand is gone. */
void cps_nodes_drop_dead(struct cps_top *top);
/** In a top that is only read: the lower inode is as it is below again. */
void cps_node_forget(struct cps_top *top, struct cps_node *node);
/** A data file is not needed any more, unless by a mark. */
void cps_node_doom(struct cps_top *top, uint32_t gen);
/** [off, end) of its content is not in its data file any more. */
void cps_node_loosen(struct cps_top *top, const struct cps_node *n, uint64_t off,
		     uint64_t end);
void cps_nodes_release(struct cps_top *top);

/** What most checks want to know of any inode. */
struct cps_brief {
	uint32_t mode, nlink;
	uint64_t parent; /* of a folder */
};

int cps_top_brief(struct cps_top *top, uint64_t ino, struct cps_brief *out);
/** As cps_top_lookup(), without "." and "..". *covers: the lower folder has the name.
 */
int cps_top_child(struct cps_top *top, uint64_t dir, const char *name, size_t len,
		  uint64_t *ino, bool *covers);
/** How many entries a folder has. */
int cps_top_entries(struct cps_top *top, uint64_t dir, uint64_t *count);
/** Is `dir` the folder `below` or above it? */
bool cps_top_is_ancestor(struct cps_top *top, uint64_t dir, uint64_t below);
/** The node with all its xattrs in node->xattrs. */
int cps_node_own_xattrs(struct cps_top *top, struct cps_node *node);
/** Bytes that the xattrs of any inode take in a set. */
int cps_top_xattr_bytes(struct cps_top *top, uint64_t ino, uint64_t *out);
/** An xattr of any inode; *out is borrowed until the next change. -ENODATA. */
int cps_top_xattr_find(struct cps_top *top, uint64_t ino, const char *name,
		       struct cps_bytes *out);
/** st_blocks of a regular file: the storage that its content takes, about. */
uint64_t cps_node_blocks(struct cps_top *top, const struct cps_node *node);

/** A file's content is about to change by someone who may not keep setuid: setgid
 *  without x for the group goes too when he is not of the group. What goes with
 *  CPS_CHANGE_KILL_PRIV is left to that. */
int cps_top_kill_plain_sgid(struct cps_top *top, const struct cps_top_who *who,
			    const struct cps_node *node);
/** Would the change make sense now? 0 or -errno. What replay meets is checked too. */
int cps_change_check(struct cps_top *top, const struct cps_change *change);
/** Do it. Fails only for want of memory. */
int cps_change_apply(struct cps_top *top, const struct cps_change *change);
/** Check, log, apply; time and who are filled in. */
int cps_top_commit_change(struct cps_top *top, const struct cps_top_who *who,
			  struct cps_change *change);

#endif
