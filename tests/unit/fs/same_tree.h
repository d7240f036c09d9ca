#ifndef TEST_FS_SAME_TREE_H
#define TEST_FS_SAME_TREE_H

/* Two trees that must be one, but for sockets. */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fs/top/top.h"

struct pairs {
	uint64_t items[4096][2]; /* inodes that stand for each other */
	size_t count;
};

static inline void same_groups(struct pairs *p, uint64_t a, uint64_t b,
			       const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		if ((p->items[i][0] == a) != (p->items[i][1] == b))
			fail_msg("%s: linked to other names", path);
	assert_true(p->count < CPS_ARRAY_LEN(p->items));
	p->items[p->count][0] = a;
	p->items[p->count++][1] = b;
}

static inline size_t names_of(struct cps_top *top, uint64_t ino, char names[1024])
{
	char all[1024];
	ssize_t n = cps_top_xattr_list(top, ino, all, sizeof(all));
	size_t len = 0;

	assert_true(n >= 0);
	for (char *p = all; p < all + n; p += strlen(p) + 1) {
		if (strcmp(p, CPS_VIEW_LAYER_XATTR) == 0)
			continue;
		strcpy(names + len, p);
		len += strlen(p) + 1;
	}
	return len;
}

static inline void same_xattrs(struct cps_top *a, uint64_t ia, struct cps_top *b,
			       uint64_t ib, const char *path)
{
	char na[1024], nb[1024], va[512], vb[512];
	size_t la = names_of(a, ia, na), lb = names_of(b, ib, nb);

	if (la != lb)
		fail_msg("%s: other xattrs", path);
	for (char *p = na; p < na + la; p += strlen(p) + 1) {
		ssize_t n = cps_top_xattr_get(a, ia, p, va, sizeof(va));

		assert_true(n >= 0);
		if (cps_top_xattr_get(b, ib, p, vb, sizeof(vb)) != n ||
		    memcmp(va, vb, (size_t)n) != 0)
			fail_msg("%s: xattr %s", path, p);
	}
}

static inline void same_bytes(struct cps_top *a, uint64_t ia, struct cps_top *b,
			      uint64_t ib, uint64_t size, const char *path)
{
	static char ba[65536], bb[65536];

	for (uint64_t off = 0; off < size;) {
		ssize_t n = cps_top_pread(a, ia, ba, sizeof(ba), off, 0);

		assert_true(n > 0);
		if (cps_top_pread(b, ib, bb, sizeof(bb), off, 0) != n ||
		    memcmp(ba, bb, (size_t)n) != 0)
			fail_msg("%s: other bytes at %llu", path,
				 (unsigned long long)off);
		off += (uint64_t)n;
	}
}

static inline void same_inode(struct cps_top *a, uint64_t ia, struct cps_top *b,
			      uint64_t ib, const char *path)
{
	char ta[256], tb[256];
	struct stat sa, sb;

	assert_int_equal(cps_top_stat(a, ia, &sa), 0);
	assert_int_equal(cps_top_stat(b, ib, &sb), 0);
	if (sa.st_mode != sb.st_mode || sa.st_uid != sb.st_uid ||
	    sa.st_gid != sb.st_gid || sa.st_rdev != sb.st_rdev ||
	    sa.st_size != sb.st_size)
		fail_msg("%s: mode %o %o, size %lld %lld", path, sa.st_mode, sb.st_mode,
			 (long long)sa.st_size, (long long)sb.st_size);
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec ||
	    sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
		fail_msg("%s: other mtime", path);
	if (!S_ISDIR(sa.st_mode) && sa.st_nlink != sb.st_nlink)
		fail_msg("%s: %u links, then %u", path, (unsigned)sa.st_nlink,
			 (unsigned)sb.st_nlink);
	same_xattrs(a, ia, b, ib, path);
	if (S_ISLNK(sa.st_mode)) {
		assert_int_equal(cps_top_readlink(a, ia, ta, sizeof(ta)), 0);
		assert_int_equal(cps_top_readlink(b, ib, tb, sizeof(tb)), 0);
		assert_string_equal(ta, tb);
	}
	if (S_ISREG(sa.st_mode))
		same_bytes(a, ia, b, ib, (uint64_t)sa.st_size, path);
}

/* Sockets are not in layers: they are passed over on the side of `a`. */
static inline unsigned int same_folder(struct cps_top *a, uint64_t da,
				       struct cps_top *b, uint64_t db, const char *path,
				       struct pairs *p)
{
	struct cps_top_entry e = {.next = 0};
	unsigned int count = 0, there = 0;
	char child[2048];
	uint64_t ib;

	same_inode(a, da, b, db, path);
	while (cps_top_readdir(a, da, e.next, &e) == 1) {
		if (e.dot || e.type == DT_SOCK)
			continue;
		count++;
		snprintf(child, sizeof(child), "%s/%s", path, e.name);
		if (cps_top_lookup(b, db, e.name, &ib) < 0)
			fail_msg("%s: lost", child);
		if (e.type == DT_DIR) {
			same_folder(a, e.ino, b, ib, child, p);
			continue;
		}
		same_inode(a, e.ino, b, ib, child);
		same_groups(p, e.ino, ib, child);
	}
	e.next = 0;
	while (cps_top_readdir(b, db, e.next, &e) == 1)
		there += !e.dot;
	if (there != count)
		fail_msg("%s: %u names, then %u", path, count, there);
	return count;
}

#endif
