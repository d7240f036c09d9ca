/* Commit: the documents of a new image, and what stays of its parent's. */
#include "fixture.h"
#include "store/commit.h"
#include "store/json.h"
#include "store/maintain.h"
#include "store/root.h"

struct source {
	struct cps_buf tar;
	size_t at;
};

static ssize_t give(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct source *s = ctx;

	if (len > s->tar.len - s->at)
		len = s->tar.len - s->at;
	if (len > 100)
		len = 100; /* streams come in pieces */
	memcpy(buf, s->tar.data + s->at, len);
	s->at += len;
	return (ssize_t)len;
}

static ssize_t fail_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	return cps_err_set(err, -EIO, "the disk is on fire");
}

static void layer(struct source *s)
{
	*s = (struct source){0};
	tar_add(&s->tar, "hello", "world", 5);
	tar_end(&s->tar);
}

/** Commit one small layer, or nothing when `read` is NULL, and open the result. */
static struct cps_image *commit(struct fixture *fx, const struct cps_image *parent,
				cps_read_fn read, struct cps_commit_opts opts)
{
	struct cps_image *image = NULL;
	struct cps_digest id;
	struct source s;

	layer(&s);
	if (cps_commit(fx->store, parent, read, &s, &opts, &id, &fx->err) < 0)
		fail_msg("commit: %s", fx->err.msg);
	cps_buf_release(&s.tar);
	if (cps_image_open(fx->store, opts.name, &image, &fx->err) < 0)
		fail_msg("open: %s", fx->err.msg);
	assert_true(cps_digest_equal(&image->id, &id));
	return image;
}

static struct cps_image *parent_of(struct fixture *fx, struct placed manifest)
{
	struct cps_image *image = NULL;

	tag(fx, manifest, "parent");
	if (cps_image_open(fx->store, "parent", &image, &fx->err) < 0)
		fail_msg("parent: %s", fx->err.msg);
	return image;
}

/** A parent whose documents are written by hand. */
static struct cps_image *parent_from(struct fixture *fx, const char *config,
				     const char *manifest_type, const char *layer_type)
{
	struct placed c = put(fx, config), l = put(fx, "layer 0");
	char text[1024], a[CPS_DIGEST_TEXT_LEN], b[CPS_DIGEST_TEXT_LEN];

	snprintf(text, sizeof(text),
		 "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":"
		 "\"application/vnd.docker.container.image.v1+json\",\"digest\":\"%s\","
		 "\"size\":%llu},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
		 "\"size\":%llu,\"annotations\":{\"some\":\"thing\"}}],"
		 "\"annotations\":{\"of\":\"the parent\"}}",
		 manifest_type, cps_digest_text(&c.digest, a),
		 (unsigned long long)c.size, layer_type, cps_digest_text(&l.digest, b),
		 (unsigned long long)l.size);
	return parent_of(fx, put(fx, text));
}

#define DIFF_ID                                                                        \
	"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OCI    "application/vnd.oci.image.manifest.v1+json"
#define DOCKER "application/vnd.docker.distribution.manifest.v2+json"

static void a_layer_goes_on_top(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *parent =
		parent_of(fx, put_image(fx, "base", 2));
	cps_auto(cps_image_free) struct cps_image *image =
		commit(fx, parent, give,
		       (struct cps_commit_opts){.name = "child:1",
						.author = "me",
						.message = "why",
						.created_s = 86400});
	const struct cps_history *h = &image->history[image->history_count - 1];

	assert_int_equal(image->layer_count, 3);
	for (int i = 0; i < 2; i++)
		assert_true(cps_digest_equal(&image->layers[i].digest,
					     &parent->layers[i].digest));
	assert_true(
		cps_digest_equal(&image->layers[2].digest, &image->layers[2].diff_id));
	assert_string_equal(image->layers[2].created_by, "capas commit");
	assert_string_equal(image->layers[1].created_by, "step 1");
	assert_int_equal(image->history_count, parent->history_count + 1);
	assert_string_equal(h->comment, "why");
	assert_string_equal(h->author, "me");
	assert_string_equal(h->created, "1970-01-02T00:00:00Z");
	assert_false(h->empty_layer);
	assert_string_equal(image->author, "me");
	assert_string_equal(image->created, "1970-01-02T00:00:00Z");
}

static void nothing_new_is_a_line_of_history(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *parent =
		parent_of(fx, put_image(fx, "base", 2));
	cps_auto(cps_image_free) struct cps_image *image =
		commit(fx, parent, NULL, (struct cps_commit_opts){.name = "child"});

	assert_int_equal(image->layer_count, 2);
	assert_int_equal(image->history_count, parent->history_count + 1);
	assert_true(image->history[image->history_count - 1].empty_layer);
	assert_string_equal(image->author, "base"); /* make_config()'s mark */
}

