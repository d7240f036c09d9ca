#include "fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/archive/archive.h"

/* ---- making archives ---- */

static void slurp(int dirfd, const char *name, struct cps_buf *out)
{
	cps_auto(cps_fd) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	out->len = 0;
	assert_true(fd >= 0);
	assert_int_equal(cps_read_all(fd, out), 0);
}

/* The store as an oci-archive, metadata last as skopeo writes it. */
static void tar_store(struct fixture *fx, struct cps_buf *tar)
{
	cps_auto(cps_buf) struct cps_buf data = CPS_BUF_INIT(0);
	DIR *dir = fdopendir(dup(cps_store_blobs_fd(fx->store)));
	struct dirent *de;
	char path[320];

	assert_non_null(dir);
	rewinddir(dir);
	while ((de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		slurp(dirfd(dir), de->d_name, &data);
		snprintf(path, sizeof(path), "./blobs/sha256/%s", de->d_name);
		tar_add(tar, path, data.data, data.len);
	}
	closedir(dir);
	slurp(cps_store_root_fd(fx->store), "index.json", &data);
	tar_add(tar, "index.json", data.data, data.len);
}

/* The image "old" of docker save before 25: one plain member and one behind a link. */
static void tar_docker(struct cps_buf *tar, bool manifest_first, const char *link)
{
	static const char manifest[] =
		"[{\"Config\":\"c.json\",\"RepoTags\":[\"debian:old\",\"b:2\"],"
		"\"Layers\":[\"0.tar\",\"id/layer.tar\"]},"
		"{\"Config\":\"d.json\",\"RepoTags\":null,\"Layers\":[\"0.tar\"]}]";
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf second = CPS_BUF_INIT(0);

	make_config("old", 2, &config);
	make_config("second", 1, &second);
	if (manifest_first)
		tar_add(tar, "manifest.json", manifest, strlen(manifest));
	tar_link(tar, "id/layer.tar", link);
	tar_add(tar, "0.tar", "zero", 4);
	tar_add(tar, "1.tar", "first", 5);
	tar_add(tar, "c.json", config.data, config.len);
	tar_add(tar, "d.json", second.data, second.len);
	if (!manifest_first)
		tar_add(tar, "manifest.json", manifest, strlen(manifest));
	tar_end(tar);
}

static bool compress_to(struct fixture *fx, const char *name,
			const struct cps_buf *data, int (*filter)(struct archive *))
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fx->dir, name);
	if (filter(a) != ARCHIVE_OK) {
		archive_entry_free(e);
		archive_write_free(a);
		return false;
	}
	archive_write_set_format_raw(a);
	archive_write_open_filename(a, path);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_write_header(a, e);
	assert_int_equal(archive_write_data(a, data->data, data->len), data->len);
	archive_entry_free(e);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return true;
}

static int status(struct fixture *fx, const char *prefix, const char *name)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	return open_source(fx, prefix, name, &image);
}

static void expect_layer(const struct cps_image *image, size_t i, const char *text)
{
	char got[64] = "";

	assert_true(i < image->layer_count);
	assert_true(cps_blob_pread(&image->layers[i].blob, got, sizeof(got) - 1, 0) >=
		    0);
	assert_string_equal(got, text);
}

/* ---- layouts ---- */

static void a_layout_of_one_image_needs_no_tag(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;

	tag(fx, put_image(fx, "one", 2), "debian:bookworm");
	assert_int_equal(open_source(fx, "oci:", "store", &image), 0);
	expect_layer(image, 1, "one 1");
	assert_int_equal(status(fx, "oci:", "store:debian:bookworm"), 0);
	assert_int_equal(status(fx, "oci:", "store:bookworm"), 0);
	assert_int_equal(status(fx, "oci:", "store:sid"), -ENOENT);
	assert_int_equal(status(fx, "oci:", "nowhere"), -ENOENT);
}

static void a_layout_of_several_lists_their_names(void **state)
{
	struct fixture *fx = *state;

	tag(fx, put_image(fx, "a", 0), "debian:a");
	tag(fx, put_image(fx, "b", 0), "debian:b");
	assert_int_equal(status(fx, "oci:", "store"), -ENOENT);
	assert_non_null(strstr(fx->err.msg, "debian:a, debian:b"));
	assert_int_equal(status(fx, "oci:", "store:debian:b"), 0);
}

