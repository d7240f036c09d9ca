/* Random operations on a top and on a plain model in memory; both must say the same,
 * also after replay and compaction. */
#include <linux/falloc.h>
#include <time.h>

#include "model.h"

/* ---- choices ---- */

static struct inode *any_inode(struct model *m, bool folder)
{
	struct inode *n;

	do {
		n = &m->inodes[fx_below(&m->seed, INODES_MAX)];
	} while (!n->ino || (folder && !S_ISDIR(n->mode)));
	return n;
}

/* A name of the folder, or one that may not be there. */
static void any_name(struct model *m, uint64_t dir, char out[16])
{
	if (fx_below(&m->seed, 3))
		for (int i = 0; i < 200; i++) {
			struct name *n = &m->names[fx_below(&m->seed, NAMES_MAX)];

			if (n->dir == dir) {
				snprintf(out, 16, "%s", n->text);
				return;
			}
		}
	snprintf(out, 16, "r%u", fx_below(&m->seed, 30));
}

static size_t in_use(struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < INODES_MAX; i++)
		count += m->inodes[i].ino != 0;
	return count;
}

/* ---- operations: what the model expects, what the top says ---- */

static int may_add(struct model *m, const struct inode *dir, const char *name)
{
	if (!dir->nlink)
		return -ENOENT;
	return lookup(m, dir->ino, name) ? -EEXIST : 0;
}

static void do_make(struct model *m)
{
	static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFIFO};
	struct inode *dir = any_inode(m, true), *n;
	uint32_t type = types[fx_below(&m->seed, CPS_ARRAY_LEN(types))];
	const struct cps_top_who who = {.uid = 5, .gid = 6};
	char name[16];
	uint64_t ino;
	int want;

	/* Default ACLs are tested by themselves. */
	if (in_use(m) > INODES_MAX - 50 || dir->mode & S_ISGID)
		return;
	any_name(m, dir->ino, name);
	want = may_add(m, dir, name);
	assert_int_equal(cps_top_make(m->fx->top, &who, dir->ino, name, type | 0640, 0,
				      NULL, &ino),
			 want);
	if (want < 0)
		return;
	n = add_inode(m, ino);
	n->mode = type | 0640;
	n->uid = 5;
	n->gid = 6;
	n->nlink = type == S_IFDIR ? 2 : 1;
	n->parent = dir->ino;
	dir->nlink += type == S_IFDIR;
	add_name(m, dir->ino, name, ino);
	if (fx_below(&m->seed, 4) == 0) {
		cps_top_ref(m->fx->top, ino);
		n->held = 1;
	}
}

static void do_link(struct model *m)
{
	struct inode *dir = any_inode(m, true), *n = any_inode(m, false);
	char name[16];
	int want;

	any_name(m, dir->ino, name);
	want = S_ISDIR(n->mode) ? -EPERM : n->nlink ? may_add(m, dir, name) : -ENOENT;
	assert_int_equal(cps_top_link(m->fx->top, &fx_who, n->ino, dir->ino, name),
			 want);
	if (want < 0)
		return;
	n->nlink++;
	add_name(m, dir->ino, name, n->ino);
}

static void lose_name(struct inode *n, struct inode *dir)
{
	if (S_ISDIR(n->mode)) {
		n->nlink = 0;
		dir->nlink--;
	} else {
		n->nlink--;
	}
	drop_if_dead(n);
}

static void do_unlink(struct model *m)
{
	struct inode *dir = any_inode(m, true), *n;
	bool folder = fx_below(&m->seed, 3) == 0;
	struct name *at;
	char name[16];
	int want = 0;

	any_name(m, dir->ino, name);
	at = lookup(m, dir->ino, name);
	n = at ? inode(m, at->ino) : NULL;
	if (!n)
		want = -ENOENT;
	else if (folder != S_ISDIR(n->mode))
		want = folder ? -ENOTDIR : -EISDIR;
	else if (folder && !empty(m, n->ino))
		want = -ENOTEMPTY;
	assert_int_equal(cps_top_unlink(m->fx->top, &fx_who, dir->ino, name, folder),
			 want);
	if (want < 0)
		return;
	at->dir = 0;
	lose_name(n, dir);
}

