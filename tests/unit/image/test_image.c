#include "fixture.h"

#define DIGEST_A                                                                       \
	"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ---- documents ---- */

/* What the parser says of a config, with a manifest of `layers` layers around it. */
static int parse_with(const char *config_text, const char *layers, const char *extra,
		      struct cps_err *err)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	char id[CPS_DIGEST_TEXT_LEN];
	struct cps_digest digest;

	assert_non_null(image);
	assert_int_equal(cps_buf_str(&config, config_text), 0);
	cps_digest_of(config.data, config.len, &digest);
	cps_buf_printf(&manifest,
		       "{\"config\":{\"digest\":\"%s\",\"size\":%zu},\"layers\":%s%s}",
		       cps_digest_text(&digest, id), config.len, layers, extra);
	err->msg[0] = '\0';
	return cps_image_parse(&manifest, &config, image, err);
}

#define ONE_LAYER  "[{\"digest\":\"" DIGEST_A "\",\"size\":7}]"
#define ONE_CONFIG "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST_A "\"]}}"

static void documents_that_fit_are_taken(void **state)
{
	struct cps_err err;

	(void)state;
	assert_int_equal(parse_with(ONE_CONFIG, ONE_LAYER, "", &err), 0);
	/* null is the same as absent */
	assert_int_equal(
		parse_with("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null},"
			   "\"history\":null,\"author\":null}",
			   "null", ",\"manifests\":null", &err),
		0);
	assert_int_equal(parse_with(ONE_CONFIG, ONE_LAYER, ",\"unknown\":[1]", &err),
			 0);
}

static void a_document_of_two_kinds_is_refused(void **state)
{
	static const char *const extras[] = {
		",\"manifests\":[]",
		",\"Manifests\":[]",
		",\"fsLayers\":[]",
		",\"FSLAYERS\":[]",
		",\"Layers\":[]",
		",\"Config\":{}",
		",\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
		",\"layers\":[]",
	};
	struct cps_err err;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(extras); i++)
		assert_int_equal(parse_with(ONE_CONFIG, ONE_LAYER, extras[i], &err),
				 -EBADMSG);
}

static void schema_1_is_refused_by_name(void **state)
{
	struct cps_err err;

	(void)state;
	assert_int_equal(parse_with(ONE_CONFIG, ONE_LAYER,
				    ",\"mediaType\":\"application/"
				    "vnd.docker.distribution.manifest.v1+prettyjws\"",
				    &err),
			 -ENOTSUP);
	assert_non_null(strstr(err.msg, "schema 1"));
}

static void a_descriptor_that_lies_is_refused(void **state)
{
	static const char *const layers[] = {
		"[{\"digest\":\"" DIGEST_A "\"}]",
		"[{\"digest\":\"" DIGEST_A "\",\"size\":-1}]",
		"[{\"digest\":\"" DIGEST_A "\",\"size\":9223372036854775807}]",
		"[{\"digest\":\"" DIGEST_A "\",\"size\":9223372036854775808}]",
		"[{\"digest\":\"" DIGEST_A "\",\"size\":\"7\"}]",
		"[{\"digest\":\"sha256:../../x\",\"size\":7}]",
		"[{\"digest\":\"sha256:\",\"size\":7}]",
		"[{\"size\":7}]",
		"[7]",
		"{}",
	};
	struct cps_err err;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(layers); i++)
		assert_true(parse_with(ONE_CONFIG, layers[i], "", &err) < 0);
}

static void a_config_that_does_not_fit_is_refused(void **state)
{
	static const char *const configs[] = {
		"{}",
		"[]",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
		"{\"rootfs\":{\"type\":\"base\",\"diff_ids\":[\"" DIGEST_A "\"]}}",
		"{\"rootfs\":{\"diff_ids\":[\"" DIGEST_A "\"]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}",
		"{\"rootfs\":1}",
		ONE_CONFIG " x",
		"{\"a\":1,\"a\":2,"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST_A "\"]}}",
	};
	struct cps_err err;

	(void)state;
	for (size_t i = 0; i < CPS_ARRAY_LEN(configs); i++)
		assert_int_equal(parse_with(configs[i], ONE_LAYER, "", &err), -EBADMSG);
}

