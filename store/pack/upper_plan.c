/* What an upper directory says about the tree below it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/base/log.h"
#include "store/pack/upper_internal.h"

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"
#define AUFS     ".wh..wh." /* and more: what aufs kept for itself */

/** A folder that is being looked at; the stack of them is on the heap. */
struct frame {
	char **names; /* owned, sorted */
	size_t count, cap, next;
	size_t path_len; /* bytes of the folder's own path */
	uint32_t lower;  /* the same folder below, or CPS_PACK_NO_INODE */
	bool opaque;     /* nothing of it shows through */
};

struct finder {
	struct cps_upper *upper;
	const struct cps_tree *tree; /* NULL: nothing is below */
	dev_t dev;                   /* of the directory itself */
	struct cps_buf path;
	struct frame *frames;
	size_t depth, cap;
	struct cps_err *err;
};

static void frame_release(struct frame *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->names[i]);
	free(f->names);
}

static int fail(struct finder *f, int rc)
{
	return cps_err_sys(f->err, rc, "'%s'", cps_buf_cstr(&f->path));
}

static int path_push(struct finder *f, const char *name, size_t len)
{
	int rc = f->path.len ? cps_buf_append(&f->path, "/", 1) : 0;

	if (rc == 0)
		rc = cps_buf_append(&f->path, name, len);
	return rc < 0 ? cps_err_nomem(f->err) : 0;
}

static void path_cut(struct finder *f, size_t len)
{
	f->path.len = len;
	if (f->path.data)
		f->path.data[len] = '\0';
}

static int whiteout(struct finder *f, const char *name, size_t len)
{
	size_t keep = f->path.len;
	int rc = path_push(f, name, len);

	if (rc == 0)
		rc = cps_pack_add(&f->upper->plan, cps_buf_cstr(&f->path),
				  CPS_PACK_WHITEOUT, CPS_PACK_BELOW, 0, f->err);
	path_cut(f, keep);
	return rc;
}

/* ---- names of a folder ---- */

