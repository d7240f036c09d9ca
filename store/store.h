#ifndef CPS_STORE_H
#define CPS_STORE_H

#include <stdbool.h>

#include "store/base/err.h"
#include "store/base/fd.h"
#include "store/base/mem.h"
#include "store/digest.h"

/** The store: an OCI image layout (blobs, index.json) with folders of derived files and
 *  unfinished work beside it. Any number of processes share one; see ARCHITECTURE.md
 *  for the order in which things are published. */
struct cps_store;

/** Folders whose files may be deleted at any time and are made anew on use. Each file
 *  is named <folder>/sha256/<hex>. */
enum cps_derived {
	CPS_INDEX, /* by diffID: table of contents of one layer */
	CPS_SEEK,  /* by blob digest: restart points of a compressed blob */
	CPS_TREE,  /* by chainID: merged tree */
	CPS_SPAN,  /* by blob digest: a blob without restart points, transcoded */
	CPS_KEPT,  /* by blob digest: what was decoded lately */
	CPS_DERIVED_KINDS,
};

/** Open the store at `path`, made with mode 0700 when missing. An existing folder that
 *  is neither empty nor an OCI layout is refused with -ENOTEMPTY, and root is refused
 *  another user's with -EPERM.
 *  path  NULL: /var/lib/capas for root, $XDG_DATA_HOME/capas or ~/.local/share/capas
 *        for others (CAPAS_ROOT and --root are the caller's business) */
int cps_store_open(const char *path, struct cps_store **out, struct cps_err *err);
void cps_store_close(struct cps_store *store);
CPS_AUTO_DEFINE(struct cps_store, cps_store_close)

/** As given or found; borrowed. */
const char *cps_store_path(const struct cps_store *store);
/** Folder descriptors, borrowed. */
int cps_store_root_fd(const struct cps_store *store);
int cps_store_blobs_fd(const struct cps_store *store);
int cps_store_derived_fd(const struct cps_store *store, enum cps_derived kind);

/** Everyone who adds blobs holds the shared lock from the first blob until its manifest
 *  is named in index.json; gc holds the exclusive one. A descriptor that holds the lock
 *  (close it to unlock; it goes with the process), or -errno. Blocks. */
int cps_store_lock(struct cps_store *store, bool exclusive, struct cps_err *err);
/** As cps_store_lock(), exclusive, for the few instructions of a change of index.json.
 */
int cps_store_lock_index(struct cps_store *store, struct cps_err *err);

/** An unfinished file: O_TMPFILE where the filesystem has it, else a locked name in
 *  tmp/ that the next opener sweeps when its lock is free. */
struct cps_tmp {
	int fd;        /* read-write; -1 when closed */
	char name[40]; /* "" while it has no name */
	const struct cps_store *store;
};

int cps_tmp_open(const struct cps_store *store, struct cps_tmp *out,
		 struct cps_err *err);
/** fdatasync, then give it the name `name` below `dirfd` and fsync that folder.
 *  replace  false: a file of that name stays and this one is dropped (content-addressed
 *           names); true: it is replaced in one step
 *  The tmp is closed in any case. */
int cps_tmp_publish(struct cps_tmp *tmp, int dirfd, const char *name, bool replace,
		    struct cps_err *err);
/** As cps_tmp_publish() for derived files, replacing, without syncing the folder: a
 * name that is lost costs a pass, no more. */
int cps_tmp_publish_derived(struct cps_tmp *tmp, enum cps_derived kind,
			    const struct cps_digest *id, struct cps_err *err);
void cps_tmp_discard(struct cps_tmp *tmp);

/* cps_auto(cps_tmp) struct cps_tmp tmp = CPS_TMP_INIT; */
#define CPS_TMP_INIT                                                                   \
	{                                                                              \
		.fd = -1                                                               \
	}
static inline void cps_tmp_auto(struct cps_tmp *tmp)
{
	cps_tmp_discard(tmp);
}

/** Open a derived file for reading. An fd, -ENOENT, -errno. */
int cps_derived_open(const struct cps_store *store, enum cps_derived kind,
		     const struct cps_digest *id);
/** Drop a derived file that proved damaged; missing is fine. */
void cps_derived_drop(const struct cps_store *store, enum cps_derived kind,
		      const struct cps_digest *id);

#endif
