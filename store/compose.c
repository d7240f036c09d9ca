#include "store/compose.h"

#include <errno.h>

#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "store/codec.h"

const char *cps_layer_media_type(enum cps_codec codec)
{
	switch (codec) {
	case CPS_CODEC_GZIP:
		return "application/vnd.oci.image.layer.v1.tar+gzip";
	case CPS_CODEC_ZSTD:
		return "application/vnd.oci.image.layer.v1.tar+zstd";
	default:
		return "application/vnd.oci.image.layer.v1.tar";
	}
}

const char *cps_time_text(int64_t unix_s, char out[32])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		strcpy(out, "1970-01-01T00:00:00Z");
	return out;
}

const char *cps_host_architecture(void)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"},    {"aarch64", "arm64"},
		{"armv7l", "arm"},      {"armv6l", "arm"},
		{"i686", "386"},        {"i386", "386"},
		{"ppc64le", "ppc64le"}, {"s390x", "s390x"},
		{"riscv64", "riscv64"}, {"loongarch64", "loong64"},
		{"mips64", "mips64le"},
	};
	struct utsname host;

	if (uname(&host) == 0)
		for (size_t i = 0; i < CPS_ARRAY_LEN(names); i++)
			if (strcmp(host.machine, names[i][0]) == 0)
				return names[i][1];
	return "amd64";
}

json_t *cps_descriptor_json(const struct cps_descriptor *desc)
{
	char digest[CPS_DIGEST_TEXT_LEN];

	return json_pack("{s:s, s:s, s:I}", "mediaType", desc->media_type, "digest",
			 cps_digest_text(&desc->digest, digest), "size",
			 (json_int_t)desc->size);
}

int cps_json_bytes(const json_t *doc, struct cps_buf *out, struct cps_err *err)
{
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	int rc = text ? cps_buf_str(out, text) : -ENOMEM;

	free(text);
	return rc < 0 ? cps_err_sys(err, rc, "write a document") : 0;
}

int cps_compose_manifest(const struct cps_descriptor *config,
			 const struct cps_descriptor *layers, size_t count,
			 struct cps_buf *out, struct cps_err *err)
{
	json_t *list = json_array(), *doc;
	int rc;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, cps_descriptor_json(&layers[i]));
	doc = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType",
			CPS_MEDIA_MANIFEST, "config", cps_descriptor_json(config),
			"layers", list);
	rc = cps_json_bytes(doc, out, err);
	json_decref(doc);
	return rc;
}
