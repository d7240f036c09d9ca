#ifndef CPS_TOP_H
#define CPS_TOP_H

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/view.h"

/* The writable layer over a root: what a file system says, and what is done to it,
 * without any FUSE in it. Changes live in an append-only log (fs/top/log.h); a change
 * is on record before the call that made it returns. A top without a log only reads.
 *
 * An inode number names an inode for ever: that of a lower inode is its position in the
 * tree and one, also after it was changed; a new inode gets the next number from
 * CPS_TOP_FRESH on, and none is used again.
 *
 * Every function is safe from any thread and returns 0 or -errno. */

#define CPS_TOP_ROOT  1u
#define CPS_TOP_FRESH (1ull << 32)

/* Of an inode that a sandbox made in a top to mount something upon; the value is its
 * name. As long as nobody did anything to it, whoever only looks at the top does not
 * see it: neither diff, commit and export, nor a mount of a moment. */
#define CPS_TOP_STUB_XATTR "user.capas.stub"

struct cps_top;

/** A root as it is, with nothing on top. `root` is borrowed, here and below. */
int cps_top_bare(struct cps_root *root, struct cps_top **out, struct cps_err *err);

struct cps_top_opts {
	bool read_only;   /* look at it; a driver may be writing at the same time */
	bool alone;       /* read_only: -EBUSY when one is; until the end none begins */
	const char *mark; /* read_only: as it was at this mark; NULL: as it is */
	uint64_t upto;    /* read_only: bytes of the log that count; 0: all */
	/* Written: it need not outlive the machine's running. No sync reaches the disk,
	 * and once the machine went down it is refused (as overlayfs' "volatile"). */
	bool is_volatile;
};

/** The top in the folder `dirfd` (borrowed), made when there is none and it may be
 *  written. `id` is the chainID of the root; a top of another one is refused.
 *  -EBUSY another process writes it; -ESTALE of another image; -ENOENT no such mark;
 *  -EBADMSG not a log, or a volatile one of an earlier boot. What a damaged log loses
 *  is said by cps_warn() and kept beside it. */
int cps_top_open(struct cps_root *root, int dirfd, const struct cps_digest *id,
		 const struct cps_top_opts *opts, struct cps_top **out,
		 struct cps_err *err);
/** Opened alone: others may begin to write now. What is seen here stays as it is. */
void cps_top_let_write(struct cps_top *top);
/** Sync, compact when more than half is garbage, end. An error is what sync said. */
int cps_top_close(struct cps_top *top, struct cps_err *err);
static inline void cps_top_close_auto(struct cps_top **top)
{
	if (*top)
		cps_top_close(*top, NULL);
}

bool cps_top_writable(const struct cps_top *top);
bool cps_top_volatile(const struct cps_top *top);
struct cps_root *cps_top_root(const struct cps_top *top); /* borrowed */

/* ---- looking ---- */

/** "." and ".." as in cps_view_lookup(). */
int cps_top_lookup(struct cps_top *top, uint64_t dir, const char *name, uint64_t *ino);
int cps_top_stat(struct cps_top *top, uint64_t ino, struct stat *out);
/** cps_top_stat() for somebody who keeps the answer. */
int cps_top_tell(struct cps_top *top, uint64_t ino, struct stat *out);
/** After a write: has st_blocks become another than was told? Then it says so once,
 *  until it is told again. */
bool cps_top_tell_again(struct cps_top *top, uint64_t ino);
void cps_top_statfs(struct cps_top *top, struct statvfs *out);

struct cps_top_entry {
	char name[CPS_NAME_MAX + 1];
	uint64_t ino;
	uint8_t type;  /* DT_* */
	uint64_t next; /* cookie of the entry after this one */
	bool dot;      /* "." or ".." */
};

/** As cps_view_readdir(): cookies stay good while the folder changes; an entry that is
 *  there all the time is seen once. */
int cps_top_readdir(struct cps_top *top, uint64_t dir, uint64_t cookie,
		    struct cps_top_entry *out);
int cps_top_readlink(struct cps_top *top, uint64_t ino, char *buf, size_t size);
ssize_t cps_top_xattr_get(struct cps_top *top, uint64_t ino, const char *name,
			  void *buf, size_t size);
ssize_t cps_top_xattr_list(struct cps_top *top, uint64_t ino, char *buf, size_t size);
int cps_top_seek(struct cps_top *top, uint64_t ino, uint64_t off, int whence,
		 uint64_t *out);
/** As cps_root_pread(). */
ssize_t cps_top_pread(struct cps_top *top, uint64_t ino, void *buf, size_t len,
		      uint64_t off, unsigned int flags);
/** Are attributes, xattrs or content others than those of the lower inode? New inodes
 *  are; one that only got or lost a name is not. */