static bool above(struct model *m, uint64_t dir, uint64_t below)
{
	for (; below != CPS_TOP_ROOT; below = inode(m, below)->parent)
		if (below == dir)
			return true;
	return dir == CPS_TOP_ROOT;
}

static int want_rename(struct model *m, const struct name *from, const struct name *to,
		       const struct inode *dir, const struct inode *dir2,
		       unsigned int flags)
{
	const struct inode *n = from ? inode(m, from->ino) : NULL;
	const struct inode *old = to ? inode(m, to->ino) : NULL;

	if (flags & RENAME_NOREPLACE && to)
		return -EEXIST;
	if (!dir->nlink || !dir2->nlink || !n)
		return -ENOENT;
	if (S_ISDIR(n->mode) && above(m, n->ino, dir2->ino))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE) {
		if (!old)
			return -ENOENT;
		return S_ISDIR(old->mode) && above(m, old->ino, dir->ino) ? -EINVAL : 0;
	}
	if (!old || old == n)
		return 0;
	if (!S_ISDIR(n->mode))
		return S_ISDIR(old->mode) ? -EISDIR : 0;
	if (!S_ISDIR(old->mode))
		return -ENOTDIR;
	return empty(m, old->ino) ? 0 : -ENOTEMPTY;
}

static void move(struct inode *n, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(n->mode))
		return;
	n->parent = to->ino;
	from->nlink--;
	to->nlink++;
}

static void do_rename(struct model *m)
{
	static const unsigned int all[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	struct inode *dir = any_inode(m, true), *dir2 = any_inode(m, true), *n, *old;
	unsigned int flags = all[fx_below(&m->seed, 4)];
	struct name *from, *to;
	char name[16], name2[16];
	int want;

	any_name(m, dir->ino, name);
	any_name(m, dir2->ino, name2);
	from = lookup(m, dir->ino, name);
	to = lookup(m, dir2->ino, name2);
	want = want_rename(m, from, to, dir, dir2, flags);
	assert_int_equal(cps_top_rename(m->fx->top, &fx_who, dir->ino, name, dir2->ino,
					name2, flags),
			 want);
	if (want < 0 || (to && from->ino == to->ino))
		return;
	n = inode(m, from->ino);
	old = to ? inode(m, to->ino) : NULL;
	if (flags & RENAME_EXCHANGE) {
		from->ino = old->ino;
		to->ino = n->ino;
		move(n, dir, dir2);
		move(old, dir2, dir);
		return;
	}
	if (old) {
		to->dir = 0;
		lose_name(old, dir2);
	}
	from->dir = 0;
	add_name(m, dir2->ino, name2, n->ino);
	move(n, dir, dir2);
}

static void do_write(struct model *m)
{
	static uint8_t buf[100u << 10];
	struct inode *n = any_inode(m, false);
	bool much = fx_below(&m->seed, 4) == 0;
	uint64_t off = fx_below(&m->seed, 2) ? n->size : fx_below(&m->seed, 60000);
	size_t len = 1 + fx_below(&m->seed, much ? sizeof(buf) : 3000);

	if (!S_ISREG(n->mode) || off + len > BYTES_MAX)
		return;
	memset(buf, (int)fx_random(&m->seed), len);
	assert_int_equal(fx_write(m->fx, n->ino, buf, len, off), 0);
	memcpy(n->data + off, buf, len);
	if (off + len > n->size)
		n->size = off + len;
}

static void do_truncate(struct model *m)
{
	struct inode *n = any_inode(m, false);
	uint64_t size = fx_below(&m->seed, 4) ? fx_below(&m->seed, 90000) : 0;

	if (!S_ISREG(n->mode))
		return;
	assert_int_equal(fx_truncate(m->fx, n->ino, size), 0);
	if (size < n->size)
		memset(n->data + size, 0, n->size - size);
	n->size = size;
}

static void do_fallocate(struct model *m)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	struct inode *n = any_inode(m, false);
	uint64_t off = fx_below(&m->seed, 80000), len = 1 + fx_below(&m->seed, 20000);
	int mode = modes[fx_below(&m->seed, 5)];

	if (!S_ISREG(n->mode))
		return;
	assert_int_equal(cps_top_fallocate(m->fx->top, &fx_who, n->ino, mode, off, len),
			 0);
	/* It kills setuid, and setgid of what a group may execute. */
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > n->size)
		n->size = off + len;
	if (mode & ~FALLOC_FL_KEEP_SIZE && off < n->size)
		memset(n->data + off, 0, off + len > n->size ? n->size - off : len);
	n->mode = fx_stat(m->fx, n->ino).st_mode;
}

