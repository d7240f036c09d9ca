#ifndef TEST_TOP_MODEL_H
#define TEST_TOP_MODEL_H

/* What a top should say, kept as plain arrays in memory. */

#include "fixture.h"

#define INODES_MAX 400u
#define NAMES_MAX  600u
#define BYTES_MAX  (160u << 10) /* of one file in the model */

struct inode {
	uint64_t ino; /* 0: not in use */
	uint32_t mode, uid, gid, nlink;
	uint64_t size;
	uint8_t *data;
	uint64_t parent; /* of a folder */
	uint64_t held;   /* look-ups */
};

struct name {
	uint64_t dir, ino; /* dir 0: not in use */
	char text[16];
};

struct model {
	struct inode inodes[INODES_MAX];
	struct name names[NAMES_MAX];
	uint64_t seed;
	struct fixture *fx;
};

static inline struct inode *inode(struct model *m, uint64_t ino)
{
	for (size_t i = 0; i < INODES_MAX; i++)
		if (m->inodes[i].ino == ino)
			return &m->inodes[i];
	return NULL;
}

static inline struct name *lookup(struct model *m, uint64_t dir, const char *text)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (m->names[i].dir == dir && strcmp(m->names[i].text, text) == 0)
			return &m->names[i];
	return NULL;
}

static inline bool empty(struct model *m, uint64_t dir)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (m->names[i].dir == dir)
			return false;
	return true;
}

static inline void add_name(struct model *m, uint64_t dir, const char *text,
			    uint64_t ino)
{
	size_t len = strlen(text);
	struct name *n = NULL;

	for (size_t i = 0; i < NAMES_MAX && !n; i++)
		if (!m->names[i].dir)
			n = &m->names[i];
	assert_non_null(n);
	n->dir = dir;
	n->ino = ino;
	assert_true(len < sizeof(n->text));
	memcpy(n->text, text, len + 1);
}

static inline struct inode *add_inode(struct model *m, uint64_t ino)
{
	struct inode *n = inode(m, 0);

	assert_non_null(n);
	*n = (struct inode){.ino = ino, .data = calloc(1, BYTES_MAX)};
	return n;
}

static inline void drop_if_dead(struct inode *n)
{
	if (n->nlink || n->held)
		return;
	free(n->data);
	*n = (struct inode){0};
}

/* What is below, as a top without changes says it; that is tested elsewhere. Large
 * files are cut first, so that the model has room for them. */
static inline void load(struct model *m, uint64_t dir)
{
	struct cps_top_entry e;

	for (uint64_t cookie = 2; cps_top_readdir(m->fx->top, dir, cookie, &e) == 1;
	     cookie = e.next) {
		struct stat st = fx_stat(m->fx, e.ino);
		struct inode *n = inode(m, e.ino);

		add_name(m, dir, e.name, e.ino);
		if (n)
			continue;
		if (S_ISREG(st.st_mode) && st.st_size > 70000)
			assert_int_equal(fx_truncate(m->fx, e.ino, 70000), 0);
		st = fx_stat(m->fx, e.ino);
		n = add_inode(m, e.ino);
		n->mode = st.st_mode;
		n->uid = st.st_uid;
		n->gid = st.st_gid;
		n->nlink = (uint32_t)st.st_nlink;
		n->size = (uint64_t)st.st_size;
		n->parent = dir;
		if (S_ISREG(st.st_mode))
			assert_int_equal(cps_top_pread(m->fx->top, e.ino, n->data,
						       n->size, 0, 0),
					 n->size);
		if (S_ISDIR(st.st_mode))
			load(m, e.ino);
	}
}

/* ---- the same of both ---- */

static inline void compare_inode(struct model *m, const struct inode *n)
{
	static uint8_t got[BYTES_MAX];
	struct stat st = fx_stat(m->fx, n->ino);

	if (st.st_mode != n->mode || st.st_uid != n->uid || st.st_gid != n->gid ||
	    st.st_nlink != n->nlink)
		fail_msg("inode %" PRIx64 ": mode %o %o, nlink %u %u", n->ino,
			 st.st_mode, n->mode, (unsigned int)st.st_nlink, n->nlink);
	if (!S_ISREG(n->mode))
		return;
	assert_int_equal(st.st_size, n->size);
	assert_int_equal(cps_top_pread(m->fx->top, n->ino, got, sizeof(got), 0, 0),
			 n->size);
	if (memcmp(got, n->data, n->size) != 0)
		fail_msg("inode %" PRIx64 ": content", n->ino);
}

static inline void compare_folder(struct model *m, uint64_t dir)
{
	struct cps_top_entry e;
	size_t listed = 0, known = 0;

	for (uint64_t cookie = 2; cps_top_readdir(m->fx->top, dir, cookie, &e) == 1;
	     cookie = e.next, listed++) {
		struct name *n = lookup(m, dir, e.name);

		if (!n || n->ino != e.ino)
			fail_msg("'%s' in %" PRIx64, e.name, dir);
	}
	for (size_t i = 0; i < NAMES_MAX; i++)
		known += m->names[i].dir == dir;
	assert_int_equal(listed, known);
}

static inline void compare(struct model *m)
{
	for (size_t i = 0; i < INODES_MAX; i++) {
		const struct inode *n = &m->inodes[i];
		uint64_t up;

		if (!n->ino)
			continue;
		compare_inode(m, n);
		if (!S_ISDIR(n->mode) || !n->nlink)
			continue;
		compare_folder(m, n->ino);
		assert_int_equal(cps_top_lookup(m->fx->top, n->ino, "..", &up), 0);
		assert_int_equal(up, n->parent);
	}
}

#endif
