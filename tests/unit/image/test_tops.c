/* Writable tops: what tops/ holds, and what it keeps alive. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "store/maintain.h"
#include "store/tops.h"

/** An image in the store, opened. */
static struct cps_image *new_image(struct fixture *fx, const char *name)
{
	struct placed p = put_image(fx, name, 2);
	struct cps_image *image = NULL;

	tag(fx, p, name);
	assert_int_equal(cps_image_open(fx->store, name, &image, &fx->err), 0);
	return image;
}

static struct cps_top_info create(struct fixture *fx, const char *name,
				  const struct cps_image *image)
{
	struct cps_top_info info;

	assert_int_equal(
		cps_tops_create(fx->store, name, "base", image, &info, &fx->err), 0);
	return info;
}

static unsigned int entries(const struct fixture *fx, const char *folder)
{
	char command[128];
	unsigned int count = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls -A '%s/%s' | wc -l", fx->path, folder);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%u", &count), 1);
	pclose(p);
	return count;
}

static void a_top_is_found_by_name_id_and_prefix(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	char prefix[8];

	snprintf(prefix, sizeof(prefix), "%.6s", made.id);
	for (int i = 0; i < 3; i++) {
		const char *texts[] = {"work", made.id, prefix};
		cps_auto(cps_top_info) struct cps_top_info got = {0};

		assert_int_equal(cps_tops_find(fx->store, texts[i], &got, &fx->err), 0);
		assert_string_equal(got.id, made.id);
		assert_string_equal(got.name, "work");
		assert_string_equal(got.image, "base");
		assert_string_equal(got.created, made.created);
		assert_true(cps_digest_equal(&got.manifest, &image->manifest_digest));
		assert_true(cps_digest_equal(&got.image_id, &image->id));
		assert_true(cps_digest_equal(&got.chain_id, &made.chain_id));
		assert_false(cps_digest_is_zero(&got.chain_id));
	}
}

static void what_is_no_top_is_not_found(void **state)
{
	struct fixture *fx = *state;
	struct cps_top_info got;

	assert_int_equal(cps_tops_find(fx->store, "none", &got, &fx->err), -ENOENT);
	assert_non_null(strstr(fx->err.msg, "'none'"));
}

static void a_name_is_given_once(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	struct cps_top_info again;

	assert_int_equal(
		cps_tops_create(fx->store, "work", "base", image, &again, &fx->err),
		-EEXIST);
	assert_int_equal(entries(fx, "tops"), 1);
	assert_int_equal(entries(fx, "tmp"), 0);
}

static void a_bad_name_is_refused(void **state)
{
	static const char *const bad[] = {"",        "a",   "../x", "-a",
					  ".hidden", "a b", "a/b"};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	char longest[CPS_TOP_NAME_MAX + 2];
	struct cps_top_info info;

	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++)
		assert_int_equal(cps_tops_create(fx->store, bad[i], "base", image,
						 &info, &fx->err),
				 -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[CPS_TOP_NAME_MAX + 1] = '\0';
	assert_int_equal(
		cps_tops_create(fx->store, longest, "base", image, &info, &fx->err),
		-EINVAL);
	longest[CPS_TOP_NAME_MAX] = '\0';
	info = create(fx, longest, image);
	cps_top_info_release(&info);
}

static void without_a_name_it_is_the_start_of_the_id(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, NULL, image);

	assert_int_equal(strlen(made.name), 12);
	assert_memory_equal(made.name, made.id, 12);
}

static void the_list_is_oldest_first(void **state)
{
	static const char *const names[] = {"zz", "mm", "aa"};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_list) struct cps_top_list list = {0};

	for (int i = 0; i < 3; i++) {
		struct cps_top_info info = create(fx, names[i], image);

		cps_top_info_release(&info);
	}
	assert_int_equal(cps_tops_list(fx->store, &list, &fx->err), 0);
	assert_int_equal(list.count, 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(list.tops[i].name, names[i]);
}

static void an_image_from_elsewhere_carries_no_top(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	struct cps_top_info info;

	image->layers[1].digest.bytes[0] ^= 1;
	assert_int_equal(
		cps_tops_create(fx->store, NULL, "base", image, &info, &fx->err),
		-ENOENT);
}

static void a_used_top_is_not_removed(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	int dir = cps_tops_dir(fx->store, &made, &fx->err);

	assert_true(dir >= 0);
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), -EBUSY);
	close(dir);
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), 0);
	assert_int_equal(cps_tops_dir(fx->store, &made, &fx->err), -ENOENT);
	assert_int_equal(entries(fx, "tops"), 0);
	assert_int_equal(entries(fx, "tmp"), 0);
}

static void a_removed_top_takes_its_files_along(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	int dir = cps_tops_dir(fx->store, &made, &fx->err), file;

	assert_int_equal(mkdirat(dir, "data", 0700), 0);
	file = openat(dir, "data/8000000000000001", O_CREAT | O_WRONLY, 0600);
	assert_true(file >= 0);
	close(file);
	close(dir);
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), 0);
	assert_int_equal(entries(fx, "tmp"), 0);
}

