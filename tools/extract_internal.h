#ifndef CPS_TOOLS_EXTRACT_INTERNAL_H
#define CPS_TOOLS_EXTRACT_INTERNAL_H

#include "tools/extract.h"

/** One file that is being made: a name in an open folder. */
struct cps_target {
	int dirfd; /* borrowed */
	const char *name;
	int fd; /* of the file, when one is open; -1: go by the name */
};

/** Give a target its inode's owner, mode, xattrs and times, as far as `archive` says.
 *  `path` is for messages. 0 or -errno with the message set. */
int cps_extract_attributes(const struct cps_tree *tree, uint32_t ino,
			   const struct cps_inode *in, const struct cps_target *target,
			   bool archive, const char *path, struct cps_err *err);

/** The first name of every inode that has several: the others become links to it. */
struct cps_first_names {
	int base;           /* folder that paths are told from; borrowed */
	uint32_t *by_inode; /* position in `names` plus one; 0: none yet */
	size_t inode_count;
	struct cps_first_name *names;
	size_t count, cap;
};

bool cps_first_names_has(const struct cps_first_names *f, uint32_t ino);
/** `name` in `dirfd` is inode `ino`, just made; `path` tells it from the base. 0 or
 *  -errno with the message set. */
int cps_first_names_add(struct cps_first_names *f, uint32_t ino, int dirfd,
			const char *name, const char *path, struct cps_err *err);
/** Make another name of an inode that has its first. -ESTALE when that is not what was
 *  made any more. 0; -errno without a message. */
int cps_first_names_link(const struct cps_first_names *f, uint32_t ino, int dirfd,
			 const char *name);
void cps_first_names_release(struct cps_first_names *f);

#endif
