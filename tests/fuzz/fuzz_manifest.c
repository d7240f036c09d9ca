/* A manifest from anywhere, with a config that fits one layer. What is accepted must be
 * one thing only and keep its bytes. */
#include <stdlib.h>
#include <string.h>

#include "store/image.h"

/* Its sha256 is in the corpus, so that inputs get past the first check. */
static const char config_text[] =
	"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}}";

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct cps_image *image, const uint8_t *data, size_t size)
{
	struct cps_digest digest;

	cps_digest_of(data, size, &digest);
	require(image->manifest.len == size);
	require(size == 0 || memcmp(image->manifest.data, data, size) == 0);
	require(size == 0 || cps_digest_equal(&digest, &image->manifest_digest));
	require(image->layer_count == (size ? 1 : 0));
	for (size_t i = 0; i < image->layer_count; i++) {
		require(image->layers[i].media_type && image->layers[i].created_by);
		require(image->layers[i].blob.fd == -1);
		require(!cps_digest_is_zero(&image->layers[i].diff_id));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_image_free) struct cps_image *image = calloc(1, sizeof(*image));
	struct cps_buf manifest = CPS_BUF_INIT(CPS_MANIFEST_MAX);
	struct cps_buf config = CPS_BUF_INIT(CPS_CONFIG_MAX);
	struct cps_err err = CPS_ERR_INIT;
	int rc;

	if (size > CPS_MANIFEST_MAX)
		return 0;
	require(image && cps_buf_append(&manifest, data, size) == 0);
	require(cps_buf_str(&config, config_text) == 0);
	rc = cps_image_parse(&manifest, &config, image, &err);
	require(!manifest.data && !config.data);
	require(rc == 0 || (rc < 0 && err.msg[0]));
	if (rc == 0)
		check(image, data, size);
	return 0;
}
