#ifndef TEST_IMAGE_FIXTURE_H
#define TEST_IMAGE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/compose.h"
#include "store/image.h"
#include "store/tar.h"

/** A store in a folder of its own. The store is an OCI layout too. */
struct fixture {
	char dir[40];
	char path[64]; /* of the store */
	struct cps_store *store;
	struct cps_err err;
};

/** A document in the store. */
struct placed {
	struct cps_digest digest;
	uint64_t size; /* bytes */
};

static inline int fixture_setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	*state = fx;
	if (!fx)
		return -1;
	strcpy(fx->dir, "/tmp/capas-image-XXXXXX");
	if (!mkdtemp(fx->dir))
		return -1;
	snprintf(fx->path, sizeof(fx->path), "%s/store", fx->dir);
	return cps_store_open(fx->path, &fx->store, &fx->err);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fx = *state;
	char command[64];

	cps_store_close(fx->store);
	snprintf(command, sizeof(command), "rm -rf '%s'", fx->dir);
	free(fx);
	return system(command);
}

static inline struct placed put(struct fixture *fx, const char *text)
{
	struct placed p = {.size = strlen(text)};

	assert_int_equal(cps_blob_put(fx->store, text, p.size, &p.digest, &fx->err), 0);
	return p;
}

/* The diffID is the digest of the layer's name: nobody looks into layers here. */
static inline void make_config(const char *mark, size_t layers, struct cps_buf *out)
{
	char text[CPS_DIGEST_TEXT_LEN], name[80];
	struct cps_digest id;

	cps_buf_printf(out,
		       "{\"author\":\"%s\",\"architecture\":\"amd64\","
		       "\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
		       "\"diff_ids\":[",
		       mark);
	for (size_t i = 0; i < layers; i++) {
		snprintf(name, sizeof(name), "%s %zu", mark, i);
		cps_digest_of(name, strlen(name), &id);
		cps_buf_printf(out, "%s\"%s\"", i ? "," : "",
			       cps_digest_text(&id, text));
	}
	cps_buf_printf(out, "]},\"history\":[");
	for (size_t i = 0; i < layers; i++)
		cps_buf_printf(out,
			       "%s{\"created_by\":\"step %zu\"},"
			       "{\"created_by\":\"ENV\",\"empty_layer\":true}",
			       i ? "," : "", i);
	cps_buf_printf(out, "]}");
}

/** An image of `layers` layers, unnamed as yet. */
static inline struct placed put_image(struct fixture *fx, const char *mark,
				      size_t layers)
{
	cps_auto(cps_buf) struct cps_buf config = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf manifest = CPS_BUF_INIT(0);
	struct cps_descriptor list[8], c = {.media_type = CPS_MEDIA_CONFIG};
	struct placed p;
	char name[80];

	make_config(mark, layers, &config);
	p = put(fx, cps_buf_cstr(&config));
	c.digest = p.digest;
	c.size = p.size;
	for (size_t i = 0; i < layers; i++) {
		snprintf(name, sizeof(name), "%s %zu", mark, i);
		p = put(fx, name);
		list[i] = (struct cps_descriptor){cps_layer_media_type(CPS_CODEC_NONE),
						  p.digest, p.size};
	}
	assert_int_equal(cps_compose_manifest(&c, list, layers, &manifest, &fx->err),
			 0);
	return put(fx, cps_buf_cstr(&manifest));
}

static inline void tag(struct fixture *fx, struct placed p, const char *name)
{
	assert_int_equal(cps_image_tag(fx->store, &p.digest, p.size, CPS_MEDIA_MANIFEST,
				       name, NULL, &fx->err),
			 0);
}

static inline void write_file(const struct fixture *fx, const char *name,
			      const void *data, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", fx->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void tar_add(struct cps_buf *tar, const char *path, const void *data,
			   size_t len)
{
	const struct cps_tar_entry e = {
		.path = path, .link = "", .mode = 0644, .size = len};

	assert_int_equal(cps_tar_format_header(&e, tar, NULL), 0);
	assert_int_equal(cps_buf_append(tar, data, len), 0);
	assert_int_equal(cps_buf_align(tar, 512), 0);
}

static inline void tar_link(struct cps_buf *tar, const char *path, const char *to)
{
	const struct cps_tar_entry e = {
		.path = path, .link = to, .type = CPS_TAR_SYMLINK, .mode = 0777};

	assert_int_equal(cps_tar_format_header(&e, tar, NULL), 0);
}

static inline void tar_end(struct cps_buf *tar)
{
	assert_int_equal(cps_buf_zeros(tar, 1024, NULL), 0);
}

/** "<fx->dir>/<name>" behind a prefix, as a SOURCE. */
static inline int open_source(struct fixture *fx, const char *prefix, const char *name,
			      struct cps_image **out)
{
	char source[256];

	fx->err.msg[0] = '\0';
	snprintf(source, sizeof(source), "%s%s/%s", prefix, fx->dir, name);
	return cps_source_open(fx->store, source, NULL, out, &fx->err);
}

#endif
