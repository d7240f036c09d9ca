#ifndef CPS_PACK_H
#define CPS_PACK_H

#include "store/tar.h"
#include "store/tree.h"

/* From a tree of files to a tar stream: first a plan (what goes in, in which order),
 * then the stream that carries it out, read piece by piece. The same plan always gives
 * the same bytes: within a folder whiteouts first, then names in the order of their
 * bytes, parents before children, headers in canonical form, two zero blocks at the
 * end. */

#define CPS_PACK_NO_INODE UINT32_MAX

/* ---- plans ---- */

enum cps_pack_kind {
	CPS_PACK_ENTRY,
	CPS_PACK_WHITEOUT,
	CPS_PACK_LINK,   /* hard link to an entry that comes before */
	CPS_PACK_SOCKET, /* has no form in tar: only told by a diff */
	CPS_PACK_SPARE,  /* goes in only when another name of its inode does */
};

enum cps_pack_flags {
	CPS_PACK_BELOW = 1,  /* the name is in the lower tree too */
	CPS_PACK_LINKED = 2, /* its inode has other names */
	CPS_PACK_FORCED = 4, /* unchanged; here for the sake of another name */
	CPS_PACK_FOLDER = 8,
};

struct cps_pack_item {
	uint64_t handle;  /* of the inode, for the source */
	size_t path;      /* where it begins in the plan's paths */
	uint32_t link_to; /* CPS_PACK_LINK: the item that holds the data */
	uint8_t kind;     /* enum cps_pack_kind */
	uint8_t flags;    /* enum cps_pack_flags */
};

struct cps_pack_plan {
	struct cps_pack_item *items;
	size_t count, cap;
	struct cps_buf
		paths; /* NUL-terminated, without a slash in front; the root: "." */
};

/** Borrowed, valid until the next item is added. Of a whiteout: the name it hides. */
const char *cps_pack_path(const struct cps_pack_plan *plan,
			  const struct cps_pack_item *item);
/** 0; -ENOMEM; -ENAMETOOLONG a path that no layer holds. */
int cps_pack_add(struct cps_pack_plan *plan, const char *path, enum cps_pack_kind kind,
		 unsigned int flags, uint64_t handle, struct cps_err *err);
/** Once all is added: several names of one inode become one entry and hard links to it;
 *  spares that nothing asks for go. */
int cps_pack_join(struct cps_pack_plan *plan, struct cps_err *err);
/** Is there anything that a stream would hold? */
bool cps_pack_is_empty(const struct cps_pack_plan *plan);
void cps_pack_release(struct cps_pack_plan *plan);

static inline void cps_pack_auto(struct cps_pack_plan *plan)
{
	cps_pack_release(plan);
}

/* ---- a merged view against what is below it ---- */

/** One name of a folder. */
struct cps_pack_name {
	const char *name; /* NUL-terminated; in the list's text */
	uint64_t handle;
	uint32_t lower; /* position in the lower tree when it is that very inode, or
			 * CPS_PACK_NO_INODE */
	uint32_t mode;  /* with the S_IFMT bits */
	uint32_t nlink;
	bool modified; /* is no more what the lower tree says: attributes, xattrs, bytes
			*/
};

/** A folder's names, filled by a view's list(). */
struct cps_pack_list {
	struct cps_pack_name *names;
	size_t count, cap;
	struct cps_buf text;
};

/** Append; `name->name` is copied. 0 or -ENOMEM. */
int cps_pack_list_add(struct cps_pack_list *list, const struct cps_pack_name *name,
		      size_t name_len);

struct cps_pack_view {
	void *ctx;
	struct cps_pack_name root;
	/** Every name of a folder but "." and "..", in any order. */
	int (*list)(void *ctx, uint64_t dir, struct cps_pack_list *out,
		    struct cps_err *err);
};

/** Plan the difference between a view and the tree below it. Names that are gone become
 *  explicit whiteouts; whatever is new or another inode goes in, with all below it;
 *  folders on both sides are compared in turn.
 *  lower  NULL: everything goes in
 *  layer  for an OCI layer: names that begin with `.wh.` are refused with -EINVAL and
 *         inodes keep their names together */
int cps_pack_compare(const struct cps_pack_view *view, const struct cps_tree *lower,
		     bool layer, struct cps_pack_plan *out, struct cps_err *err);

/** Told for each path that differs, in order. kind 'A', 'C' or 'D'. 0 to go on. */
typedef int (*cps_pack_diff_fn)(void *ctx, char kind, const char *path);

/** Changes as `docker diff` shows them: folders above a change are changed too. The
 * plan is of cps_pack_compare(), not for a layer. */
int cps_pack_diff(const struct cps_pack_plan *plan, cps_pack_diff_fn fn, void *ctx,
		  struct cps_err *err);

/* ---- streams ---- */

/** Where attributes and bytes of a plan's entries come from. */
struct cps_pack_source {
	void *ctx;
	/** Fill all but the path; pointers are borrowed until the next call. */
	int (*describe)(void *ctx, const struct cps_pack_item *item, const char *path,
			struct cps_tar_entry *out, struct cps_err *err);
	/** Bytes of the file that was described last; > 0, or 0 at its end. */
	ssize_t (*read)(void *ctx, const struct cps_pack_item *item, void *buf,
			size_t len, uint64_t off, struct cps_err *err);
};

/** What the stream says of an entry or link: `out` in full, but for where it lies. */
int cps_pack_describe(const struct cps_pack_plan *plan,
		      const struct cps_pack_source *source,
		      const struct cps_pack_item *item, struct cps_tar_entry *out,
		      struct cps_err *err);

struct cps_pack_stream;

/** Both borrowed, they must outlive the stream.
 *  mtime_max_s  later times become this one (SOURCE_DATE_EPOCH); INT64_MAX: none does
 *  NULL on no memory. */
struct cps_pack_stream *cps_pack_stream_new(const struct cps_pack_plan *plan,
					    const struct cps_pack_source *source,
					    int64_t mtime_max_s);
/** The next bytes; a cps_read_fn, ctx is the stream. Holds one entry at a time. */
ssize_t cps_pack_stream_read(void *stream, void *buf, size_t len, struct cps_err *err);
void cps_pack_stream_free(struct cps_pack_stream *stream);
CPS_AUTO_DEFINE(struct cps_pack_stream, cps_pack_stream_free)

#endif