static int add_name(struct frame *f, const char *name)
{
	if (cps_grow(&f->names, &f->cap, f->count + 1, sizeof(*f->names)) < 0)
		return -ENOMEM;
	f->names[f->count] = strdup(name);
	if (!f->names[f->count])
		return -ENOMEM;
	f->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(struct finder *f, struct frame *out)
{
	int dirfd =
		cps_upper_open_dir(&f->upper->dir, cps_buf_cstr(&f->path), f->path.len);
	int fd = dirfd < 0 ? dirfd
			   : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int rc = 0;

	if (!dir) {
		rc = dirfd < 0 ? dirfd : -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, de = readdir(dir)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			rc = add_name(out, de->d_name);
	if (rc == 0 && errno)
		rc = -errno;
	closedir(dir);
	if (rc == 0 && out->count)
		qsort(out->names, out->count, sizeof(*out->names), by_name);
	return rc;
}

static bool has_name(const struct frame *f, const char *name)
{
	return f->count &&
	       bsearch(&name, f->names, f->count, sizeof(*f->names), by_name);
}

/* ---- whiteouts ---- */

/* What hides `name`, when something in the folder does: a device 0:0 or marked file of
 * that name, or a file `.wh.NAME`. 1, 0, -errno. */
static int hides(struct finder *f, const struct frame *frame, const char *name)
{
	cps_auto(cps_buf) struct cps_buf wh = CPS_BUF_INIT(0);
	struct cps_upper_marks marks;
	struct stat st;
	int rc, dirfd;

	if (cps_buf_printf(&wh, WHITEOUT "%s", name) < 0)
		return -ENOMEM;
	if (!has_name(frame, name))
		return has_name(frame, cps_buf_cstr(&wh));
	dirfd = cps_upper_open_dir(&f->upper->dir, cps_buf_cstr(&f->path), f->path.len);
	if (dirfd < 0)
		return dirfd;
	rc = cps_upper_look(dirfd, name, &st, &f->upper->xattrs, &marks);
	/* A socket has no form in tar: what it replaced must be hidden by itself. */
	return rc < 0 ? rc : marks.whiteout || S_ISSOCK(st.st_mode);
}

/* One whiteout for each name of the lower folder that does not show. */
static int hide_lower(struct finder *f, const struct frame *frame)
{
	struct cps_dirent d;
	int rc;

	if (frame->lower == CPS_PACK_NO_INODE)
		return 0;
	for (uint32_t pos = 0;
	     (rc = cps_tree_readdir_sorted(f->tree, frame->lower, pos, &d)) == 1;
	     pos++) {
		char name[CPS_NAME_MAX + 1];

		if (d.name_len > CPS_NAME_MAX)
			return cps_err_sys(f->err, -EIO, "the lower tree");
		memcpy(name, d.name, d.name_len);
		name[d.name_len] = '\0';
		rc = hides(f, frame, name);
		if (rc < 0)
			return fail(f, rc);
		if (rc == 1 || (frame->opaque && !has_name(frame, name)))
			rc = whiteout(f, name, d.name_len);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? cps_err_sys(f->err, rc, "the lower tree") : 0;
}

/* ---- entries ---- */

static int push_frame(struct finder *f, uint32_t lower, bool opaque)
{
	struct frame *frame;
	int rc;

	if (cps_grow(&f->frames, &f->cap, f->depth + 1, sizeof(*f->frames)) < 0)
		return cps_err_nomem(f->err);
	frame = &f->frames[f->depth++];
	*frame = (struct frame){
		.lower = lower, .path_len = f->path.len, .opaque = opaque};
	rc = read_names(f, frame);
	if (rc < 0)
		return fail(f, rc);
	frame->opaque |= has_name(frame, OPAQUE);
	return hide_lower(f, frame);
}

static uint32_t lower_of(struct finder *f, uint32_t dir, const char *name)
{
	struct cps_inode in;
	uint32_t ino;

	if (dir == CPS_PACK_NO_INODE ||
	    cps_tree_lookup(f->tree, dir, name, strlen(name), &ino) < 0 ||
	    cps_tree_inode(f->tree, ino, &in) < 0 || !S_ISDIR(in.mode))
		return CPS_PACK_NO_INODE;
	return ino;
}

static int emit(struct finder *f, const struct stat *st)
{
	unsigned int flags = S_ISDIR(st->st_mode) ? CPS_PACK_FOLDER : 0;

	if (S_ISSOCK(st->st_mode)) {
		cps_warn("'/%s': sockets are left out", cps_buf_cstr(&f->path));
		return 0;
	}
	/* Inode numbers of another file system mean nothing here. */
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && st->st_dev == f->dev)
		flags |= CPS_PACK_LINKED;
	return cps_pack_add(&f->upper->plan, f->path.len ? cps_buf_cstr(&f->path) : ".",
			    CPS_PACK_ENTRY, flags, st->st_ino, f->err);
}

/* `.wh.NAME` of fuse-overlayfs and aufs: its effect is in hide_lower(). Anything else
 * of such a name is somebody's file. */
static int take_wh(struct finder *f, int dirfd, const char *name)
{
	struct stat st;

	if (strncmp(name, AUFS, strlen(AUFS)) == 0)
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(f, -errno);
	if (S_ISREG(st.st_mode) && st.st_size == 0 && name[strlen(WHITEOUT)] != '\0')
		return 0;
	/* A device that hides a name of the kind; fuse-overlayfs leaves `.wh..opq`. */
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return 0;
	return cps_err_set(f->err, -EINVAL,
			   "'/%s': a layer cannot hold names that begin with '.wh.'; "
			   "rename or remove it",
			   cps_buf_cstr(&f->path));
}

static int take(struct finder *f, const struct frame *in, const char *name)
{
	struct cps_upper_marks marks;
	struct frame parent = *in;
	const char *last;
	struct stat st;
	int dirfd, rc;

	dirfd = cps_upper_open_parent(&f->upper->dir, cps_buf_cstr(&f->path), &last);
	if (dirfd >= 0 && strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0)
		return take_wh(f, dirfd, name);
	rc = dirfd < 0 ? dirfd
		       : cps_upper_look(dirfd, last, &st, &f->upper->xattrs, &marks);
	if (rc < 0)
		return fail(f, rc);
	if (marks.whiteout)
		return 0;
	if (marks.refused)
		return cps_err_set(f->err, -ENOTSUP,
				   "'/%s' has '%s': its content is in another layer; "
				   "mount with redirect_dir=off,metacopy=off",
				   cps_buf_cstr(&f->path), marks.refused);
	rc = emit(f, &st);
	if (rc < 0 || !S_ISDIR(st.st_mode))
		return rc;
	/* A whole root may have /proc mounted in it. */
	if (!f->tree && st.st_dev != f->dev) {
		cps_warn("'/%s': another file system is mounted there: left out",
			 cps_buf_cstr(&f->path));
		return 0;
	}
	return push_frame(f, lower_of(f, parent.lower, name),
			  parent.opaque || marks.opaque);
}

static int walk(struct finder *f)
{
	int rc = 0;

	while (rc == 0 && f->depth) {
		struct frame *frame = &f->frames[f->depth - 1];
		const char *name;

		path_cut(f, frame->path_len);
		if (frame->next == frame->count) {
			frame_release(frame);
			f->depth--;
			continue;
		}
		name = frame->names[frame->next++];
		rc = path_push(f, name, strlen(name));
		if (rc == 0)
			rc = take(f, frame, name);
	}
	return rc;
}

/* The root's own attributes are the layer's too. */
static int take_root(struct finder *f)
{
	struct cps_upper_marks marks;
	struct stat st;
	int rc =
		cps_upper_look(f->upper->dir.root, ".", &st, &f->upper->xattrs, &marks);

	f->dev = rc == 0 ? st.st_dev : 0;
	if (rc == 0)
		rc = emit(f, &st);
	return rc < 0 ? rc
		      : push_frame(f, f->tree ? CPS_TREE_ROOT : CPS_PACK_NO_INODE,
				   marks.opaque);
}

int cps_upper_find(struct cps_upper *upper, const struct cps_tree *lower,
		   struct cps_err *err)
{
	struct finder f = {.upper = upper, .tree = lower, .err = err};
	int rc = take_root(&f);

	if (rc == 0)
		rc = walk(&f);
	while (f.depth)
		frame_release(&f.frames[--f.depth]);
	free(f.frames);
	cps_buf_release(&f.path);
	return rc < 0 ? rc : cps_pack_join(&upper->plan, err);
}
