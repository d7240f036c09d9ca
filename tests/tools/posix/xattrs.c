#include <sys/mman.h>
#include <sys/xattr.h>

#include "posix.h"

/* Behaviours 29 and 30: extended attributes. */

#define LARGE 65536 /* the most the kernel lets through */

static void trusted_is_for_root(void)
{
	FAILS(EPERM, setxattr("mine", "trusted.x", "1", 1, 0));
	FAILS(ENODATA, getxattr("mine", "trusted.t", NULL, 0));
	CHECK(setxattr("mine", "user.u", "1", 1, 0) == 0);
}

static bool listed(const char *path, const char *name)
{
	char list[4096];
	ssize_t n = llistxattr(path, list, sizeof(list));

	for (const char *at = list; n > 0 && at < list + n; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static void names_and_flags(void)
{
	char buf[64];

	CHECK(setxattr("a", "user.n", "value", 5, XATTR_CREATE) == 0);
	FAILS(EEXIST, setxattr("a", "user.n", "", 0, XATTR_CREATE));
	FAILS(ENODATA, setxattr("a", "user.m", "", 0, XATTR_REPLACE));
	IS(5, getxattr("a", "user.n", NULL, 0));
	FAILS(ERANGE, getxattr("a", "user.n", buf, 4));
	FAILS(ERANGE, listxattr("a", buf, 3));
	IS(1, getxattr("a", "user.t", buf, 64));
	CHECK(setxattr("a", "user.n", "", 0, XATTR_REPLACE) == 0);
	IS(0, getxattr("a", "user.n", buf, 64));
	CHECK(listed("a", "user.n") && listed("a", "user.t"));
	CHECK(removexattr("a", "user.t") == 0 && !listed("a", "user.t"));
	FAILS(ENODATA, removexattr("a", "user.t"));
	FAILS(ENODATA, getxattr("a", "user.t", NULL, 0));
	FAILS(EOPNOTSUPP, setxattr("a", "bogus.n", "", 0, 0));
	FAILS(ERANGE, setxattr("a", long_name(256), "", 0, 0));
	FAILS(EPERM, lsetxattr("link", "user.n", "1", 1, 0));
	FAILS(EPERM, setxattr("fifo", "user.n", "1", 1, 0));
	FAILS(EPERM, setxattr("null", "user.n", "1", 1, 0));
}

static void large_values(void)
{
	static char large[LARGE + 1];

	memset(large, 'v', sizeof(large));
	CHECK(setxattr("b", "user.large", large, LARGE, 0) == 0);
	FAILS(E2BIG, setxattr("b", "user.l", large, LARGE + 1, 0));
}

static void every_namespace_round_trips(void)
{
	names_and_flags();
	CHECK(lsetxattr("link", "trusted.t", "\0l", 2, 0) == 0);
	CHECK(setxattr("fifo", "trusted.t", "f", 1, 0) == 0);
	CHECK(setxattr("dir", "user.d", "d", 1, 0) == 0);
	CHECK(setxattr("b", "security.other", "s", 1, 0) == 0);
	put("mine", "");
	CHECK(chown("mine", USER, USER) == 0 &&
	      setxattr("mine", "trusted.t", "", 0, 0) == 0);
	as_user(USER, USER, trusted_is_for_root);
	CHECK(setxattr("b", "user.overlay.x", "o", 1, 0) == 0);
	CHECK(setxattr("b", "trusted.overlay.opaque", "y", 1, 0) == 0);
	CHECK(setxattr("dir", "trusted.overlay.opaque", "y", 1, 0) == 0);
	IS(3, entries("dir"));
	if (!on_ext4() && !on_overlay())
		large_values();
	CHECK(!listed("b", "user.capas.layer"));
}

static void every_namespace_again(void)
{
	char buf[8];

	CHECK(lgetxattr("link", "trusted.t", buf, 8) == 2 && buf[1] == 'l');
	CHECK(getxattr("fifo", "trusted.t", buf, 8) == 1);
	CHECK(getxattr("dir", "user.d", buf, 8) == 1);
	CHECK(getxattr("b", "security.other", buf, 8) == 1);
	CHECK(getxattr("b", "user.overlay.x", buf, 8) == 1);
	CHECK(getxattr("dir", "trusted.overlay.opaque", buf, 8) == 1);
	CHECK(getxattr("a", "user.t", buf, 8) < 0);
	IS(3, entries("dir"));
	if (!on_ext4() && !on_overlay())
		IS(LARGE, getxattr("b", "user.large", NULL, 0));
}

static const uint8_t caps[20] = {1, 0, 0, 2, 0, 4};

static bool capable(const char *path)
{
	uint8_t got[32];

	return getxattr(path, "security.capability", got, 32) == 20 &&
	       memcmp(got, caps, 20) == 0;
}

static void capabilities_of_files(void)
{
	CHECK(setxattr("prog", "security.capability", caps, 20, 0) == 0);
	CHECK(rename("prog", "prog2") == 0 && capable("prog2"));
	CHECK(chmod("prog2", 0700) == 0 && capable("prog2"));
	CHECK(link("prog2", "prog3") == 0 && capable("prog3"));
	CHECK(setxattr("a", "security.capability", caps, 20, 0) == 0);
	CHECK(chown("a", 1, -1) == 0 && !capable("a"));
	CHECK(setxattr("dir", "security.capability", caps, 20, 0) == 0);
	CHECK(chown("dir", 1, 1) == 0 && capable("dir"));
	CHECK(setxattr("b", "security.capability", caps, 20, 0) == 0);
	close(open_ok("b", O_WRONLY | O_TRUNC));
	CHECK(!capable("b"));
	FAILS(EINVAL, setxattr("b", "security.capability", caps, 7, 0));
}

/* A map takes nothing away, whenever its pages come back. */
static void capabilities_outlive_maps(void)
{
	int fd = open_ok("prog", O_RDWR);
	char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	map[0]++;
	CHECK(fsetxattr(fd, "security.capability", caps, 20, 0) == 0);
	CHECK(msync(map, 1, MS_SYNC) == 0 && capable("prog"));
	map[0]++;
	CHECK(munmap(map, 1) == 0 && fsync(fd) == 0 && capable("prog"));
	/* write(2) does, at once: what is set after it stays. */
	CHECK(pwrite(fd, "w", 1, 0) == 1 && !capable("prog"));
	CHECK(fsetxattr(fd, "security.capability", caps, 20, 0) == 0);
	CHECK(fsync(fd) == 0 && capable("prog") && close(fd) == 0);
}

static void maps_again(void)
{
	CHECK(capable("prog"));
}

static void capabilities_again(void)
{
	CHECK(capable("prog2") && capable("prog3") && !capable("a") && !capable("b"));
}

const struct test xattr_tests[] = {
	{"29-xattr", every_namespace_round_trips, every_namespace_again},
	{"30-capability", capabilities_of_files, capabilities_again},
	{"30-capability-map", capabilities_outlive_maps, maps_again},
	{0},
};