static void a_colon_in_a_path_is_no_tag(void **state)
{
	struct fixture *fx = *state;
	char to[128];

	tag(fx, put_image(fx, "a", 0), "a");
	snprintf(to, sizeof(to), "%s/with:colon", fx->dir);
	assert_int_equal(rename(fx->path, to), 0);
	assert_int_equal(status(fx, "oci:", "with:colon"), 0);
	assert_int_equal(status(fx, "oci:", "with:colon:a:latest"), 0);
	assert_int_equal(rename(to, fx->path), 0);
}

static void links_and_fifos_in_a_layout_are_refused(void **state)
{
	struct fixture *fx = *state;
	char hex[CPS_DIGEST_HEX_LEN];
	struct placed p = put_image(fx, "a", 0);
	int blobs = cps_store_blobs_fd(fx->store);

	tag(fx, p, "a");
	cps_digest_hex(&p.digest, hex);
	assert_int_equal(unlinkat(blobs, hex, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", blobs, hex), 0);
	assert_true(status(fx, "oci:", "store") < 0);
	assert_int_equal(unlinkat(blobs, hex, 0), 0);
	assert_int_equal(mkfifoat(blobs, hex, 0600), 0);
	assert_int_equal(status(fx, "oci:", "store"), -ENOTSUP);
}

static void changed_bytes_are_seen(void **state)
{
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "a", 0);
	char hex[CPS_DIGEST_HEX_LEN], name[128];
	char bytes[2048];

	tag(fx, p, "a");
	memset(bytes, ' ', sizeof(bytes));
	snprintf(name, sizeof(name), "store/blobs/sha256/%s",
		 cps_digest_hex(&p.digest, hex));
	assert_int_equal(unlinkat(cps_store_blobs_fd(fx->store), hex, 0), 0);
	write_file(fx, name, bytes, p.size);
	assert_int_equal(status(fx, "oci:", "store"), -EBADMSG);
	write_file(fx, name, bytes, p.size + 1);
	assert_int_equal(status(fx, "oci:", "store"), -EBADMSG);
	assert_non_null(strstr(fx->err.msg, "bytes where"));
}

/* ---- archives ---- */

static void an_oci_archive_is_read_in_any_compression(void **state)
{
	static int (*const filters[])(struct archive *) = {
		archive_write_add_filter_gzip,     archive_write_add_filter_xz,
		archive_write_add_filter_bzip2,    archive_write_add_filter_zstd,
		archive_write_add_filter_lz4,      archive_write_add_filter_lzip,
		archive_write_add_filter_compress, archive_write_add_filter_lzma,
	};
	struct fixture *fx = *state;
	cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	char name[32];

	tag(fx, put_image(fx, "packed", 2), "debian:bookworm");
	tar_store(fx, &tar);
	tar_end(&tar);
	write_file(fx, "a.tar", tar.data, tar.len);
	assert_int_equal(open_source(fx, "oci-archive:", "a.tar", &image), 0);
	expect_layer(image, 1, "packed 1");
	assert_int_equal(status(fx, "oci-archive:", "a.tar:debian:bookworm"), 0);
	for (size_t i = 0; i < CPS_ARRAY_LEN(filters); i++) {
		snprintf(name, sizeof(name), "a.tar.%zu", i);
		if (!compress_to(fx, name, &tar, filters[i]))
			continue;
		assert_int_equal(status(fx, "oci-archive:", name), 0);
	}
	write_file(fx, "cut.tar", tar.data, tar.len / 2);
	assert_true(status(fx, "oci-archive:", "cut.tar") < 0);
	write_file(fx, "noise", "neither tar nor json", 20);
	assert_true(status(fx, "oci-archive:", "noise") < 0);
}

static void an_old_docker_archive_is_read_in_any_order(void **state)
{
	struct fixture *fx = *state;

	for (int first = 0; first < 2; first++) {
		cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);
		cps_auto(cps_image_free) struct cps_image *image = NULL;

		tar_docker(&tar, first, "../1.tar");
		write_file(fx, "d.tar", tar.data, tar.len);
		assert_int_equal(
			open_source(fx, "docker-archive:", "d.tar:debian:old", &image),
			0);
		expect_layer(image, 0, "zero");
		expect_layer(image, 1, "first");
		assert_string_equal(image->author, "old");
		assert_string_equal(image->media_type, "");
		assert_int_equal(image->manifest.len, 0);
		assert_true(cps_digest_is_zero(&image->layers[1].digest));
		assert_false(cps_digest_is_zero(&image->layers[1].diff_id));
		assert_string_equal(image->layers[1].created_by, "step 1");
		assert_int_equal(status(fx, "docker-archive:", "d.tar:b:2"), 0);
		assert_int_equal(status(fx, "docker-archive:", "d.tar"), -ENOENT);
	}
}