static void unknown_fields_of_the_config_stay(void **state)
{
	static const char *const changes[] = {"ENV B=2", "CMD [\"x\"]"};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *parent = parent_from(
		fx,
		"{\"architecture\":\"arm64\",\"variant\":\"v8\",\"os\":\"linux\","
		"\"os.features\":[\"one\"],\"config\":{\"Env\":[\"A=1\"],"
		"\"Healthcheck\":"
		"{\"Test\":[\"NONE\"]},\"Odd\":null},\"later\":{\"x\":[1,2.5]},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF_ID "\"]}}",
		OCI, "application/vnd.oci.image.layer.v1.tar");
	cps_auto(cps_image_free) struct cps_image *image =
		commit(fx, parent, give,
		       (struct cps_commit_opts){.name = "child",
						.changes = changes,
						.change_count = 2,
						.created_s = 0});
	const char *text = cps_buf_cstr(&image->config);
	static const char *const kept[] = {
		"\"os.features\":[\"one\"]",
		"\"Healthcheck\":{\"Test\":[\"NONE\"]}",
		"\"Odd\":null",
		"\"later\":{\"x\":[1,2.5]}",
		"\"variant\":\"v8\"",
		"\"architecture\":\"arm64\"",
		"\"Env\":[\"A=1\",\"B=2\"]",
		"\"Cmd\":[\"x\"]",
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(kept); i++)
		if (!strstr(text, kept[i]))
			fail_msg("%s is lost: %s", kept[i], text);
	/* The parent told nothing of its layer: ours is not taken for it. */
	assert_int_equal(image->history_count, 2);
	assert_string_equal(image->layers[0].created_by, "");
	assert_string_equal(image->layers[1].created_by, "capas commit");
}

/* Docker writes null for what is not set; anybody may write anything. */
static void changes_apply_to_whatever_a_config_holds(void **state)
{
	static const char *const changes[] = {
		"LABEL a=b",       "ENV B=2",   "VOLUME /data",
		"VOLUME [\"/x\"]", "EXPOSE 80", "ENV A=3",
	};
	static const char *const there[] = {
		"\"Labels\":{\"a\":\"b\"}",
		"\"Volumes\":{\"/data\":{},\"/x\":{}}",
		"\"ExposedPorts\":{\"80/tcp\":{}}",
		"\"Env\":[1,null,\"A=3\",\"B=2\"]",
	};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *parent = parent_from(
		fx,
		"{\"config\":{\"Labels\":null,\"Volumes\":null,\"ExposedPorts\":[],"
		"\"Env\":[1,null,\"A=1\"]},\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"" DIFF_ID "\"]}}",
		OCI, "application/vnd.oci.image.layer.v1.tar");
	cps_auto(cps_image_free) struct cps_image *image = commit(
		fx, parent, give,
		(struct cps_commit_opts){.name = "child",
					 .changes = changes,
					 .change_count = CPS_ARRAY_LEN(changes)});

	for (size_t i = 0; i < CPS_ARRAY_LEN(there); i++)
		if (!strstr(cps_buf_cstr(&image->config), there[i]))
			fail_msg("no %s: %s", there[i], cps_buf_cstr(&image->config));
}

static void docker_images_become_oci_images(void **state)
{
	static const char *const types[][2] = {
		{"application/vnd.docker.image.rootfs.diff.tar.gzip",
		 "application/vnd.oci.image.layer.v1.tar+gzip"},
		{"application/vnd.docker.image.rootfs.diff.tar",
		 "application/vnd.oci.image.layer.v1.tar"},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		 "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
		{"application/vnd.example.other", "application/vnd.example.other"},
	};
	struct fixture *fx = *state;

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++) {
		cps_auto(cps_image_free) struct cps_image *parent = parent_from(
			fx,
			"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF_ID
			"\"]}}",
			DOCKER, types[i][0]);
		cps_auto(cps_image_free) struct cps_image *image = commit(
			fx, parent, give, (struct cps_commit_opts){.name = "child"});

		assert_string_equal(image->media_type, OCI);
		assert_string_equal(image->layers[0].media_type, types[i][1]);
		assert_non_null(strstr(cps_buf_cstr(&image->manifest),
				       "\"annotations\":{\"some\":\"thing\"}"));
		assert_null(strstr(cps_buf_cstr(&image->manifest), "the parent"));
		assert_null(strstr(cps_buf_cstr(&image->manifest), "docker"));
	}
}

