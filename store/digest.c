#include "store/digest.h"

/* The EVP interface reads openssl.cnf and sets up providers for the first hash, which
 * is a third of the work of a mount. The old one is a function call. */
#define OPENSSL_API_COMPAT 10101

#include <errno.h>
#include <openssl/opensslv.h>
#include <openssl/sha.h>
#include <string.h>

#include "store/libraries.h"

struct cps_hash {
	SHA256_CTX ctx;
};

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cps_digest_parse_hex(const char *hex, struct cps_digest *out)
{
	struct cps_digest d;

	if (strlen(hex) != CPS_DIGEST_HEX_LEN - 1)
		return -EINVAL;
	for (size_t i = 0; i < CPS_SHA256_LEN; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		d.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*out = d;
	return 0;
}

/* image-spec descriptor.md: algorithm components of [a-z0-9]+ joined by one of +._- and
 * an encoded part of [a-zA-Z0-9=_-]+. */
static bool fits_grammar(const char *text)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const char *p = text;
	size_t n;

	for (;;) {
		n = strspn(p, alnum);
		if (n == 0)
			return false;
		p += n;
		if (*p == ':')
			break;
		if (!*p || !strchr("+._-", *p))
			return false;
		p++;
	}
	p++;
	n = strspn(p,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-");
	return n > 0 && p[n] == '\0';
}

int cps_digest_parse(const char *text, struct cps_digest *out, struct cps_err *err)
{
	if (strncmp(text, "sha256:", 7) == 0 &&
	    cps_digest_parse_hex(text + 7, out) == 0)
		return 0;
	if (strncmp(text, "sha256:", 7) != 0 && fits_grammar(text))
		return cps_err_set(err, -ENOTSUP,
				   "digest '%.200s': only sha256 can be verified",
				   text);
	return cps_err_set(err, -EINVAL, "'%.200s' is no digest", text);
}

const char *cps_digest_hex(const struct cps_digest *d, char out[CPS_DIGEST_HEX_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CPS_SHA256_LEN; i++) {
		out[2 * i] = digits[d->bytes[i] >> 4];
		out[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	out[CPS_DIGEST_HEX_LEN - 1] = '\0';
	return out;
}

const char *cps_digest_text(const struct cps_digest *d, char out[CPS_DIGEST_TEXT_LEN])
{
	memcpy(out, "sha256:", 7);
	cps_digest_hex(d, out + 7);
	return out;
}

bool cps_digest_equal(const struct cps_digest *a, const struct cps_digest *b)
{
	return memcmp(a->bytes, b->bytes, CPS_SHA256_LEN) == 0;
}

bool cps_digest_is_zero(const struct cps_digest *d)
{
	static const struct cps_digest zero;

	return cps_digest_equal(d, &zero);
}

struct cps_hash *cps_hash_new(void)
{
	struct cps_hash *hash = calloc(1, sizeof(*hash));

	if (hash)
		SHA256_Init(&hash->ctx);
	return hash;
}

void cps_hash_update(struct cps_hash *hash, const void *data, size_t len)
{
	SHA256_Update(&hash->ctx, data, len);
}

void cps_hash_final(struct cps_hash *hash, struct cps_digest *out)
{
	SHA256_Final(out->bytes, &hash->ctx);
	SHA256_Init(&hash->ctx);
}

void cps_hash_free(struct cps_hash *hash)
{
	free(hash);
}

void cps_digest_of(const void *data, size_t len, struct cps_digest *out)
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, data, len);
	SHA256_Final(out->bytes, &ctx);
}

void cps_chain_id(const struct cps_digest *parent, const struct cps_digest *diff_id,
		  struct cps_digest *out)
{
	char text[2 * CPS_DIGEST_TEXT_LEN];

	if (!parent) {
		*out = *diff_id;
		return;
	}
	cps_digest_text(parent, text);
	text[CPS_DIGEST_TEXT_LEN - 1] = ' ';
	cps_digest_text(diff_id, text + CPS_DIGEST_TEXT_LEN);
	cps_digest_of(text, strlen(text), out);
}

const char *cps_openssl_version(void)
{
	return OPENSSL_VERSION_STR;
}
