/* Reading a root without a mount: bytes of files, and paths from outside. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/path.h"
#include "store/root.h"

#define LINKS_MAX 40 /* symlinks in one walk, as the kernel's MAXSYMLINKS */

static struct cps_content *content_of(const struct cps_root *root,
				      const struct cps_inode *inode)
{
	return inode->layer < root->content_count ? root->contents[inode->layer] : NULL;
}

/* A tree that points outside its layers' streams is damaged: short reads are EIO. */
static ssize_t read_stored(struct cps_content *content, void *buf, size_t len,
			   uint64_t off, unsigned int flags)
{
	ssize_t n = content ? cps_content_pread(content, buf, len, off, flags) : -EIO;

	return n >= 0 && (size_t)n < len ? -EIO : n;
}

static ssize_t read_inline(struct cps_root *root, uint32_t ino, void *buf, size_t len,
			   uint64_t off)
{
	const char *text;
	size_t text_len;
	int rc = cps_tree_inline(root->tree, ino, &text, &text_len);

	if (rc < 0)
		return rc;
	if (off >= text_len)
		return 0;
	if (len > text_len - off)
		len = text_len - off;
	memcpy(buf, text + off, len);
	return (ssize_t)len;
}

static ssize_t read_sparse(struct cps_root *root, uint32_t ino,
			   const struct cps_inode *inode, uint8_t *buf, size_t len,
			   uint64_t off, unsigned int flags)
{
	struct cps_content *content = content_of(root, inode);
	struct cps_extent e;
	uint32_t pos = 0;
	int rc = cps_tree_extent_at(root->tree, ino, off, &pos, &e);

	memset(buf, 0, len);
	for (; rc == 1; rc = cps_tree_extent(root->tree, ino, ++pos, &e)) {
		uint64_t from = e.logical > off ? e.logical : off;
		uint64_t end = e.logical + e.len;
		ssize_t n;

		if (e.logical >= off + len)
			return (ssize_t)len;
		if (end <= off)
			continue; /* a damaged tree: they are in order */
		if (end > off + len)
			end = off + len;
		n = read_stored(content, buf + (from - off), end - from,
				e.stored + (from - e.logical), flags);
		if (n < 0)
			return n;
	}
	return rc < 0 ? rc : (ssize_t)len;
}

ssize_t cps_root_pread(struct cps_root *root, uint32_t ino, void *buf, size_t len,
		       uint64_t off, unsigned int flags)
{
	struct cps_inode inode;
	uint64_t at;
	int rc = cps_tree_inode(root->tree, ino, &inode);

	if (rc < 0)
		return rc;
	if (S_ISDIR(inode.mode))
		return -EISDIR;
	if (!S_ISREG(inode.mode))
		return -EINVAL;
	if (inode.flags & CPS_INODE_INLINE)
		return read_inline(root, ino, buf, len, off);
	if (off >= inode.size || len == 0)
		return 0;
	if (len > inode.size - off)
		len = inode.size - off;
	if (inode.flags & CPS_INODE_SPARSE)
		return read_sparse(root, ino, &inode, buf, len, off, flags);
	if (__builtin_add_overflow(inode.data, off, &at))
		return -EIO;
	return read_stored(content_of(root, &inode), buf, len, at, flags);
}

/* ---- paths ---- */

/** What is left of a path: links push their targets in front of it. */
struct walk {
	struct cps_root *root;
	char todo[2 * CPS_PATH_MAX + 2];
	size_t pos, len;
	uint32_t at;
	unsigned int links;
};

static int follow(struct walk *w, uint32_t link)
{
	char rest[CPS_PATH_MAX + 1];
	size_t rest_len = w->len - w->pos, text_len;
	const char *text;
	int rc = cps_tree_inline(w->root->tree, link, &text, &text_len);

	if (rc < 0)
		return rc;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (text_len == 0)
		return -ENOENT;
	if (text_len > CPS_PATH_MAX || rest_len > CPS_PATH_MAX)
		return -ENAMETOOLONG;
	if (text[0] == '/')
		w->at = CPS_TREE_ROOT;
	memcpy(rest, w->todo + w->pos, rest_len);
	memcpy(w->todo, text, text_len);
	w->todo[text_len] = '/';
	memcpy(w->todo + text_len + 1, rest, rest_len);
	w->pos = 0;
	w->len = text_len + 1 + rest_len;
	return 0;
}

/* Nothing but slashes and dots is left. */
static bool is_last(const struct walk *w)
{
	size_t pos = w->pos, len;
	const char *name;

	return cps_path_next(w->todo, w->len, &pos, &name, &len) == 0;
}

static int step(struct walk *w, const char *name, size_t len, bool nofollow)
{
	struct cps_inode inode;
	uint32_t next;
	int rc = cps_tree_inode(w->root->tree, w->at, &inode);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(inode.mode))
		return -ENOTDIR;
	if (len == 2 && memcmp(name, "..", 2) == 0) {
		w->at = inode.parent;
		return 0;
	}
	rc = cps_tree_lookup(w->root->tree, w->at, name, len, &next);
	if (rc == 0)
		rc = cps_tree_inode(w->root->tree, next, &inode);
	if (rc < 0)
		return rc;
	if (S_ISLNK(inode.mode) && !(nofollow && is_last(w)))
		return follow(w, next);
	w->at = next;
	return 0;
}

int cps_root_walk(struct cps_root *root, const char *path, bool nofollow, uint32_t *ino)
{
	struct walk w = {.root = root, .at = CPS_TREE_ROOT, .len = strlen(path)};
	const char *name;
	size_t len;
	int rc = 0;

	if (w.len > CPS_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.todo, path, w.len);
	while (rc == 0 && cps_path_next(w.todo, w.len, &w.pos, &name, &len))
		rc = step(&w, name, len, nofollow);
	if (rc == 0)
		*ino = w.at;
	return rc;
}
