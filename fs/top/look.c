/* What a top says of its inodes and names. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/top/internal.h"

#define COOKIE_FIRST 2u           /* after "." and ".." */
#define COOKIE_TOP   (1ull << 33) /* names that the lower folder does not have */

/* ---- attributes ---- */

static void fill_stat(struct cps_top *top, const struct cps_node *n, struct stat *out)
{
	*out = (struct stat){
		.st_ino = n->ino,
		.st_mode = n->mode,
		.st_nlink = n->nlink,
		.st_uid = n->uid,
		.st_gid = n->gid,
		.st_rdev =
			makedev((unsigned int)(n->rdev >> 32), (unsigned int)n->rdev),
		.st_size = (off_t)n->size,
		.st_blksize = CPS_VIEW_BLOCK,
		.st_atim = n->atime,
		.st_mtim = n->mtime,
		.st_ctim = n->ctime,
	};
	if (S_ISDIR(n->mode))
		out->st_size = CPS_VIEW_BLOCK;
	if (S_ISREG(n->mode))
		out->st_blocks = (blkcnt_t)cps_node_blocks(top, n);
}

int cps_top_stat(struct cps_top *top, uint64_t ino, struct stat *out)
{
	const struct cps_node *n;
	bool dead;

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	dead = cps_is_dead(top, ino);
	if (n)
		fill_stat(top, n, out);
	cps_top_unlock(top);
	if (n)
		return 0;
	return ino && cps_is_lower(ino) && !dead
		       ? cps_view_stat(top->root, cps_lower_pos(ino), out)
		       : -ENOENT;
}

int cps_top_tell(struct cps_top *top, uint64_t ino, struct stat *out)
{
	int rc = cps_top_stat(top, ino, out);
	struct cps_node *n;

	if (rc < 0 || !top->writable || !S_ISREG(out->st_mode))
		return rc;
	cps_top_lock(top);
	n = cps_node_find(top, ino);
	if (n)
		n->told = (uint64_t)out->st_blocks;
	cps_top_unlock(top);
	return 0;
}

bool cps_top_tell_again(struct cps_top *top, uint64_t ino)
{
	struct cps_node *n;
	bool again = false;

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	if (n && n->told != UINT64_MAX) {
		again = n->told != cps_node_blocks(top, n);
		n->told = again ? UINT64_MAX : n->told;
	}
	cps_top_unlock(top);
	return again;
}

void cps_top_statfs(struct cps_top *top, struct statvfs *out)
{
	if (top->dirfd < 0 || fstatvfs(top->dirfd, out) < 0)
		cps_view_statfs(top->root, out);
	out->f_namemax = CPS_NAME_MAX;
}

bool cps_top_modified(struct cps_top *top, uint64_t ino)
{
	const struct cps_node *n;
	bool modified;

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	modified = n && (!cps_is_lower(ino) || n->flags);
	cps_top_unlock(top);
	return modified;
}

/* ---- names ---- */