static void an_artifact_is_told_from_an_image(void **state)
{
	struct cps_err err;

	(void)state;
	assert_int_equal(parse_with("{}", "[]", "", &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "artifact"));
}

/* ---- opening ---- */

static void an_open_image_has_all_of_it(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct placed p = put_image(fx, "whole", 2);
	struct cps_digest id;

	tag(fx, p, "debian:bookworm");
	assert_int_equal(cps_image_open(fx->store, "docker.io/library/debian:bookworm",
					&image, &fx->err),
			 0);
	cps_digest_of(image->config.data, image->config.len, &id);
	assert_true(cps_digest_equal(&image->id, &id));
	assert_true(cps_digest_equal(&image->manifest_digest, &p.digest));
	assert_int_equal(image->manifest.len, p.size);
	assert_string_equal(image->author, "whole");
	assert_string_equal(image->variant, "");
	assert_int_equal(image->layer_count, 2);
	assert_string_equal(image->layers[1].created_by, "step 1");
	assert_int_equal(image->layers[1].blob.size, strlen("whole 1"));
	assert_int_equal(image->history_count, 4);
	assert_true(image->history[3].empty_layer);
}

static int open_status(struct fixture *fx, const char *name)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	fx->err.msg[0] = '\0';
	return cps_image_open(fx->store, name, &image, &fx->err);
}

static void an_image_is_found_by_id_and_by_digest(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct placed p = put_image(fx, "found", 1);
	char id[CPS_DIGEST_TEXT_LEN], manifest[CPS_DIGEST_TEXT_LEN], name[128];

	tag(fx, p, "host:5000/a/b:1");
	assert_int_equal(cps_image_open(fx->store, "host:5000/a/b:1", &image, &fx->err),
			 0);
	cps_digest_text(&image->id, id);
	cps_digest_text(&p.digest, manifest);
	assert_int_equal(open_status(fx, id), 0);
	assert_int_equal(open_status(fx, id + 7), 0);
	assert_int_equal(open_status(fx, manifest), 0);
	snprintf(name, sizeof(name), "host:5000/a/b@%s", manifest);
	assert_int_equal(open_status(fx, name), 0);
	/* The same digest in a repository that is another's (CVE-2014-8179). */
	snprintf(name, sizeof(name), "debian@%s", manifest);
	assert_int_equal(open_status(fx, name), -ENOENT);
	id[7 + 12] = '\0';
	assert_int_equal(open_status(fx, id + 7), 0);
	id[7 + 3] = '\0';
	assert_int_equal(open_status(fx, id + 7), -ENOENT);
}

static void the_start_of_several_ids_is_ambiguous(void **state)
{
	struct fixture *fx = *state;
	struct {
		uint8_t head[2];
	} seen[700];
	char mark[16], prefix[5];

	/* Among 700 images two manifests very likely begin with the same 16 bits. */
	for (size_t i = 0; i < CPS_ARRAY_LEN(seen); i++) {
		struct placed p;

		snprintf(mark, sizeof(mark), "many%zu", i);
		p = put_image(fx, mark, 0);
		memcpy(seen[i].head, p.digest.bytes, 2);
		for (size_t j = 0; j < i; j++) {
			if (memcmp(seen[i].head, seen[j].head, 2) != 0)
				continue;
			tag(fx, p, "x:new");
			snprintf(mark, sizeof(mark), "many%zu", j);
			tag(fx, put_image(fx, mark, 0), "x:old");
			snprintf(prefix, sizeof(prefix), "%02x%02x", seen[i].head[0],
				 seen[i].head[1]);
			assert_int_equal(open_status(fx, prefix), -EEXIST);
			return;
		}
	}
	skip();
}

static void a_typo_gets_the_nearest_name(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "typo", 0);

	tag(fx, p, "debian:jessie");
	tag(fx, p, "alpine:3");
	assert_int_equal(open_status(fx, "debian:jesie"), -ENOENT);
	assert_string_equal(fx->err.msg,
			    "no such image (did you mean 'debian:jessie'?)");
	assert_int_equal(open_status(fx, "something/else"), -ENOENT);
	assert_string_equal(fx->err.msg, "no such image");
	assert_int_equal(open_status(fx, "Debian:jessie"), -EINVAL);
}

