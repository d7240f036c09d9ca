#ifndef DIFFER_H
#define DIFFER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The same random operations on several folders; whatever one of them says or keeps
 * otherwise than the first (the reference, ext4) is a fault. */

#define ROOTS_MAX  3
#define SLOTS      8             /* files held open */
#define SIZE_LIMIT (4u << 20)    /* no file grows beyond this */
#define OLD        1420070400    /* mtimes before 2015 were set by someone */
#define IGNORED    "user.capas." /* xattrs that are not the user's */

struct root {
	const char *name, *path;
	int dirfd;
	bool overlay; /* kernel overlayfs: a second opinion with known faults */
	bool retired; /* it has done one of these; without it until the next mount */
	int slot[SLOTS];
};

struct result {
	long rc;
	int err;
	uint64_t digest;
	nlink_t links[3]; /* of what was named a, b, and of the open file */
	char note[200];
};

struct op_kind;

/* One operation, whole before the first root sees it. */
struct op {
	const struct op_kind *kind;
	char a[PATH_MAX], b[PATH_MAX];
	int s, t; /* slots */
	uint64_t off, off2, len, seed;
	uint32_t bits; /* each kind reads its flags from here */
	mode_t mode, umask;
	uid_t uid;
	gid_t gid;
};

enum pick {
	NONE,
	ANY,   /* something that is there */
	FILES, /* a regular file */
	FOLDER,
	NEW,   /* a name that is not there, probably */
	EITHER /* ANY or NEW */
};

struct op_kind {
	const char *name;
	unsigned int weight;
	enum pick a, b;
	bool slots; /* works on open files: their fstat() is part of the answer */
	void (*run)(const struct op *op, struct root *root, struct result *out);
};

extern const struct op_kind name_ops[], attr_ops[], data_ops[], folder_ops[];

/* ---- random (random.c) ---- */

extern uint64_t random_state;
uint64_t random_next(void);
uint64_t below(uint64_t n);
/** Of the numbers 1..100, is one up to `percent` drawn? */
bool chance(unsigned int percent);
void fill(void *buf, size_t len, uint64_t seed);
uint64_t digest(uint64_t sum, const void *data, size_t len);

/* ---- names (pick.c) ---- */

void pick_path(int dirfd, enum pick what, char out[PATH_MAX]);

/* ---- whole trees (tree.c) ---- */

struct tree;

/** Everything below `root`; ends the program when it cannot be read. */
struct tree *tree_read(const struct root *root);
void tree_free(struct tree *tree);
/** Prints differences to stderr; their number. */
unsigned int tree_compare(const struct root *ref_root, const struct tree *ref,
			  const struct root *root, const struct tree *tree);
/** An inode keeps its number as long as it lives. Call after each tree_compare(). */
unsigned int tree_numbers(const struct tree *ref, const struct root *root,
			  const struct tree *tree);

_Noreturn void die(const char *what);

#endif
