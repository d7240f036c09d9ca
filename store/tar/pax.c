#include <errno.h>
#include <string.h>

#include "store/tar/internal.h"

static const char *const key_names[TAR_PAX_KEYS] = {
	[TAR_PAX_PATH] = "path",
	[TAR_PAX_LINKPATH] = "linkpath",
	[TAR_PAX_SIZE] = "size",
	[TAR_PAX_UID] = "uid",
	[TAR_PAX_GID] = "gid",
	[TAR_PAX_MTIME] = "mtime",
	[TAR_PAX_SPARSE_MAJOR] = "GNU.sparse.major",
	[TAR_PAX_SPARSE_MINOR] = "GNU.sparse.minor",
	[TAR_PAX_SPARSE_NAME] = "GNU.sparse.name",
	[TAR_PAX_SPARSE_SIZE] = "GNU.sparse.size",
	[TAR_PAX_SPARSE_REALSIZE] = "GNU.sparse.realsize",
	[TAR_PAX_SPARSE_NUMBLOCKS] = "GNU.sparse.numblocks",
	[TAR_PAX_SPARSE_MAP] = "GNU.sparse.map",
};

/** One record, cut up in place: both texts end with NUL. */
struct record {
	char *key, *value;
	size_t key_len, value_len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool cps_tar_decimal(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	int64_t value = 0;

	if (negative)
		text++;
	if (*text == '\0')
		return false;
	for (; *text; text++) {
		int digit = *text - '0';

		if (!is_digit(*text) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return false;
	}
	/* Built up below zero, where there is room for one more. */
	if (!negative && value == INT64_MIN)
		return false;
	*out = negative ? value : -value;
	return true;
}

/* Nanoseconds of the digits after the point; `*rest`: more than zeros was cut off. */
static bool parse_fraction(const char *text, uint32_t *ns, bool *rest)
{
	uint32_t weight = 100000000;

	*ns = 0;
	*rest = false;
	for (; *text; text++) {
		if (!is_digit(*text))
			return false;
		*ns += (uint32_t)(*text - '0') * weight;
		*rest = *rest || (weight == 0 && *text != '0');
		weight /= 10;
	}
	return true;
}

bool cps_tar_time(const char *text, int64_t *sec, uint32_t *ns)
{
	const char *point = strchrnul(text, '.');
	size_t len = (size_t)(point - text);
	char whole[32];
	bool rest = false;

	if (len >= sizeof(whole))
		return false;
	memcpy(whole, text, len);
	whole[len] = '\0';
	*ns = 0;
	if (!cps_tar_decimal(whole, sec))
		return false;
	if (*point && !parse_fraction(point + 1, ns, &rest))
		return false;
	if (*text != '-' || (*ns == 0 && !rest))
		return true;
	if (*sec == INT64_MIN)
		return false;
	*sec -= 1;
	*ns = 1000000000 - *ns - (rest ? 1 : 0);
	return true;
}

/* "LENGTH KEY=VALUE\n", the length counting all of it. */
static const char *cut_record(char **pos, char *end, struct record *out)
{
	size_t room = (size_t)(end - *pos);
	char *space = memchr(*pos, ' ', room < 20 ? room : 20);
	int64_t len;
	char *equals;

	if (!space)
		return "pax record without a length";
	*space = '\0';
	if (!cps_tar_decimal(*pos, &len) || len < 5 || (uint64_t)len > room ||
	    len - 1 <= space + 1 - *pos)
		return "pax record with a wrong length";
	out->key = space + 1;
	*pos += len;
	if ((*pos)[-1] != '\n')
		return "pax record does not end with a newline";
	(*pos)[-1] = '\0';
	equals = memchr(out->key, '=', (size_t)(*pos - 1 - out->key));
	if (!equals || equals == out->key)
		return "pax record without a key";
	*equals = '\0';
	out->key_len = (size_t)(equals - out->key);
	out->value = equals + 1;
	out->value_len = (size_t)(*pos - 1 - out->value);
	return strlen(out->key) == out->key_len ? NULL : "NUL in a pax key";
}

/* Format 0.0 says a map as alternating records, the only ones that may repeat. */
static int add_map_record(struct cps_tar *tar, struct tar_pax *pax,
			  const struct record *rec, bool is_offset, struct cps_err *err)
{
	int64_t value;

	if (is_offset == pax->map_half)
		return cps_tar_bad(tar, err, "sparse map out of step");
	if (strlen(rec->value) != rec->value_len ||
	    !cps_tar_decimal(rec->value, &value))
		return cps_tar_bad(tar, err, "sparse map holds no number");
	pax->map_half = is_offset;
	if (is_offset)
		return cps_tar_extent_add(tar, &pax->map, value, 0, err);
	pax->map.items[pax->map.count - 1].len = (uint64_t)value;
	return 0;
}

static int take_record(struct cps_tar *tar, struct tar_pax *pax,
		       const struct record *rec, struct cps_err *err)
{
	if (strcmp(rec->key, "GNU.sparse.offset") == 0)
		return add_map_record(tar, pax, rec, true, err);
	if (strcmp(rec->key, "GNU.sparse.numbytes") == 0)
		return add_map_record(tar, pax, rec, false, err);
	for (size_t i = 0; i < TAR_PAX_KEYS; i++) {
		if (strcmp(rec->key, key_names[i]) != 0)
			continue;
		if (strlen(rec->value) != rec->value_len)
			return cps_tar_bad(tar, err, "NUL in pax %s", rec->key);
		/* An empty value takes back the record, as POSIX has it. */
		pax->value[i] = rec->value_len > 0 ? rec->value : NULL;
		return 0;
	}
	return cps_tar_xattr_add(tar, pax, rec->key, rec->value, rec->value_len, err);
}

int cps_tar_pax_parse(struct cps_tar *tar, struct tar_pax *pax, struct cps_err *err)
{
	char *pos = (char *)pax->raw.data;
	char *end = pos + pax->raw.len;
	struct record rec;

	while (pos < end) {
		const char *why = cut_record(&pos, end, &rec);
		int rc = why ? cps_tar_bad(tar, err, "%s", why)
			     : take_record(tar, pax, &rec, err);

		if (rc < 0)
			return rc;
	}
	if (pax->map_half)
		return cps_tar_bad(tar, err, "sparse map out of step");
	return cps_tar_xattr_finish(tar, pax, err);
}

void cps_tar_pax_reset(struct tar_pax *pax)
{
	pax->raw.len = 0;
	memset(pax->value, 0, sizeof(pax->value));
	pax->found_count = 0;
	pax->xattr_count = 0;
	pax->map.count = 0;
	pax->map_half = false;
}

void cps_tar_pax_release(struct tar_pax *pax)
{
	cps_buf_release(&pax->raw);
	free(pax->found);
	free(pax->xattrs);
	free(pax->map.items);
}