bool cps_top_modified(struct cps_top *top, uint64_t ino);

/** Of a top that is only read: below the folder `path`, and with it, nothing is changed;
 *  it is as the root has it. One that the root has not goes if a sandbox made it to mount
 *  upon. For volumes, which are in the top and no change of a container's. A folder that
 *  something was moved out of stays as it is. 0; -ENOMEM; -EIO. */
int cps_top_revert(struct cps_top *top, const char *path);

/* ---- who has an inode at hand ---- */

/** One more look-up that the kernel will forget one day. */
void cps_top_ref(struct cps_top *top, uint64_t ino);
/** The kernel forgets `count` of them; an inode without a name goes with the last. */
void cps_top_forget(struct cps_top *top, uint64_t ino, uint64_t count);

/* ---- changing ---- */

/** On whose behalf. */
struct cps_top_who {
	pid_t pid; /* 0: the kernel's own, when it writes pages back */
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/** Make an inode of any type. `mode` has S_IFMT; umask and default ACLs are applied
 *  here, and so is the gid of a setgid folder. `target` of a symlink, else NULL.
 *  -EEXIST, -ENOTDIR, -ENOENT, -ENAMETOOLONG. */
int cps_top_make(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		 const char *name, mode_t mode, dev_t rdev, const char *target,
		 uint64_t *ino);
/** A file without a name (O_TMPFILE); it may get one by cps_top_link(). */
int cps_top_make_nameless(struct cps_top *top, const struct cps_top_who *who,
			  uint64_t dir, mode_t mode, uint64_t *ino);
int cps_top_link(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		 uint64_t dir, const char *name);
/** `folder`: rmdir(2), else unlink(2). */
int cps_top_unlink(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		   const char *name, bool folder);
/** RENAME_NOREPLACE and RENAME_EXCHANGE; other flags are -EINVAL. */
int cps_top_rename(struct cps_top *top, const struct cps_top_who *who, uint64_t dir,
		   const char *name, uint64_t to_dir, const char *to_name,
		   unsigned int flags);

enum cps_top_attr_mask {
	CPS_TOP_MODE = 1,
	CPS_TOP_UID = 2,
	CPS_TOP_GID = 4,
	CPS_TOP_SIZE = 8,
	CPS_TOP_ATIME = 16,
	CPS_TOP_MTIME = 32,
	CPS_TOP_CTIME = 64,
	CPS_TOP_KILL_PRIV = 128, /* with SIZE: clear setuid and setgid */
};

/** Set what `mask` says from `st`. Changing an owner clears setuid, setgid and file
 *  capabilities; a size beyond the end leaves a hole. Without CPS_TOP_CTIME ctime is
 *  now. */
int cps_top_setattr(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		    unsigned int mask, const struct stat *st);
/** `flags`: XATTR_CREATE, XATTR_REPLACE. The access ACL sets the mode. */
int cps_top_xattr_set(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		      const char *name, const void *value, size_t len, int flags,
		      bool kill_sgid);
int cps_top_xattr_remove(struct cps_top *top, const struct cps_top_who *who,
			 uint64_t ino, const char *name);

enum cps_top_write_flags {
	CPS_TOP_WRITE_KILL_PRIV = 1, /* the writer may not keep setuid */
	CPS_TOP_WRITE_CACHED = 2,    /* pages written back: times are the kernel's */
	CPS_TOP_WRITE_ASK_PRIV = 4,  /* whether it may has to be found out */
	CPS_TOP_WRITE_LATE = 8,      /* pages that come back: capabilities stay */
};

/** All of it, or -ENOSPC, -EIO, -EFBIG; then what was there may be partly overwritten,
 *  as write(2) has it, but no change is on record. */
int cps_top_write(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		  const void *data, size_t len, uint64_t off, unsigned int flags);
/** fallocate(2): 0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE].
 */
int cps_top_fallocate(struct cps_top *top, const struct cps_top_who *who, uint64_t ino,
		      int mode, uint64_t off, uint64_t len);
/** Make last what was acknowledged before the call: all of it, or one inode's content
 *  and everything that is no content. Without other waits; once it failed it always
 *  fails. */
int cps_top_sync(struct cps_top *top);
int cps_top_sync_inode(struct cps_top *top, uint64_t ino);
/** Is there much that only a sync can remove? */
bool cps_top_wants_sync(struct cps_top *top);
/** Name this moment. *upto gets the length of the log; "" is a moment that only this
 *  process's lifetime keeps. */
int cps_top_mark(struct cps_top *top, const struct cps_top_who *who, const char *name,
		 uint64_t *upto, struct cps_err *err);

/* ---- figures ---- */

struct cps_top_stats {
	uint64_t nodes, log_bytes, data_files;
};

void cps_top_stats(struct cps_top *top, struct cps_top_stats *out);

#endif
