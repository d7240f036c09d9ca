#ifndef POSIX_H
#define POSIX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What a root filesystem promises, one function each. A test runs in a child of its
 * own, in a folder of its own that holds, from a lower layer: a, b        "lower a\n",
 * "lower b\n", 0644, a with the xattr user.t big         BIG bytes of pattern() h1, h2
 * one file, "linked\n" dir/{x,y,sub/z}, empty/ sparse      SPARSE bytes, BLOCK bytes of
 * them data, in the middle fifo, sock, null, link -> a priv        06777, owner OTHER
 *   prog        a program that sleeps argv[1] seconds
 *   LONG_NAME   255 bytes
 * The second run, after an unmount and a mount, calls `again`. */

#define BIG    100000
#define SPARSE (10 << 20)
#define BLOCK  4096
#define USER   1000
#define OTHER  1001

struct test {
	const char *name;
	void (*run)(void);
	void (*again)(void);
};

/* The behaviours, and what another driver got wrong. */
extern const struct test name_tests[], link_tests[], data_tests[], time_tests[],
	owner_tests[], xattr_tests[], kind_tests[], folder_tests[], program_tests[],
	thread_tests[], bug_tests[];

/* ---- checks: each ends the test with a message ---- */

_Noreturn void failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void skipped(const char *why);

#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond))                                                           \
			failed(__FILE__, __LINE__, "%s (errno: %s)", #cond,            \
			       strerror(errno));                                       \
	} while (0)
/* The call fails with that errno. */
#define FAILS(err, call)                                                               \
	do {                                                                           \
		errno = 0;                                                             \
		long rc_ = (long)(call);                                               \
		if (rc_ >= 0 || errno != (err))                                        \
			failed(__FILE__, __LINE__, "%s gave %ld (%s), not %s", #call,  \
			       rc_, strerror(errno), #err);                            \
	} while (0)
#define IS(want, got)                                                                  \
	do {                                                                           \
		long long w_ = (long long)(want), g_ = (long long)(got);               \
		if (w_ != g_)                                                          \
			failed(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #got,  \
			       g_, w_, #want);                                         \
	} while (0)

#define LONG_NAME long_name(255)

/* ---- helpers (help.c) ---- */

const char *long_name(size_t len);
void put(const char *path, const char *text);
/** Does the file hold exactly this? */
bool holds(const char *path, const char *text);
bool exists(const char *path);
struct stat stat_of(const char *path);
mode_t mode_of(const char *path); /* permission bits */
void pattern(uint8_t *buf, size_t len, uint64_t from);
bool pattern_at(const char *path, uint64_t from, uint64_t to);
size_t entries(const char *path); /* without . and .. */
int open_ok(const char *path, int flags);
void copy_file(const char *from, const char *to); /* 0755 */
/** Run it as that user; a failed check there fails the test. */
void as_user(uid_t uid, gid_t gid, void (*fn)(void));
/** Is this folder on kernel ext4 or overlayfs (known deviations are skipped)? */
bool on_ext4(void);
bool on_overlay(void);
void prepare(const char *dir);
int remove_tree(const char *path);

#endif