static void do_attributes(struct model *m)
{
	struct inode *n = any_inode(m, false);
	const struct stat st = {.st_mode = fx_below(&m->seed, 01000),
				.st_uid = fx_below(&m->seed, 9),
				.st_gid = fx_below(&m->seed, 9)};

	if (n->mode & (S_ISUID | S_ISGID))
		return;
	assert_int_equal(cps_top_setattr(m->fx->top, &fx_who, n->ino,
					 CPS_TOP_MODE | CPS_TOP_UID | CPS_TOP_GID, &st),
			 0);
	n->mode = (n->mode & S_IFMT) | st.st_mode;
	n->uid = st.st_uid;
	n->gid = st.st_gid;
}

static void do_forget(struct model *m)
{
	struct inode *n = any_inode(m, false);

	if (!n->held)
		return;
	cps_top_forget(m->fx->top, n->ino, n->held);
	n->held = 0;
	drop_if_dead(n);
}

static void forget_all(struct model *m)
{
	for (size_t i = 0; i < INODES_MAX; i++) {
		struct inode *n = &m->inodes[i];

		if (!n->held)
			continue;
		cps_top_forget(m->fx->top, n->ino, n->held);
		n->held = 0;
		drop_if_dead(n);
	}
}

static void run(struct fixture *fx, uint64_t seed, unsigned int steps)
{
	static void (*const ops[])(struct model *) = {
		do_make,   do_make,      do_link,       do_unlink, do_unlink,
		do_rename, do_rename,    do_write,      do_write,  do_truncate,
		do_write,  do_fallocate, do_attributes, do_forget,
	};
	struct model *m = calloc(1, sizeof(*m));
	struct inode *root;

	assert_non_null(m);
	print_message("seed %" PRIu64 "\n", seed);
	m->seed = seed;
	m->fx = fx;
	root = add_inode(m, CPS_TOP_ROOT);
	load(m, CPS_TOP_ROOT);
	root->mode = fx_stat(fx, 1).st_mode;
	root->nlink = (uint32_t)fx_stat(fx, 1).st_nlink;
	root->parent = CPS_TOP_ROOT;
	for (unsigned int i = 1; i <= steps; i++) {
		ops[fx_below(&m->seed, CPS_ARRAY_LEN(ops))](m);
		if (i % 500 == 0)
			compare(m);
		if (i % 1000 == 0) {
			forget_all(m);
			fx_reopen(fx);
			compare(m);
		}
	}
	for (size_t i = 0; i < INODES_MAX; i++)
		free(m->inodes[i].data);
	free(m);
}

static void fixed_seed_1(void **state)
{
	run(*state, 0x9e3779b97f4a7c15ull, 6000);
}

static void fixed_seed_2(void **state)
{
	run(*state, 0xbf58476d1ce4e5b9ull, 6000);
}

static void fixed_seed_3(void **state)
{
	run(*state, 0x94d049bb133111ebull, 6000);
}

static void a_seed_of_today(void **state)
{
	run(*state, (uint64_t)time(NULL) * 2654435761u | 1, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_TOP(fixed_seed_1),
		IN_A_TOP(fixed_seed_2),
		IN_A_TOP(fixed_seed_3),
		IN_A_TOP(a_seed_of_today),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
