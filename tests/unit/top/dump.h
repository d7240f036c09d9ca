#ifndef TEST_TOP_DUMP_H
#define TEST_TOP_DUMP_H

/* Everything that a top says, as text: a line for each name, sorted. Two tops that say
 * the same have the same text. What goes wrong is a line of its own that starts with
 * '!', so that a hostile top can be dumped as well. */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include "fs/top/top.h"
#include "lower.h"

#define DUMP_DEPTH_MAX 24u
#define DUMP_NAMES_MAX 20000u
#define DUMP_BYTES_MAX (64u << 20) /* of one file; beyond only the size is said */

enum dump_flags {
	DUMP_TIMES = 1,
	DUMP_CONTENT = 2,
	DUMP_ALL = 3,
};

struct dump {
	struct cps_top *top;
	struct cps_buf text;
	unsigned int flags;
	unsigned int names;
};

static inline void dump_xattrs(struct dump *d, uint64_t ino)
{
	static _Thread_local char names[256u << 10];
	static _Thread_local uint8_t value[256u << 10];
	ssize_t len = cps_top_xattr_list(d->top, ino, names, sizeof(names));
	uint64_t sum = 0;

	if (len < 0) {
		cps_buf_printf(&d->text, "\n! list %zd", len);
		return;
	}
	/* Their order means nothing. */
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n = cps_top_xattr_get(d->top, ino, name, value, sizeof(value));

		if (n < 0)
			cps_buf_printf(&d->text, "\n! get %s %zd", name, n);
		sum += XXH3_64bits_withSeed(value, n < 0 ? 0 : (size_t)n,
					    XXH3_64bits(name, strlen(name)));
	}
	if (len > 0)
		cps_buf_printf(&d->text, " x=%" PRIx64, sum);
}

static inline void dump_content(struct dump *d, uint64_t ino, uint64_t size)
{
	static _Thread_local uint8_t buf[1u << 20];
	XXH3_state_t *sum = XXH3_createState();
	ssize_t n;

	XXH3_64bits_reset(sum);
	for (uint64_t off = 0; off < size && size <= DUMP_BYTES_MAX;
	     off += (uint64_t)n) {
		n = cps_top_pread(d->top, ino, buf, sizeof(buf), off, 0);
		if (n <= 0) {
			cps_buf_printf(&d->text, "\n! read %zd at %" PRIu64, n, off);
			break;
		}
		XXH3_64bits_update(sum, buf, (size_t)n);
	}
	cps_buf_printf(&d->text, " c=%" PRIx64, (uint64_t)XXH3_64bits_digest(sum));
	XXH3_freeState(sum);
}

static inline void dump_inode(struct dump *d, const char *path, uint64_t ino,
			      uint8_t type, struct stat *st)
{
	int rc = cps_top_stat(d->top, ino, st);
	char target[4096];

	if (rc < 0) {
		cps_buf_printf(&d->text, "! stat %s %d\n", path, rc);
		*st = (struct stat){0};
		return;
	}
	if (st->st_ino != ino || IFTODT(st->st_mode) != type)
		cps_buf_printf(&d->text, "! %s is listed as another\n", path);
	cps_buf_printf(&d->text,
		       "%s i=%" PRIx64 " m=%o n=%u o=%u:%u s=%" PRIu64 " d=%u:%u", path,
		       ino, st->st_mode, (unsigned int)st->st_nlink, st->st_uid,
		       st->st_gid, (uint64_t)st->st_size, major(st->st_rdev),
		       minor(st->st_rdev));
	if (d->flags & DUMP_TIMES)
		cps_buf_printf(&d->text, " t=%ld.%ld,%ld.%ld,%ld.%ld",
			       (long)st->st_atim.tv_sec, st->st_atim.tv_nsec,
			       (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			       (long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	dump_xattrs(d, ino);
	if (S_ISREG(st->st_mode) && d->flags & DUMP_CONTENT)
		dump_content(d, ino, (uint64_t)st->st_size);
	if (S_ISLNK(st->st_mode)) {
		rc = cps_top_readlink(d->top, ino, target, sizeof(target));
		cps_buf_printf(&d->text, rc < 0 ? "\n! readlink %d" : " -> ", rc);
		if (rc == 0)
			cps_buf_str(&d->text, target);
	}
	cps_buf_str(&d->text, "\n");
}

static inline int dump_by_name(const void *a, const void *b)
{
	const struct cps_top_entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* The entries of a folder, each on the heap, sorted. */
static inline size_t dump_list(struct dump *d, uint64_t dir,
			       struct cps_top_entry ***out)
{
	struct cps_top_entry e, **items = NULL;
	size_t count = 0, cap = 0;
	uint64_t cookie = 0;
	int rc;

	while ((rc = cps_top_readdir(d->top, dir, cookie, &e)) == 1 &&
	       d->names++ < DUMP_NAMES_MAX) {
		cookie = e.next;
		if (e.dot)
			continue;
		must(cps_grow(&items, &cap, count + 1, sizeof(*items)) == 0, "dump");
		items[count] = malloc(sizeof(e));
		*items[count++] = e;
	}
	if (rc < 0)
		cps_buf_printf(&d->text, "! readdir %d\n", rc);
	if (count)
		qsort(items, count, sizeof(*items), dump_by_name);
	*out = items;
	return count;
}

static inline void dump_folder(struct dump *d, const char *path, uint64_t dir,
			       unsigned int depth)
{
	struct cps_top_entry **items;
	size_t count = dump_list(d, dir, &items);

	for (size_t i = 0; i < count; i++) {
		char *sub;
		uint64_t ino;
		struct stat st;

		must(asprintf(&sub, "%s/%s", path, items[i]->name) > 0, "dump");
		if (cps_top_lookup(d->top, dir, items[i]->name, &ino) < 0 ||
		    ino != items[i]->ino)
			cps_buf_printf(&d->text, "! %s is not found\n", sub);
		if (i && strcmp(items[i]->name, items[i - 1]->name) == 0)
			cps_buf_printf(&d->text, "! %s is listed twice\n", sub);
		dump_inode(d, sub, items[i]->ino, items[i]->type, &st);
		if (S_ISDIR(st.st_mode) && depth < DUMP_DEPTH_MAX)
			dump_folder(d, sub, items[i]->ino, depth + 1);
		free(sub);
	}
	for (size_t i = 0; i < count; i++)
		free(items[i]);
	free(items);
}

/** The caller frees it. */
static inline char *dump_top(struct cps_top *top, unsigned int flags)
{
	struct dump d = {.top = top, .flags = flags};
	struct stat st;

	dump_inode(&d, "", CPS_TOP_ROOT, DT_DIR, &st);
	dump_folder(&d, "", CPS_TOP_ROOT, 0);
	return (char *)cps_buf_steal(&d.text, &(size_t){0});
}

/** NULL, or the first line that differs, of both. The caller frees it. */
static inline char *dump_diff(const char *a, const char *b)
{
	char *out;

	while (*a) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || memcmp(a, b, la) != 0)
			break;
		a += la + (a[la] != 0);
		b += lb + (b[lb] != 0);
	}
	if (!*a && !*b)
		return NULL;
	must(asprintf(&out, "was '%.*s', is '%.*s'", (int)strcspn(a, "\n"), a,
		      (int)strcspn(b, "\n"), b) > 0,
	     "dump");
	return out;
}

#endif
