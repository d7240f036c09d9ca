#include "fixture.h"

#include <fcntl.h>

/* "name|name|-" in the order of index.json. */
static void expect_names(struct fixture *fx, const char *expected)
{
	cps_auto(cps_buf) struct cps_buf names = CPS_BUF_INIT(0);
	struct cps_image_list list;

	assert_int_equal(cps_image_list(fx->store, &list, &fx->err), 0);
	for (size_t i = 0; i < list.count; i++)
		cps_buf_printf(&names, "%s%s", i ? "|" : "",
			       list.entries[i].name ? list.entries[i].name : "-");
	cps_image_list_release(&list);
	assert_string_equal(cps_buf_cstr(&names), expected);
}

static void read_index(struct fixture *fx, struct cps_buf *out)
{
	cps_auto(cps_fd) int fd =
		openat(cps_store_root_fd(fx->store), "index.json", O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(cps_read_all(fd, out), 0);
	cps_buf_append(out, "", 1);
}

static void write_index(struct fixture *fx, const char *text)
{
	write_file(fx, "store/index.json", text, strlen(text));
}

static void names_are_kept_in_familiar_form(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "a", 0);

	expect_names(fx, "");
	tag(fx, p, "docker.io/library/debian:bookworm");
	tag(fx, p, "debian");
	tag(fx, p, "host:5000/x/y:1");
	expect_names(fx, "debian:bookworm|debian:latest|host:5000/x/y:1");
}

static void tagging_again_changes_nothing(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_buf) struct cps_buf before = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf after = CPS_BUF_INIT(0);
	struct placed p = put_image(fx, "a", 0);
	bool displaced = true;

	tag(fx, p, "a:1");
	tag(fx, p, "a:2");
	read_index(fx, &before);
	assert_int_equal(cps_image_tag(fx->store, &p.digest, p.size, CPS_MEDIA_MANIFEST,
				       "docker.io/library/a:1", &displaced, &fx->err),
			 0);
	assert_false(displaced);
	tag(fx, p, NULL);
	read_index(fx, &after);
	assert_string_equal(cps_buf_cstr(&before), cps_buf_cstr(&after));
}

static void a_displaced_image_stays_untagged(void **state)
{
	struct fixture *fx = *state;
	struct placed old = put_image(fx, "old", 0), new = put_image(fx, "new", 0);
	bool displaced = false;

	tag(fx, old, "a:1");
	assert_int_equal(cps_image_tag(fx->store, &new.digest, new.size,
				       CPS_MEDIA_MANIFEST, "a:1", &displaced, &fx->err),
			 0);
	assert_true(displaced);
	expect_names(fx, "-|a:1");
	/* A name makes the untagged entry a tagged one again. */
	tag(fx, old, "a:old");
	expect_names(fx, "a:old|a:1");
}

static void an_image_with_another_name_is_not_kept_twice(void **state)
{
	struct fixture *fx = *state;
	struct placed old = put_image(fx, "old", 0), new = put_image(fx, "new", 0);

	tag(fx, old, "a:1");
	tag(fx, old, "a:2");
	tag(fx, new, "a:1");
	expect_names(fx, "a:2|a:1");
}

static void unknown_fields_stay_as_they_are(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	struct placed old = put_image(fx, "old", 0), new = put_image(fx, "new", 0);
	char text[1024], digest[CPS_DIGEST_TEXT_LEN], expected[1024];

	cps_digest_text(&old.digest, digest);
	snprintf(
		text, sizeof(text),
		"{\"zebra\":[1,null],\"schemaVersion\":2,\"manifests\":["
		"{\"urls\":[\"u\"],\"digest\":\"%s\",\"size\":%d,\"annotations\":"
		"{\"mine\":\"x\",\"org.opencontainers.image.ref.name\":\"a:1\"}},"
		"{\"digest\":\"sha512:00\",\"size\":1}],\"annotations\":{\"k\":\"v\"}}",
		digest, (int)old.size);
	write_index(fx, text);
	tag(fx, new, "a:1");
	read_index(fx, &index);
	snprintf(expected, sizeof(expected),
		 "{\"zebra\":[1,null],\"schemaVersion\":2,\"manifests\":["
		 "{\"urls\":[\"u\"],\"digest\":\"%s\",\"size\":%d,\"annotations\":"
		 "{\"mine\":\"x\"}},{\"digest\":\"sha512:00\",\"size\":1},",
		 digest, (int)old.size);
	assert_int_equal(strncmp(cps_buf_cstr(&index), expected, strlen(expected)), 0);
	assert_non_null(strstr(cps_buf_cstr(&index), "\"annotations\":{\"k\":\"v\"}}"));
	/* The entry that nobody here can verify is no image of ours. */
	expect_names(fx, "-|a:1");
}

static void untag_removes_one_name_and_forget_all(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "a", 0), q = put_image(fx, "b", 0);

	tag(fx, p, "a:1");
	tag(fx, p, "a:2");
	tag(fx, q, "b:1");
	assert_int_equal(cps_image_untag(fx->store, "library/a:1", &fx->err), 0);
	expect_names(fx, "a:2|b:1");
	assert_int_equal(cps_image_untag(fx->store, "a:1", &fx->err), -ENOENT);
	assert_int_equal(cps_image_untag(fx->store, "A:1", &fx->err), -EINVAL);
	tag(fx, p, "a:3");
	assert_int_equal(cps_image_forget(fx->store, &p.digest, &fx->err), 0);
	expect_names(fx, "b:1");
}

static void a_name_with_a_digest_cannot_be_given(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "a", 0);
	char name[128], digest[CPS_DIGEST_TEXT_LEN];

	snprintf(name, sizeof(name), "a@%s", cps_digest_text(&p.digest, digest));
	assert_int_equal(cps_image_tag(fx->store, &p.digest, p.size, CPS_MEDIA_MANIFEST,
				       name, NULL, &fx->err),
			 -EINVAL);
}

static void a_damaged_index_is_told_and_left_alone(void **state)
{
	static const char *const damaged[] = {"", "[]", "{\"manifests\":1}",
					      "{\"manifests\":[]", "{\"a\":1,\"a\":2}"};
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "a", 0);
	struct cps_image_list list;

	for (size_t i = 0; i < CPS_ARRAY_LEN(damaged); i++) {
		cps_auto(cps_buf) struct cps_buf after = CPS_BUF_INIT(0);

		write_index(fx, damaged[i]);
		assert_int_equal(cps_image_list(fx->store, &list, &fx->err), -EBADMSG);
		assert_int_equal(cps_image_tag(fx->store, &p.digest, p.size,
					       CPS_MEDIA_MANIFEST, "a", NULL, &fx->err),
				 -EBADMSG);
		read_index(fx, &after);
		assert_string_equal(cps_buf_cstr(&after), damaged[i]);
	}
}

#define WITH_STORE(f)                                                                  \
	cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(names_are_kept_in_familiar_form),
		WITH_STORE(tagging_again_changes_nothing),
		WITH_STORE(a_displaced_image_stays_untagged),
		WITH_STORE(an_image_with_another_name_is_not_kept_twice),
		WITH_STORE(unknown_fields_stay_as_they_are),
		WITH_STORE(untag_removes_one_name_and_forget_all),
		WITH_STORE(a_name_with_a_digest_cannot_be_given),
		WITH_STORE(a_damaged_index_is_told_and_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