static void a_link_leads_to_other_members_only(void **state)
{
	static const char *const links[] = {"../../../../etc/passwd", "/etc/passwd",
					    "layer.tar", "../id", ""};
	struct fixture *fx = *state;

	for (size_t i = 0; links[i][0]; i++) {
		cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);

		tar_docker(&tar, false, links[i]);
		write_file(fx, "d.tar", tar.data, tar.len);
		assert_true(status(fx, "docker-archive:", "d.tar:b:2") < 0);
		assert_non_null(strstr(fx->err.msg, "layer 2"));
	}
}

static void a_member_there_twice_is_refused(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);

	tar_add(&tar, "manifest.json", "[]", 2);
	tar_docker(&tar, true, "../1.tar");
	write_file(fx, "d.tar", tar.data, tar.len);
	assert_int_equal(status(fx, "docker-archive:", "d.tar"), -EBADMSG);
	assert_non_null(strstr(fx->err.msg, "twice"));
}

static void a_new_docker_archive_goes_by_its_index(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_archive_close) struct cps_archive *archive = NULL;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);
	cps_auto(cps_fd) int fd = -1;
	struct placed p = put_image(fx, "new", 1);
	const char *const *names;
	char path[128];
	size_t count;

	tag(fx, p, "debian:1");
	tag(fx, p, "debian:2");
	tar_store(fx, &tar);
	tar_add(&tar, "manifest.json", "broken", 6);
	tar_end(&tar);
	write_file(fx, "n.tar", tar.data, tar.len);
	snprintf(path, sizeof(path), "%s/n.tar", fx->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(cps_archive_open_fd(fx->store, fd, NULL, &archive, &fx->err), 0);
	assert_int_equal(cps_archive_count(archive), 1);
	assert_int_equal(
		cps_archive_image(archive, 0, &image, &names, &count, &fx->err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "debian:1");
	assert_true(cps_digest_equal(&image->manifest_digest, &p.digest));
}

/* ---- tar: and dir: ---- */

static void a_bare_tar_is_an_image_of_one_layer(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_image_free) struct cps_image *unpacked = NULL;
	cps_auto(cps_buf) struct cps_buf tar = CPS_BUF_INIT(0);
	char origin[128];

	tar_add(&tar, "etc/hostname", "capas\n", 6);
	tar_end(&tar);
	write_file(fx, "root.tar", tar.data, tar.len);
	snprintf(origin, sizeof(origin), "tar:%s/root.tar", fx->dir);
	assert_int_equal(open_source(fx, "tar:", "root.tar", &image), 0);
	assert_int_equal(image->layer_count, 1);
	assert_true(cps_digest_is_zero(&image->layers[0].digest));
	assert_true(cps_digest_is_zero(&image->layers[0].diff_id));
	assert_string_equal(image->layers[0].created_by, origin);
	assert_int_equal(image->layers[0].blob.size, tar.len);
	assert_int_equal(image->manifest.len + image->config.len, 0);
	assert_string_equal(image->author, "");
	/* xz is no layer's compression: it is unpacked first. */
	if (!compress_to(fx, "root.tar.xz", &tar, archive_write_add_filter_xz))
		skip();
	assert_int_equal(open_source(fx, "tar:", "root.tar.xz", &unpacked), 0);
	assert_int_equal(unpacked->layers[0].blob.size, tar.len);
}