static int look_up(struct cps_top *top, uint64_t dir, const char *name, uint64_t *ino)
{
	size_t len = strlen(name);
	struct cps_brief brief;
	bool covers;
	int rc;

	if (strcmp(name, ".") == 0) {
		/* What a file handle means; it does not bring back the deleted. */
		*ino = dir;
		rc = cps_top_brief(top, dir, &brief);
		return rc == 0 && brief.nlink == 0 ? -ESTALE : rc;
	}
	if (strcmp(name, "..") == 0) {
		rc = cps_top_brief(top, dir, &brief);
		*ino = rc == 0 ? brief.parent : 0;
		return rc == 0 && !S_ISDIR(brief.mode) ? -ENOTDIR : rc;
	}
	if (len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	return cps_top_child(top, dir, name, len, ino, &covers);
}

int cps_top_lookup(struct cps_top *top, uint64_t dir, const char *name, uint64_t *ino)
{
	int rc;

	cps_top_lock(top);
	rc = look_up(top, dir, name, ino);
	cps_top_unlock(top);
	return rc;
}

int cps_top_readlink(struct cps_top *top, uint64_t ino, char *buf, size_t size)
{
	const struct cps_node *n;
	int rc = 1; /* as it is below */

	cps_top_lock(top);
	n = cps_node_find(top, ino);
	if (n && n->target && n->size >= size) {
		rc = -ENAMETOOLONG;
	} else if (n && n->target) {
		memcpy(buf, n->target, n->size + 1);
		rc = 0;
	} else if (!cps_is_lower(ino)) {
		rc = n ? -EINVAL : -ENOENT;
	}
	cps_top_unlock(top);
	return rc == 1 ? cps_view_readlink(top->root, cps_lower_pos(ino), buf, size)
		       : rc;
}

/* ---- listings ---- */

static int read_dot(struct cps_top *top, uint64_t dir, uint64_t cookie,
		    struct cps_top_entry *out)
{
	struct cps_brief brief;
	int rc = cps_top_brief(top, dir, &brief);

	if (rc < 0)
		return rc;
	if (!S_ISDIR(brief.mode))
		return -ENOTDIR;
	out->ino = cookie == 0 ? dir : brief.parent;
	out->type = DT_DIR;
	out->next = cookie + 1;
	out->dot = true;
	memcpy(out->name, "..", (size_t)cookie + 1);
	out->name[cookie + 1] = '\0';
	return 1;
}

/* The next name of the lower folder that still means something. */
static int read_lower(struct cps_top *top, const struct cps_node *n, uint64_t dir,
		      uint64_t cookie, struct cps_top_entry *out)
{
	struct cps_dirent lower;
	int rc;

	for (uint64_t pos = cookie - COOKIE_FIRST; pos <= UINT32_MAX; pos++) {
		const struct cps_dent *d = NULL;

		rc = cps_tree_readdir(top->root->tree, cps_lower_pos(dir),
				      (uint32_t)pos, &lower);
		if (rc != 1)
			return rc;
		if (lower.name_len > CPS_NAME_MAX)
			return -EIO;
		if (n && cps_node_dents(n)->covering)
			d = cps_dents_find(cps_node_dents(n), lower.name,
					   lower.name_len);
		if (d && !d->ino)
			continue;
		memcpy(out->name, lower.name, lower.name_len);
		out->name[lower.name_len] = '\0';
		out->ino = d ? d->ino : cps_view_number(lower.ino);
		out->type = d ? d->type : lower.type;
		out->next = pos + COOKIE_FIRST + 1;
		out->dot = false;
		return 1;
	}
	return 0;
}

static int read_added(const struct cps_node *n, uint64_t cookie,
		      struct cps_top_entry *out)
{
	const struct cps_dent *d =
		n ? cps_dents_next(cps_node_dents(n),
				   cookie > COOKIE_TOP ? cookie - COOKIE_TOP : 0)
		  : NULL;

	if (!d)
		return 0;
	memcpy(out->name, d->name, (size_t)d->name_len + 1);
	out->ino = d->ino;
	out->type = d->type;
	out->next = COOKIE_TOP + d->cookie + 1;
	out->dot = false;
	return 1;
}

int cps_top_readdir(struct cps_top *top, uint64_t dir, uint64_t cookie,
		    struct cps_top_entry *out)
{
	const struct cps_node *n;
	int rc = 0;

	cps_top_lock(top);
	n = cps_node_find(top, dir);
	if (cookie < COOKIE_FIRST)
		rc = read_dot(top, dir, cookie, out);
	else if (!n && !cps_is_lower(dir))
		rc = -ENOENT;
	else if (cookie < COOKIE_TOP && cps_is_lower(dir))
		rc = read_lower(top, n, dir, cookie, out);
	if (rc == 0)
		rc = read_added(n, cookie, out);
	cps_top_unlock(top);
	return rc;
}

/* ---- look-ups that the kernel remembers ---- */

void cps_top_ref(struct cps_top *top, uint64_t ino)
{
	struct cps_node *n;

	if (!top->writable)
		return;
	cps_top_lock(top);
	if (cps_is_lower(ino)) {
		uint32_t *lower = &top->lower_refs[cps_lower_pos(ino)];

		*lower += (*lower & CPS_LOWER_REFS_MAX) < CPS_LOWER_REFS_MAX;
	} else {
		n = cps_node_find(top, ino);
		if (n)
			n->refs++;
	}
	cps_top_unlock(top);
}

void cps_top_forget(struct cps_top *top, uint64_t ino, uint64_t count)
{
	struct cps_node *n;

	if (!top->writable || ino == 0)
		return;
	cps_top_lock(top);
	n = cps_node_find(top, ino);
	if (!cps_is_lower(ino)) {
		if (n)
			n->refs -= count < n->refs ? count : n->refs;
	} else if (cps_lower_pos(ino) < cps_tree_inode_count(top->root->tree)) {
		uint32_t *lower = &top->lower_refs[cps_lower_pos(ino)];
		uint32_t held = *lower & CPS_LOWER_REFS_MAX;

		if (held < CPS_LOWER_REFS_MAX)
			*lower -= (uint32_t)cps_least(count, held);
	}
	if (n)
		cps_node_drop_if_dead(top, n);
	cps_top_unlock(top);
}

void cps_top_stats(struct cps_top *top, struct cps_top_stats *out)
{
	cps_top_lock(top);
	*out = (struct cps_top_stats){
		.nodes = top->nodes.count,
		.log_bytes = top->log ? cps_toplog_end(top->log) : 0,
		.data_files = top->files.count,
	};
	cps_top_unlock(top);
}