static void a_missing_blob_is_named(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	char hex[CPS_DIGEST_HEX_LEN];

	tag(fx, put_image(fx, "gone", 1), "gone");
	assert_int_equal(cps_image_open(fx->store, "gone", &image, &fx->err), 0);
	cps_digest_hex(&image->layers[0].digest, hex);
	assert_int_equal(unlinkat(cps_store_blobs_fd(fx->store), hex, 0), 0);
	assert_int_equal(open_status(fx, "gone"), -ENOENT);
	assert_non_null(strstr(fx->err.msg, hex));
	assert_non_null(strstr(fx->err.msg, "layer 1"));
}

static void a_blob_of_another_size_is_refused(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "size", 1);

	p.size++;
	tag(fx, p, "wrong");
	assert_int_equal(open_status(fx, "wrong"), -EBADMSG);
	assert_non_null(strstr(fx->err.msg, "bytes where"));
}

/* ---- indexes ---- */

static struct placed put_index(struct fixture *fx, const char *arch,
			       struct placed child, const char *arch2,
			       struct placed child2)
{
	char text[1024], a[CPS_DIGEST_TEXT_LEN], b[CPS_DIGEST_TEXT_LEN];

	snprintf(text, sizeof(text),
		 "{\"manifests\":[{\"digest\":\"%s\",\"size\":%llu,\"platform\":"
		 "{\"os\":\"%s\",\"architecture\":\"%s\"}},"
		 "{\"digest\":\"%s\",\"size\":%llu,\"platform\":{\"os\":\"linux\","
		 "\"architecture\":\"%s\"}}]}",
		 cps_digest_text(&child.digest, a), (unsigned long long)child.size,
		 strcmp(arch, "unknown") == 0 ? "unknown" : "linux", arch,
		 cps_digest_text(&child2.digest, b), (unsigned long long)child2.size,
		 arch2);
	return put(fx, text);
}

static void an_index_gives_this_machines_image(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	struct placed mine = put_image(fx, "mine", 1),
		      other = put_image(fx, "other", 1);
	struct placed index =
		put_index(fx, "unknown", other, cps_host_architecture(), mine);
	char id[CPS_DIGEST_TEXT_LEN];

	tag(fx, index, "multi");
	assert_int_equal(cps_image_open(fx->store, "multi", &image, &fx->err), 0);
	assert_true(cps_digest_equal(&image->manifest_digest, &mine.digest));
	/* The image behind an index has an ID like any other. */
	assert_int_equal(open_status(fx, cps_digest_text(&image->id, id)), 0);
	tag(fx, put_index(fx, "unknown", other, "z80", mine), "foreign");
	assert_int_equal(open_status(fx, "foreign"), -ENOENT);
	assert_non_null(strstr(fx->err.msg, cps_host_architecture()));
}

static void indexes_nest_only_so_deep(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "deep", 1);
	const char *arch = cps_host_architecture();

	for (int i = 0; i < 4; i++)
		p = put_index(fx, arch, p, "z80", p);
	tag(fx, p, "four");
	tag(fx, put_index(fx, arch, p, "z80", p), "five");
	assert_int_equal(open_status(fx, "four"), 0);
	assert_int_equal(open_status(fx, "five"), -EBADMSG);
}

#define WITH_STORE(f)                                                                  \
	cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_that_fit_are_taken),
		cmocka_unit_test(a_document_of_two_kinds_is_refused),
		cmocka_unit_test(schema_1_is_refused_by_name),
		cmocka_unit_test(a_descriptor_that_lies_is_refused),
		cmocka_unit_test(a_config_that_does_not_fit_is_refused),
		cmocka_unit_test(an_artifact_is_told_from_an_image),
		WITH_STORE(an_open_image_has_all_of_it),
		WITH_STORE(an_image_is_found_by_id_and_by_digest),
		WITH_STORE(the_start_of_several_ids_is_ambiguous),
		WITH_STORE(a_typo_gets_the_nearest_name),
		WITH_STORE(a_missing_blob_is_named),
		WITH_STORE(a_blob_of_another_size_is_refused),
		WITH_STORE(an_index_gives_this_machines_image),
		WITH_STORE(indexes_nest_only_so_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
