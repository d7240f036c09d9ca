#include <errno.h>
#include <string.h>

#include "store/base/path.h"
#include "store/tar/internal.h"

#define SCHILY     "SCHILY.xattr."
#define LIBARCHIVE "LIBARCHIVE.xattr."

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX in place; false for a broken escape or a NUL. */
static bool url_decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%') {
			int high = hex_digit(text[1]);
			int low = high < 0 ? -1 : hex_digit(text[2]);

			if (low < 0 || high * 16 + low == 0)
				return false;
			*to++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
	return true;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place; padding may be missing, as libarchive leaves it out. */
static bool base64_decode(char *text, size_t *len)
{
	size_t in = *len, out = 0;
	uint32_t bits = 0;
	int held = 0;

	for (int i = 0; i < 2 && in > 0 && text[in - 1] == '='; i++)
		in--;
	for (size_t i = 0; i < in; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			text[out++] = (char)(bits >> held);
		}
	}
	*len = out;
	return in % 4 != 1;
}

static int note(struct cps_tar *tar, struct tar_pax *pax, const char *name,
		const char *value, size_t value_len, uint32_t rank, struct cps_err *err)
{
	struct tar_xattr *slot;

	if (*name == '\0' || strlen(name) > CPS_NAME_MAX)
		return cps_tar_bad(tar, err, "xattr with an empty or over-long name");
	if (value_len > CPS_TAR_XATTR_MAX)
		return cps_tar_bad(tar, err, "xattr of %zu bytes, %u are allowed",
				   value_len, CPS_TAR_XATTR_MAX);
	if (cps_grow(&pax->found, &pax->found_cap, pax->found_count + 1,
		     sizeof(*slot)) < 0)
		return cps_err_nomem(err);
	slot = &pax->found[pax->found_count++];
	slot->attr.name = name;
	slot->attr.value = (const uint8_t *)value;
	slot->attr.value_len = (uint32_t)value_len;
	slot->rank = rank;
	return 1;
}

/* Go drops a SCHILY record with an empty value; a file can have an empty xattr and
 * GNU tar and libarchive give it back, so it is kept here. */
int cps_tar_xattr_add(struct cps_tar *tar, struct tar_pax *pax, char *key, char *value,
		      size_t value_len, struct cps_err *err)
{
	uint32_t order = (uint32_t)pax->found_count;

	if (strncmp(key, SCHILY, strlen(SCHILY)) == 0)
		return note(tar, pax, key + strlen(SCHILY), value, value_len,
			    order | UINT32_C(1) << 31, err);
	if (strncmp(key, LIBARCHIVE, strlen(LIBARCHIVE)) != 0)
		return 0;
	key += strlen(LIBARCHIVE);
	if (!url_decode(key))
		return cps_tar_bad(tar, err, "malformed xattr name");
	if (!base64_decode(value, &value_len))
		return cps_tar_bad(tar, err, "xattr value is not base64");
	return note(tar, pax, key, value, value_len, order, err);
}

/* By name; what counts comes first. */
static int compare(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;
	int order = strcmp(x->attr.name, y->attr.name);

	if (order != 0)
		return order;
	return x->rank > y->rank ? -1 : 1;
}

int cps_tar_xattr_finish(struct cps_tar *tar, struct tar_pax *pax, struct cps_err *err)
{
	if (pax->found_count == 0)
		return 0;
	if (cps_grow(&pax->xattrs, &pax->xattr_cap, pax->found_count,
		     sizeof(*pax->xattrs)) < 0)
		return cps_err_nomem(err);
	qsort(pax->found, pax->found_count, sizeof(*pax->found), compare);
	for (size_t i = 0; i < pax->found_count; i++) {
		const struct cps_tar_xattr *attr = &pax->found[i].attr;

		if (i > 0 && strcmp(attr->name, pax->found[i - 1].attr.name) == 0)
			continue;
		if (pax->xattr_count == CPS_TAR_XATTRS_MAX)
			return cps_tar_bad(tar, err, "over %u xattrs",
					   CPS_TAR_XATTRS_MAX);
		pax->xattrs[pax->xattr_count++] = *attr;
	}
	return 0;
}

/* ---- writing ---- */

/* What libarchive leaves as it is. */
static bool is_plain(char c)
{
	return c > ' ' && c <= '~' && c != '%' && c != '=';
}

static int url_encode(struct cps_buf *out, const char *text)
{
	int rc = 0;

	for (; rc == 0 && *text; text++)
		rc = is_plain(*text)
			     ? cps_buf_append(out, text, 1)
			     : cps_buf_printf(out, "%%%02X", (unsigned char)*text);
	return rc;
}

int cps_tar_xattr_key(struct cps_buf *out, const char *name, bool *base64)
{
	*base64 = strchr(name, '=') != NULL;
	if (!*base64)
		return cps_buf_printf(out, SCHILY "%s", name);
	return cps_buf_str(out, LIBARCHIVE) < 0 ? -ENOMEM : url_encode(out, name);
}

int cps_tar_base64(struct cps_buf *out, const uint8_t *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	int held = 0, rc = 0;

	for (size_t i = 0; rc == 0 && i < len; i++) {
		bits = bits << 8 | data[i];
		for (held += 8; rc == 0 && held >= 6; held -= 6)
			rc = cps_buf_append(out, &digits[bits >> (held - 6) & 63], 1);
	}
	if (rc == 0 && held)
		rc = cps_buf_append(out, &digits[bits << (6 - held) & 63], 1);
	return rc;
}
