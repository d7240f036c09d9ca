/* Unfinished files: nobody sees half of one, and nobody's are left behind. */
#include <sys/file.h>

#include "scratch.h"
#include "store/store_internal.h"

/* As cps_tmp_open() gives it where the filesystem has no O_TMPFILE. */
static void open_named(struct scratch *s, const char *name, struct cps_tmp *out)
{
	*out = (struct cps_tmp){.store = s->store};
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->fd = openat(s->store->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			 0600);
	assert_true(out->fd >= 0);
	assert_int_equal(flock(out->fd, LOCK_EX | LOCK_NB), 0);
}

static void open_with(struct scratch *s, const char *text, struct cps_tmp *out)
{
	assert_int_equal(cps_tmp_open(s->store, out, &s->err), 0);
	assert_int_equal(cps_write_full(out->fd, text, strlen(text)), 0);
}

static void an_unfinished_file_is_not_seen(void **state)
{
	struct scratch *s = *state;
	unsigned int before = entries_at(s->store, ".");
	struct cps_tmp tmp;

	open_with(s, "half", &tmp);
	assert_int_equal(entries_at(s->store, "."), before);
	cps_tmp_discard(&tmp);
	assert_int_equal(tmp.fd, -1);
	cps_tmp_discard(&tmp); /* and again is nothing */
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void the_first_of_a_content_named_file_stays(void **state)
{
	struct scratch *s = *state;
	int dir = cps_store_root_fd(s->store);
	struct cps_tmp tmp;

	open_with(s, "first", &tmp);
	assert_int_equal(cps_tmp_publish(&tmp, dir, "name", false, &s->err), 0);
	assert_int_equal(tmp.fd, -1);
	open_with(s, "second", &tmp);
	assert_int_equal(cps_tmp_publish(&tmp, dir, "name", false, &s->err), 0);
	assert_text_at(dir, "name", "first");
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void a_file_is_replaced_in_one_step(void **state)
{
	struct scratch *s = *state;
	int dir = cps_store_root_fd(s->store);
	struct cps_tmp tmp;

	for (int i = 0; i < 2; i++) {
		open_with(s, i ? "second" : "first", &tmp);
		assert_int_equal(cps_tmp_publish(&tmp, dir, "name", true, &s->err), 0);
		assert_text_at(dir, "name", i ? "second" : "first");
	}
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void a_file_that_has_a_name_is_published_too(void **state)
{
	struct scratch *s = *state;
	int dir = cps_store_root_fd(s->store);
	struct cps_tmp tmp;

	open_named(s, "1.1.x", &tmp);
	assert_int_equal(cps_write_full(tmp.fd, "linked", 6), 0);
	assert_int_equal(cps_tmp_publish(&tmp, dir, "a", false, &s->err), 0);
	open_named(s, "1.2.x", &tmp);
	assert_int_equal(cps_write_full(tmp.fd, "renamed", 7), 0);
	assert_int_equal(cps_tmp_publish(&tmp, dir, "b", true, &s->err), 0);
	open_named(s, "1.3.x", &tmp);
	cps_tmp_discard(&tmp);
	assert_text_at(dir, "a", "linked");
	assert_text_at(dir, "b", "renamed");
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void a_failed_publication_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	int dir = cps_store_root_fd(s->store);
	struct cps_tmp tmp;

	assert_int_equal(mkdirat(dir, "taken", 0700), 0);
	open_with(s, "x", &tmp);
	assert_int_equal(cps_tmp_publish(&tmp, dir, "taken", true, &s->err), -EISDIR);
	assert_non_null(strstr(s->err.msg, "write 'taken'"));
	assert_int_equal(tmp.fd, -1);
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void the_next_opener_sweeps_what_nobody_holds(void **state)
{
	struct scratch *s = *state;
	struct cps_store *other = NULL;
	struct cps_tmp held;

	open_named(s, "1.1.held", &held);
	write_at(s->store->tmp_fd, "1.2.dead", "x");
	assert_int_equal(symlinkat("/etc/passwd", s->store->tmp_fd, "link"), 0);
	assert_int_equal(cps_store_open(s->path, &other, &s->err), 0);
	cps_store_close(other);
	assert_int_equal(faccessat(s->store->tmp_fd, "1.1.held", F_OK, 0), 0);
	assert_int_equal(faccessat(s->store->tmp_fd, "1.2.dead", F_OK, 0), -1);
	cps_tmp_discard(&held);
}

/* ---- derived files ---- */

static void a_derived_file_comes_and_goes(void **state)
{
	struct scratch *s = *state;
	const struct cps_digest id = {{0xab}}, other = {{0xac}};
	char hex[CPS_DIGEST_HEX_LEN];
	struct cps_tmp tmp;

	for (enum cps_derived kind = CPS_INDEX; kind < CPS_DERIVED_KINDS; kind++) {
		int dir = cps_store_derived_fd(s->store, kind);

		assert_int_equal(cps_derived_open(s->store, kind, &id), -ENOENT);
		for (int i = 0; i < 2; i++) {
			open_with(s, i ? "anew" : "old", &tmp);
			assert_int_equal(
				cps_tmp_publish_derived(&tmp, kind, &id, &s->err), 0);
		}
		assert_text_at(dir, cps_digest_hex(&id, hex), "anew");
		cps_derived_drop(s->store, kind, &other);
		assert_int_equal(entries_of(dir), 1);
		cps_derived_drop(s->store, kind, &id);
		assert_int_equal(entries_of(dir), 0);
	}
}

static void a_derived_file_is_a_file(void **state)
{
	struct scratch *s = *state;
	const struct cps_digest id = {{1}};
	char hex[CPS_DIGEST_HEX_LEN];
	int dir = cps_store_derived_fd(s->store, CPS_TREE);

	cps_digest_hex(&id, hex);
	assert_int_equal(symlinkat("/etc/passwd", dir, hex), 0);
	assert_int_equal(cps_derived_open(s->store, CPS_TREE, &id), -ELOOP);
	cps_derived_drop(s->store, CPS_TREE, &id);
	assert_int_equal(mkfifoat(dir, hex, 0600), 0);
	assert_int_equal(cps_derived_open(s->store, CPS_TREE, &id), -ENOTSUP);
	assert_int_equal(unlinkat(dir, hex, 0), 0);
	assert_int_equal(mkdirat(dir, hex, 0700), 0);
	assert_int_equal(cps_derived_open(s->store, CPS_TREE, &id), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_STORE(an_unfinished_file_is_not_seen),
		SCRATCH_STORE(the_first_of_a_content_named_file_stays),
		SCRATCH_STORE(a_file_is_replaced_in_one_step),
		SCRATCH_STORE(a_file_that_has_a_name_is_published_too),
		SCRATCH_STORE(a_failed_publication_leaves_nothing),
		SCRATCH_STORE(the_next_opener_sweeps_what_nobody_holds),
		SCRATCH_STORE(a_derived_file_comes_and_goes),
		SCRATCH_STORE(a_derived_file_is_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