/* A crash between rename and deletion, or in the middle of making one. */
static void the_next_opener_sweeps_half_a_top(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	cps_auto(cps_store_close) struct cps_store *second = NULL;
	char from[256], to[256];
	int held;

	snprintf(from, sizeof(from), "%s/tops/%s", fx->path, made.id);
	snprintf(to, sizeof(to), "%s/tmp/%s", fx->path, made.id);
	assert_int_equal(rename(from, to), 0);
	held = open(to, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(cps_store_open(fx->path, &second, &fx->err), 0);
	assert_int_equal(entries(fx, "tmp"), 1); /* its maker still lives */
	close(held);
	cps_store_close(second);
	assert_int_equal(cps_store_open(fx->path, &second, &fx->err), 0);
	assert_int_equal(entries(fx, "tmp"), 0);
}

static void its_image_outlives_its_name(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_image_free) struct cps_image *again = NULL;
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	struct cps_gc_result gone;
	struct cps_usage use;

	assert_int_equal(cps_image_untag(fx->store, "base", &fx->err), 0);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){.untagged = true},
				&gone, &fx->err),
			 0);
	assert_int_equal(gone.blobs, 0);
	assert_int_equal(cps_tops_image(fx->store, &made, &again, &fx->err), 0);
	assert_int_equal(again->layer_count, 2);
	assert_int_equal(cps_df(fx->store, &use, &fx->err), 0);
	assert_int_equal(use.tops, 1);
	assert_int_equal(use.garbage, 0);
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), 0);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){.untagged = true},
				&gone, &fx->err),
			 0);
	assert_int_equal(gone.blobs, 4);
}

static void an_untagged_image_under_a_top_stays_listed(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_image_free) struct cps_image *other = NULL;
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	struct cps_gc_result gone;

	/* The name goes to another image; the old one is left without. */
	tag(fx, put_image(fx, "other", 1), "base");
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){.untagged = true},
				&gone, &fx->err),
			 0);
	assert_int_equal(gone.untagged, 0);
	assert_int_equal(gone.blobs, 0);
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), 0);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){.untagged = true},
				&gone, &fx->err),
			 0);
	assert_int_equal(gone.untagged, 1);
	assert_int_equal(gone.blobs, 4);
}

struct findings {
	unsigned int documents, strays, missing;
	char what[128];
};

static void found(void *ctx, enum cps_fsck_kind kind, const char *what, const char *why,
		  bool repaired)
{
	struct findings *f = ctx;

	f->documents += kind == CPS_FSCK_DOCUMENT;
	f->strays += kind == CPS_FSCK_STRAY;
	f->missing += kind == CPS_FSCK_MISSING;
	snprintf(f->what, sizeof(f->what), "%s", what);
}

static struct findings fsck(struct fixture *fx)
{
	struct findings f = {0};

	assert_true(cps_fsck(fx->store, false, NULL, found, &f, &fx->err) >= 0);
	return f;
}

static void overwrite(const struct fixture *fx, const struct cps_top_info *top,
		      const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "store/tops/%s/top.json", top->id);
	write_file(fx, name, text, strlen(text));
}

static void a_damaged_top_is_named_and_stops_gc(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"Id\":\"x\"}"};
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	struct cps_gc_result gone;

	assert_int_equal(fsck(fx).documents, 0);
	for (size_t i = 0; i < CPS_ARRAY_LEN(bad); i++) {
		struct cps_top_info got = {0};

		overwrite(fx, &made, bad[i]);
		assert_int_equal(fsck(fx).documents, 1);
		assert_non_null(strstr(fsck(fx).what, made.id));
		assert_int_equal(cps_gc(fx->store,
					&(struct cps_gc_opts){.untagged = true}, &gone,
					&fx->err),
				 -EBADMSG);
		assert_int_equal(cps_tops_find(fx->store, made.id, &got, &fx->err),
				 -EBADMSG);
		/* It can be removed all the same. */
		assert_string_equal(got.id, made.id);
		cps_top_info_release(&got);
	}
	assert_int_equal(cps_tops_remove(fx->store, &made, &fx->err), 0);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){.untagged = true},
				&gone, &fx->err),
			 0);
}

static void a_stray_folder_is_named_and_harmless(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	struct cps_gc_result gone;
	char path[128];

	snprintf(path, sizeof(path), "%s/tops/other", fx->path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(fsck(fx).strays, 1);
	assert_int_equal(cps_gc(fx->store, &(struct cps_gc_opts){0}, &gone, &fx->err),
			 0);
}

static void fsck_misses_the_image_of_a_top(void **state)
{
	struct fixture *fx = *state;
	cps_auto(cps_image_free) struct cps_image *image = new_image(fx, "base");
	cps_auto(cps_top_info) struct cps_top_info made = create(fx, "work", image);
	char path[160], hex[CPS_DIGEST_HEX_LEN];

	assert_int_equal(cps_image_untag(fx->store, "base", &fx->err), 0);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", fx->path,
		 cps_digest_hex(&image->layers[0].digest, hex));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fsck(fx).missing, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_top_is_found_by_name_id_and_prefix),
		T(what_is_no_top_is_not_found),
		T(a_name_is_given_once),
		T(a_bad_name_is_refused),
		T(without_a_name_it_is_the_start_of_the_id),
		T(the_list_is_oldest_first),
		T(an_image_from_elsewhere_carries_no_top),
		T(a_used_top_is_not_removed),
		T(a_removed_top_takes_its_files_along),
		T(the_next_opener_sweeps_half_a_top),
		T(its_image_outlives_its_name),
		T(an_untagged_image_under_a_top_stays_listed),
		T(a_damaged_top_is_named_and_stops_gc),
		T(a_stray_folder_is_named_and_harmless),
		T(fsck_misses_the_image_of_a_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
