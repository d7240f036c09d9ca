#include <linux/falloc.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

/* Behaviours 24 to 28: who may, and what bits that costs. */

static void write_as_user(void)
{
	int fd = open_ok("priv", O_WRONLY);

	CHECK(write(fd, "w", 1) == 1 && close(fd) == 0);
}

static void truncate_as_user(void)
{
	CHECK(truncate("priv", 2) == 0);
}

static void open_trunc_as_user(void)
{
	close(open_ok("priv", O_WRONLY | O_TRUNC));
}

static void fallocate_as_user(void)
{
	CHECK(fallocate(open_ok("priv", O_WRONLY), FALLOC_FL_KEEP_SIZE, 0, 9000) == 0);
}

static void set_priv(mode_t mode)
{
	static const uint8_t caps[20] = {1, 0, 0, 2, 0, 4};

	CHECK(chown("priv", OTHER, OTHER) == 0 && chmod("priv", mode) == 0);
	CHECK(setxattr("priv", "security.capability", caps, sizeof(caps), 0) == 0);
}

static bool has_caps(const char *path)
{
	return getxattr(path, "security.capability", NULL, 0) == 20;
}

static void writing_takes_privilege_away(void)
{
	static void (*const changes[])(void) = {write_as_user, truncate_as_user,
						open_trunc_as_user, fallocate_as_user};

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		set_priv(06777);
		IS(06777, mode_of("priv"));
		as_user(USER, USER, changes[i]);
		if (mode_of("priv") != 0777 || has_caps("priv"))
			failed(__FILE__, __LINE__, "way %zu leaves mode %o, caps %d", i,
			       mode_of("priv"), has_caps("priv"));
	}
	/* root keeps the bits, not the file's capabilities */
	set_priv(06777);
	write_as_user();
	IS(06777, mode_of("priv"));
	CHECK(!has_caps("priv"));
	/* A new owner ends them, whoever says it. */
	set_priv(06755);
	CHECK(chown("priv", 0, 0) == 0 && !has_caps("priv"));
	IS(0755, mode_of("priv"));
	/* setgid without x on a group is no privilege. */
	CHECK(chown("priv", USER, USER) == 0 && chmod("priv", 02666) == 0);
	as_user(USER, USER, write_as_user);
	IS(02666, mode_of("priv"));
	/* Not so for who is not of the group. */
	CHECK(chown("priv", USER, OTHER) == 0 && chmod("priv", 02666) == 0);
	as_user(USER, USER, write_as_user);
	IS(0666, mode_of("priv"));
	CHECK(chmod("priv", 02666) == 0);
	as_user(USER, USER, truncate_as_user);
	IS(0666, mode_of("priv"));
}

static void make_in_shared(void)
{
	close(open_ok("dir/file", O_CREAT | O_WRONLY));
	CHECK(mkdir("dir/below", 0755) == 0 && mkfifo("dir/pipe", 0644) == 0);
	CHECK(close(open("dir/setgid", O_CREAT | O_WRONLY, 02755)) == 0);
	CHECK(chmod("dir/file", 02755) == 0);
}

static void setgid_folders_hand_down_their_group(void)
{
	CHECK(chown("dir", USER, OTHER) == 0 && chmod("dir", 02775) == 0);
	as_user(USER, USER, make_in_shared);
	IS(OTHER, stat_of("dir/file").st_gid);
	IS(OTHER, stat_of("dir/below").st_gid);
	IS(OTHER, stat_of("dir/pipe").st_gid);
	IS(USER, stat_of("dir/file").st_uid);
	IS(02755, mode_of("dir/below"));
	/* The maker is not of that group. */
	IS(0755, mode_of("dir/setgid"));
	IS(0755, mode_of("dir/file"));
	CHECK(mkdir("dir/by-root", 0700) == 0);
	IS(02700, mode_of("dir/by-root"));
}

static void meddle_in_sticky(void)
{
	FAILS(EPERM, unlink("dir/x"));
	FAILS(EPERM, rename("dir/x", "dir/mine"));
	FAILS(EPERM, rmdir("dir/sub"));
	put("dir/mine", "mine");
	FAILS(EPERM, rename("dir/mine", "dir/x"));
	FAILS(EPERM,
	      renameat2(AT_FDCWD, "dir/mine", AT_FDCWD, "dir/x", RENAME_EXCHANGE));
	CHECK(rename("dir/mine", "dir/other") == 0 && unlink("dir/other") == 0);
}

