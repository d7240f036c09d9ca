#include "scratch.h"

static struct cps_digest digest_of(const char *text)
{
	struct cps_digest d;

	cps_digest_of(text, strlen(text), &d);
	return d;
}

static void put(struct scratch *s, const char *text)
{
	struct cps_digest want = digest_of(text), got;

	if (cps_blob_put(s->store, text, strlen(text), &got, &s->err) < 0)
		fail_msg("%s", s->err.msg);
	assert_true(cps_digest_equal(&want, &got));
}

static void assert_blob(struct scratch *s, const char *text)
{
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf got = CPS_BUF_INIT(0);
	struct cps_digest id = digest_of(text);

	assert_int_equal(cps_blob_open(s->store, &id, &blob, &s->err), 0);
	assert_int_equal(cps_blob_read(&blob, &id, &got, &s->err), 0);
	assert_string_equal(cps_buf_cstr(&got), text);
}

static void a_blob_has_the_name_of_its_bytes(void **state)
{
	struct scratch *s = *state;
	struct cps_digest id = digest_of("content");
	char hex[CPS_DIGEST_HEX_LEN];
	struct stat st;

	assert_false(cps_blob_exists(s->store, &id));
	put(s, "content");
	assert_true(cps_blob_exists(s->store, &id));
	assert_blob(s, "content");
	assert_int_equal(fstatat(cps_store_blobs_fd(s->store), cps_digest_hex(&id, hex),
				 &st, AT_SYMLINK_NOFOLLOW),
			 0);
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	put(s, "");
	put(s, "content");
	assert_int_equal(entries_of(cps_store_blobs_fd(s->store)), 2);
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void a_blob_has_no_name_before_it_is_whole(void **state)
{
	struct scratch *s = *state;
	struct cps_digest promised = digest_of("abc"), digest;
	struct cps_blob_writer *w = NULL;
	uint64_t size;

	assert_int_equal(cps_blob_begin(s->store, &w, &s->err), 0);
	assert_int_equal(cps_blob_append(w, "ab", 2, &s->err), 0);
	assert_int_equal(entries_of(cps_store_blobs_fd(s->store)), 0);
	assert_int_equal(cps_blob_append(w, "c", 1, &s->err), 0);
	cps_blob_digest(w, &digest, &size);
	assert_int_equal(size, 3);
	assert_true(cps_digest_equal(&digest, &promised));
	assert_int_equal(cps_blob_commit(w, &promised, NULL, &s->err), 0);
	assert_blob(s, "abc");
}

static void a_blob_that_is_not_as_promised_is_dropped(void **state)
{
	struct scratch *s = *state;
	struct cps_digest promised = digest_of("abc");
	struct cps_blob_writer *w = NULL;

	assert_int_equal(cps_blob_begin(s->store, &w, &s->err), 0);
	assert_int_equal(cps_blob_append(w, "abd", 3, &s->err), 0);
	assert_int_equal(cps_blob_commit(w, &promised, NULL, &s->err), -EBADMSG);
	assert_non_null(strstr(s->err.msg, "was promised"));
	assert_int_equal(cps_blob_begin(s->store, &w, &s->err), 0);
	cps_blob_abort(w);
	assert_int_equal(entries_of(cps_store_blobs_fd(s->store)), 0);
	assert_int_equal(entries_at(s->store, "tmp"), 0);
}

static void unfinished_bytes_can_be_looked_at(void **state)
{
	struct scratch *s = *state;
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	struct cps_blob_writer *w = NULL;
	char buf[8] = "";

	assert_int_equal(cps_blob_begin(s->store, &w, &s->err), 0);
	assert_int_equal(cps_blob_append(w, "abc", 3, &s->err), 0);
	assert_int_equal(cps_blob_peek(w, &blob, &s->err), 0);
	assert_int_equal(cps_blob_pread(&blob, buf, sizeof(buf), 1), 2);
	assert_string_equal(buf, "bc");
	cps_blob_abort(w);
}

static void damage(struct scratch *s, const char *text, const char *instead)
{
	struct cps_digest id = digest_of(text);
	char hex[CPS_DIGEST_HEX_LEN];
	int dir = cps_store_blobs_fd(s->store);

	cps_digest_hex(&id, hex);
	assert_int_equal(unlinkat(dir, hex, 0), 0);
	write_at(dir, hex, instead);
}

/* Who brings the bytes again mends the store. */
static void good_bytes_take_a_damaged_blobs_place(void **state)
{
	struct scratch *s = *state;

	put(s, "content");
	damage(s, "content", "cont");
	put(s, "content");
	assert_blob(s, "content");
	damage(s, "content", "cOntent");
	put(s, "content");
	assert_blob(s, "content");
}

static void other_bytes_than_the_digest_says_are_refused(void **state)
{
	struct scratch *s = *state;
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf got = CPS_BUF_INIT(0);
	struct cps_digest id = digest_of("content");

	put(s, "content");
	damage(s, "content", "cOntent");
	assert_int_equal(cps_blob_open(s->store, &id, &blob, &s->err), 0);
	assert_int_equal(cps_buf_str(&got, "before"), 0);
	assert_int_equal(cps_blob_read(&blob, &id, &got, &s->err), -EBADMSG);
	assert_string_equal(cps_buf_cstr(&got), "before");
	assert_int_equal(cps_blob_read(&blob, NULL, &got, &s->err), 0);
	assert_string_equal(cps_buf_cstr(&got), "beforecOntent");
	blob.size++;
	assert_int_equal(cps_blob_read(&blob, NULL, &got, &s->err), -EBADMSG);
}

static void a_limit_holds_for_reading(void **state)
{
	struct scratch *s = *state;
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	cps_auto(cps_buf) struct cps_buf got = CPS_BUF_INIT(6);
	struct cps_digest id = digest_of("content");

	put(s, "content");
	assert_int_equal(cps_blob_open(s->store, &id, &blob, &s->err), 0);
	assert_int_equal(cps_blob_read(&blob, &id, &got, &s->err), -EFBIG);
	assert_string_equal(s->err.msg, "7 bytes where 6 are the most");
}

static void a_blob_is_a_run_inside_a_file(void **state)
{
	struct scratch *s = *state;
	cps_auto(cps_blob) struct cps_blob whole = CPS_BLOB_INIT, part = CPS_BLOB_INIT;
	struct cps_digest id = digest_of("0123456789");
	char buf[16] = "";

	put(s, "0123456789");
	assert_int_equal(cps_blob_open(s->store, &id, &whole, &s->err), 0);
	assert_int_equal(cps_blob_dup(&whole, &part, &s->err), 0);
	part.base = 3;
	part.size = 4;
	assert_int_equal(cps_blob_pread(&part, buf, sizeof(buf), 0), 4);
	assert_string_equal(buf, "3456");
	assert_int_equal(cps_blob_pread(&part, buf, 2, 3), 1);
	assert_int_equal(buf[0], '6');
	assert_int_equal(cps_blob_pread(&part, buf, 2, 4), 0);
	assert_int_equal(cps_blob_pread(&part, buf, 2, UINT64_MAX), 0);
}

static void what_is_no_file_is_no_blob(void **state)
{
	struct scratch *s = *state;
	struct cps_digest id = digest_of("content");
	struct cps_blob blob = CPS_BLOB_INIT;
	char hex[CPS_DIGEST_HEX_LEN];
	int dir = cps_store_blobs_fd(s->store);

	cps_digest_hex(&id, hex);
	assert_int_equal(cps_blob_open(s->store, &id, &blob, &s->err), -ENOENT);
	assert_non_null(strstr(s->err.msg, hex));
	assert_int_equal(symlinkat("/etc/passwd", dir, hex), 0);
	assert_int_equal(cps_blob_open(s->store, &id, &blob, &s->err), -ELOOP);
	put(s, "content");
	assert_blob(s, "content");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_STORE(a_blob_has_the_name_of_its_bytes),
		SCRATCH_STORE(a_blob_has_no_name_before_it_is_whole),
		SCRATCH_STORE(a_blob_that_is_not_as_promised_is_dropped),
		SCRATCH_STORE(unfinished_bytes_can_be_looked_at),
		SCRATCH_STORE(good_bytes_take_a_damaged_blobs_place),
		SCRATCH_STORE(other_bytes_than_the_digest_says_are_refused),
		SCRATCH_STORE(a_limit_holds_for_reading),
		SCRATCH_STORE(a_blob_is_a_run_inside_a_file),
		SCRATCH_STORE(what_is_no_file_is_no_blob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
