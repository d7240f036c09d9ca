#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fs/mount.h"
#include "fs/readahead.h"

static void the_last_word_counts(void **state)
{
	struct cps_mount_opts opts;

	(void)state;
	cps_mount_defaults(&opts);
	assert_false(opts.suid || opts.dev || opts.noexec);
	assert_int_equal(opts.spin_us, CPS_SPIN_DEFAULT_US);
	assert_int_equal(cps_mount_parse_options("ro,suid,dev,nodev,noexec,,noatime,"
						 "noallow_other,spin_us=7,threads=2,"
						 "cache_mb=3,keep_mb=7",
						 &opts, NULL),
			 0);
	assert_true(opts.suid && !opts.dev && opts.noexec && opts.noatime);
	assert_false(opts.allow_other);
	assert_int_equal(opts.spin_us, 7);
	assert_int_equal(opts.threads, 2);
	assert_int_equal(opts.cache_mb, 3);
	assert_int_equal(opts.keep_mb, 7);
}

static void what_is_for_fstab_is_passed_over(void **state)
{
	struct cps_mount_opts opts, before;

	(void)state;
	cps_mount_defaults(&opts);
	before = opts;
	assert_int_equal(
		cps_mount_parse_options("rw,_netdev,user=me,nofail,x-systemd.automount,"
					"X-mount.mkdir=0755,defaults,",
					&opts, NULL),
		0);
	assert_memory_equal(&opts, &before, sizeof(opts));
}

static void complains(const char *text, const char *message)
{
	struct cps_mount_opts opts;
	struct cps_err err = CPS_ERR_INIT;

	cps_mount_defaults(&opts);
	assert_int_equal(cps_mount_parse_options(text, &opts, &err), -EINVAL);
	assert_string_equal(err.msg, message);
}

static void a_typing_error_is_guessed(void **state)
{
	(void)state;
	complains("ro,alow_other", "unknown mount option 'alow_other'; "
				   "is it 'allow_other'?");
	complains("bananas,ro", "unknown mount option 'bananas'");
	complains("spin_us=x", "mount option 'spin_us' takes a number");
	complains("threads=65", "mount option 'threads' takes a number up to 64");
	complains("suid=1", "mount option 'suid' takes no value");
}

static void the_mount_on_top_is_found(void **state)
{
	const char *info = "36 35 8:1 / /mnt/a\\040b rw shared:1 - ext4 /dev/sda1 rw\n"
			   "40 35 0:43 / /mnt/a\\040b ro - fuse.capas alpine ro\n"
			   "41 35 0:44 / /mnt/a ro,nosuid master:2 - fuse.capas x ro\n"
			   "42 35 0:45 / /mnt/a\\040b ro shared:3 - fuse.capas x ro\n";
	unsigned int major = 9, minor = 9;

	(void)state;
	assert_int_equal(cps_mountinfo_device(info, "/mnt/a b", &major, &minor), 0);
	assert_int_equal(major, 0);
	assert_int_equal(minor, 45);
	assert_int_equal(cps_mountinfo_device(info, "/mnt/a", &major, &minor), 0);
	assert_int_equal(minor, 44);
	assert_int_equal(cps_mountinfo_device(info, "/mnt", &major, &minor), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(what_is_for_fstab_is_passed_over),
		cmocka_unit_test(a_typing_error_is_guessed),
		cmocka_unit_test(the_mount_on_top_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
