/* A config from anywhere, alone (as in old docker archives) and under a manifest of one
 * layer that names it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/image.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct cps_image *image, size_t layers)
{
	struct cps_digest id;

	cps_digest_of(image->config.data, image->config.len, &id);
	require(cps_digest_equal(&id, &image->id));
	require(image->layer_count == layers);
	require(image->created && image->author && image->architecture && image->os &&
		image->variant && image->media_type);
	for (size_t i = 0; i < image->layer_count; i++)
		require(image->layers[i].created_by != NULL);
	for (size_t i = 0; i < image->history_count; i++)
		require(image->history[i].created && image->history[i].created_by &&
			image->history[i].author && image->history[i].comment);
}

static void write_manifest(const uint8_t *config, size_t size, struct cps_buf *out)
{
	char id[CPS_DIGEST_TEXT_LEN];
	struct cps_digest digest;

	cps_digest_of(config, size, &digest);
	cps_digest_text(&digest, id);
	require(cps_buf_printf(out,
			       "{\"config\":{\"digest\":\"%s\",\"size\":%zu},"
			       "\"layers\":[{\"digest\":\"%s\",\"size\":1}]}",
			       id, size, id) == 0);
}

static void parse(const uint8_t *data, size_t size, size_t layers)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	struct cps_err err = CPS_ERR_INIT;
	int rc;

	require(image && cps_buf_append(&config, data, size) == 0);
	if (layers)
		write_manifest(data, size, &manifest);
	rc = cps_image_parse(&manifest, &config, image, &err);
	require(rc == 0 || (rc < 0 && err.msg[0]));
	if (rc == 0)
		check(image, layers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > CPS_CONFIG_MAX)
		return 0;
	parse(data, size, 0);
	parse(data, size, 1);
	return 0;
}