static void sticky_folders_protect(void)
{
	CHECK(chmod("dir", 01777) == 0);
	as_user(USER, USER, meddle_in_sticky);
	CHECK(exists("dir/x") && exists("dir/sub"));
}

static void no_rights(void)
{
	FAILS(EACCES, open("a", O_WRONLY));
	FAILS(EPERM, chmod("a", 0777));
	FAILS(EPERM, chown("a", USER, USER));
	FAILS(EACCES, open("denied", O_CREAT | O_WRONLY, 0644));
	FAILS(EACCES, unlink("a"));
	FAILS(EACCES, mkdir("denied", 0755));
	FAILS(EACCES, truncate("a", 0));
	FAILS(EACCES, setxattr("a", "user.x", "", 0, 0));
	FAILS(EPERM, mknod("empty/dev", S_IFCHR | 0600, 0x103));
	FAILS(EPERM, utimensat(AT_FDCWD, "a", (struct timespec[2]){{1, 1}, {1, 1}}, 0));
	FAILS(EACCES, open("secret", O_RDONLY));
}

static void permissions_hold(void)
{
	put("secret", "s");
	CHECK(chmod("secret", 0600) == 0 && chmod("empty", 0777) == 0);
	as_user(USER, USER, no_rights);
}

static void umask_counts(void)
{
	umask(027);
	CHECK(close(open("f", O_CREAT | O_WRONLY, 0666)) == 0 &&
	      mkdir("d", 0777) == 0 && mkfifo("p", 0666) == 0 &&
	      mknod("n", S_IFREG | 0777, 0) == 0);
	IS(0640, mode_of("f"));
	IS(0750, mode_of("d"));
	IS(0640, mode_of("p"));
	IS(0750, mode_of("n"));
	CHECK(symlink("x", "s") == 0);
	IS(0777, mode_of("s"));
	permissions_hold();
}

static void acl(uint8_t out[44], uint16_t group, uint16_t mask)
{
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5] = {{1, 7, ~0u},
		  {2, 6, USER},
		  {4, group, ~0u},
		  {16, mask, ~0u},
		  {32, 4, ~0u}};
	uint32_t version = 2;

	memcpy(out, &version, 4);
	memcpy(out + 4, e, 40);
}

static uint8_t mask_of(const char *path)
{
	uint8_t got[64];

	CHECK(getxattr(path, "system.posix_acl_access", got, 64) == 44);
	return got[4 + 3 * 8 + 2];
}

static void read_and_write_a(void)
{
	close(open_ok("a", O_RDWR));
	FAILS(EACCES, open("dir/inherits", O_WRONLY));
}

static void acls_work(void)
{
	uint8_t want[44], got[64];

	umask(077);
	acl(want, 5, 7);
	CHECK(setxattr("dir", "system.posix_acl_default", want, 44, 0) == 0);
	CHECK(close(open("dir/inherits", O_CREAT | O_WRONLY, 0664)) == 0);
	/* umask is not asked; the mask is the mode's group bits */
	IS(0664, mode_of("dir/inherits"));
	IS(6, mask_of("dir/inherits"));
	CHECK(mkdir("dir/d", 0777) == 0);
	IS(0774, mode_of("dir/d"));
	CHECK(getxattr("dir/d", "system.posix_acl_default", got, 64) == 44 &&
	      memcmp(want, got, 44) == 0);
	CHECK(chmod("dir/inherits", 0604) == 0);
	IS(0, mask_of("dir/inherits"));
	acl(want, 4, 6);
	CHECK(setxattr("a", "system.posix_acl_access", want, 44, 0) == 0);
	IS(0764, mode_of("a"));
	as_user(USER, USER, read_and_write_a);
	CHECK(removexattr("dir", "system.posix_acl_default") == 0);
	FAILS(ENODATA, getxattr("dir", "system.posix_acl_default", NULL, 0));
	FAILS(EINVAL, setxattr("a", "system.posix_acl_access", want, 43, 0));
	FAILS(EACCES, setxattr("a", "system.posix_acl_default", want, 44, 0));
}

static void acls_again(void)
{
	IS(0764, mode_of("a"));
	IS(6, mask_of("a"));
	as_user(USER, USER, read_and_write_a);
}

const struct test owner_tests[] = {
	{"24-privilege", writing_takes_privilege_away, NULL},
	{"25-setgid-folder", setgid_folders_hand_down_their_group, NULL},
	{"26-sticky", sticky_folders_protect, NULL},
	{"27-umask", umask_counts, NULL},
	{"28-acl", acls_work, acls_again},
	{0},
};