static void without_a_parent_it_stands_alone(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image =
		commit(fx, NULL, give, (struct cps_commit_opts){.name = "alone"});
	struct cps_root_opts opts = {0};
	struct cps_root *root = NULL;
	uint32_t ino;

	assert_int_equal(image->layer_count, 1);
	assert_string_equal(image->os, "linux");
	assert_int_equal(
		cps_root_open(fx->store, CPS_TAKE(image), &opts, &root, &fx->err), 0);
	assert_int_equal(cps_root_walk(root, "/hello", false, &ino), 0);
	cps_root_close(root);
}

static void a_compressed_layer_has_the_same_diff_id(void **state)
{
	static const struct {
		enum cps_codec codec;
		const char *type;
	} cases[] = {
		{CPS_CODEC_GZIP, "application/vnd.oci.image.layer.v1.tar+gzip"},
		{CPS_CODEC_ZSTD, "application/vnd.oci.image.layer.v1.tar+zstd"},
	};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *plain =
		commit(fx, NULL, give, (struct cps_commit_opts){.name = "plain"});

	for (size_t i = 0; i < CPS_ARRAY_LEN(cases); i++) {
		cps_auto(cps_image_free) struct cps_image *image =
			commit(fx, NULL, give,
			       (struct cps_commit_opts){.name = "small",
							.codec = cases[i].codec});

		assert_string_equal(image->layers[0].media_type, cases[i].type);
		assert_true(cps_digest_equal(&image->layers[0].diff_id,
					     &plain->layers[0].diff_id));
		assert_false(cps_digest_equal(&image->layers[0].digest,
					      &plain->layers[0].digest));
	}
}

static void what_fails_leaves_nothing(void **state)
{
	static const char *const bad[] = {"FROM x"};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *parent =
		parent_of(fx, put_image(fx, "base", 1));
	struct cps_commit_opts opts = {.name = "child"};
	struct cps_gc_result gone;
	struct cps_digest id;
	struct source s;

	layer(&s);
	assert_int_equal(
		cps_commit(fx->store, parent, fail_read, NULL, &opts, &id, &fx->err),
		-EIO);
	assert_non_null(strstr(fx->err.msg, "on fire"));
	opts.name = "Not A Name";
	assert_int_equal(cps_commit(fx->store, parent, give, &s, &opts, &id, &fx->err),
			 -EINVAL);
	opts.name = "child";
	opts.changes = bad;
	opts.change_count = 1;
	assert_int_equal(cps_commit(fx->store, parent, give, &s, &opts, &id, &fx->err),
			 -EINVAL);
	assert_int_equal(s.at, 0); /* found out before anything was read */
	opts.change_count = 0;
	opts.author = "\xff";
	assert_int_equal(cps_commit(fx->store, parent, give, &s, &opts, &id, &fx->err),
			 -EINVAL);
	opts.author = NULL;
	parent->layers[0].digest.bytes[0] ^= 1;
	assert_int_equal(cps_commit(fx->store, parent, give, &s, &opts, &id, &fx->err),
			 -ENOENT);
	cps_buf_release(&s.tar);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){0}, &gone, &fx->err),
			 0);
	assert_int_equal(gone.blobs, 0);
}

static void a_damaged_layer_is_no_image(void **state)
{
	struct fixture *fx = *state;
	struct cps_commit_opts opts = {.name = "child"};
	struct cps_gc_result gone;
	struct cps_digest id;
	struct source s;

	layer(&s);
	s.tar.data[0] ^= 1; /* the checksum is wrong now */
	assert_true(cps_commit(fx->store, NULL, give, &s, &opts, &id, &fx->err) < 0);
	cps_buf_release(&s.tar);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){0}, &gone, &fx->err),
			 0);
	assert_int_equal(gone.blobs, 0);
}

static void the_same_commit_is_the_same_image(void **state)
{
	struct fixture *fx = *state;
	const struct cps_commit_opts opts = {.name = "one", .created_s = 5};
	cps_auto(cps_image_free) struct cps_image *parent =
		parent_of(fx, put_image(fx, "base", 1));
	cps_auto(cps_image_free) struct cps_image *a = commit(fx, parent, give, opts);
	cps_auto(cps_image_free) struct cps_image *b = commit(fx, parent, give, opts);

	assert_true(cps_digest_equal(&a->manifest_digest, &b->manifest_digest));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_layer_goes_on_top),
		T(nothing_new_is_a_line_of_history),
		T(unknown_fields_of_the_config_stay),
		T(changes_apply_to_whatever_a_config_holds),
		T(docker_images_become_oci_images),
		T(without_a_parent_it_stands_alone),
		T(a_compressed_layer_has_the_same_diff_id),
		T(what_fails_leaves_nothing),
		T(a_damaged_layer_is_no_image),
		T(the_same_commit_is_the_same_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