static void what_is_no_archive_is_refused(void **state)
{
	struct fixture *fx = *state;

	write_file(fx, "empty", "", 0);
	write_file(fx, "bad.xz",
		   "\xfd"
		   "7zXZ\0 not really",
		   17);
	assert_int_equal(status(fx, "tar:", "missing"), -ENOENT);
	assert_int_equal(status(fx, "tar:", "store"), -EISDIR);
	assert_true(status(fx, "tar:", "empty") < 0);
	assert_int_equal(status(fx, "tar:", "bad.xz"), -EBADMSG);
	assert_int_equal(status(fx, "docker://", "debian"), -ENOTSUP);
}

static void a_skopeo_dir_is_told_from_a_root_filesystem(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = NULL, *root = NULL;
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(0);
	struct placed p = put_image(fx, "flat", 1);
	char hex[CPS_DIGEST_HEX_LEN], command[256];

	slurp(cps_store_blobs_fd(fx->store), cps_digest_hex(&p.digest, hex), &manifest);
	snprintf(command, sizeof(command), "cp -r '%s/blobs/sha256' '%s/d'", fx->path,
		 fx->dir);
	assert_int_equal(system(command), 0);
	write_file(fx, "d/manifest.json", manifest.data, manifest.len);
	write_file(fx, "d/version", "Directions, version 2\n", 22);
	assert_int_equal(open_source(fx, "dir:", "d", &root), 0);
	assert_int_equal(root->layer_count, 1);
	assert_non_null(root->layers[0].dir);
	write_file(fx, "d/version", "Directory Transport Version: 1.1\n", 33);
	assert_int_equal(open_source(fx, "dir:", "d", &image), 0);
	expect_layer(image, 0, "flat 0");
	assert_true(cps_digest_equal(&image->manifest_digest, &p.digest));
}

/* ---- what others write ---- */

static void skopeo_copies_are_read(void **state)
{
	static const char *const forms[] = {"dir", "oci", "oci-archive"};
	struct fixture *fx = *state;
	struct placed p = put_image(fx, "copied", 2);
	char command[320], prefix[16];

	if (system("command -v skopeo >/dev/null 2>&1") != 0)
		skip();
	tag(fx, p, "a:1");
	for (size_t i = 0; i < CPS_ARRAY_LEN(forms); i++) {
		cps_auto(cps_image_free) struct cps_image *image = NULL;

		snprintf(command, sizeof(command),
			 "skopeo --insecure-policy copy --quiet --preserve-digests "
			 "'oci:%s:a:1' "
			 "'%s:%s/%s' >/dev/null",
			 fx->path, forms[i], fx->dir, forms[i]);
		assert_int_equal(system(command), 0);
		snprintf(prefix, sizeof(prefix), "%s:", forms[i]);
		assert_int_equal(open_source(fx, prefix, forms[i], &image), 0);
		assert_true(cps_digest_equal(&image->manifest_digest, &p.digest));
	}
}

#define WITH_STORE(f)                                                                  \
	cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_layout_of_one_image_needs_no_tag),
		WITH_STORE(a_layout_of_several_lists_their_names),
		WITH_STORE(a_colon_in_a_path_is_no_tag),
		WITH_STORE(links_and_fifos_in_a_layout_are_refused),
		WITH_STORE(changed_bytes_are_seen),
		WITH_STORE(an_oci_archive_is_read_in_any_compression),
		WITH_STORE(an_old_docker_archive_is_read_in_any_order),
		WITH_STORE(a_link_leads_to_other_members_only),
		WITH_STORE(a_member_there_twice_is_refused),
		WITH_STORE(a_new_docker_archive_goes_by_its_index),
		WITH_STORE(a_bare_tar_is_an_image_of_one_layer),
		WITH_STORE(what_is_no_archive_is_refused),
		WITH_STORE(a_skopeo_dir_is_told_from_a_root_filesystem),
		WITH_STORE(skopeo_copies_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
