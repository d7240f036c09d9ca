#include "fs/top/change.h"

#include <errno.h>
#include <stddef.h>

#include "store/base/le.h"

enum kind { U32, U64, TIME, BYTES };

/* Position in this table is the field's bit in a record: only ever append. */
static const struct {
	enum kind kind;
	size_t at;
} fields[] = {
	{U64, offsetof(struct cps_change, ino)},
	{U64, offsetof(struct cps_change, dir)},
	{U64, offsetof(struct cps_change, dir2)},
	{U32, offsetof(struct cps_change, mask)},
	{U32, offsetof(struct cps_change, mode)},
	{U32, offsetof(struct cps_change, uid)},
	{U32, offsetof(struct cps_change, gid)},
	{U32, offsetof(struct cps_change, nlink)},
	{U32, offsetof(struct cps_change, flags)},
	{U64, offsetof(struct cps_change, rdev)},
	{U64, offsetof(struct cps_change, size)},
	{U64, offsetof(struct cps_change, off)},
	{U64, offsetof(struct cps_change, len)},
	{U64, offsetof(struct cps_change, base_len)},
	{U32, offsetof(struct cps_change, gen)},
	{TIME, offsetof(struct cps_change, atime)},
	{TIME, offsetof(struct cps_change, mtime)},
	{TIME, offsetof(struct cps_change, ctime)},
	{BYTES, offsetof(struct cps_change, name)},
	{BYTES, offsetof(struct cps_change, name2)},
	{BYTES, offsetof(struct cps_change, value)},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static int put_field(struct cps_buf *out, enum kind kind, const void *field, bool *put)
{
	const struct timespec *t = field;
	const struct cps_bytes *b = field;
	uint8_t raw[12];
	uint32_t v32;
	uint64_t v64;
	int rc;

	*put = true;
	switch (kind) {
	case U32:
		memcpy(&v32, field, sizeof(v32));
		cps_put_le32(raw, v32);
		return (*put = v32 != 0) ? cps_buf_append(out, raw, 4) : 0;
	case U64:
		memcpy(&v64, field, sizeof(v64));
		cps_put_le64(raw, v64);
		return (*put = v64 != 0) ? cps_buf_append(out, raw, 8) : 0;
	case TIME:
		/* Decoding refuses it, and with it all that comes after. */
		if (t->tv_nsec < 0 || t->tv_nsec >= 1000000000)
			return -EINVAL;
		cps_put_le64(raw, (uint64_t)t->tv_sec);
		cps_put_le32(raw + 8, (uint32_t)t->tv_nsec);
		*put = t->tv_sec || t->tv_nsec;
		return *put ? cps_buf_append(out, raw, 12) : 0;
	case BYTES:
		*put = b->len != 0;
		if (!*put)
			return 0;
		if (b->len > CPS_CHANGE_BYTES_MAX)
			return -EFBIG;
		cps_put_le32(raw, (uint32_t)b->len);
		rc = cps_buf_append(out, raw, 4);
		return rc < 0 ? rc : cps_buf_append(out, b->data, b->len);
	}
	return -EINVAL;
}

int cps_change_encode(const struct cps_change *change, struct cps_buf *out)
{
	size_t start = out->len;
	uint32_t has = 0;
	uint8_t bits[4] = {0};
	int rc = cps_buf_append(out, bits, sizeof(bits));

	for (size_t i = 0; i < FIELDS && rc == 0; i++) {
		bool put;

		rc = put_field(out, fields[i].kind,
			       (const uint8_t *)change + fields[i].at, &put);
		if (put)
			has |= 1u << i;
	}
	if (rc == 0)
		cps_put_le32(out->data + start, has);
	else
		out->len = start;
	return rc;
}

/** What is left of a record. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (len > c->left)
		return NULL;
	c->at += len;
	c->left -= len;
	return at;
}

static int get_bytes(struct cursor *c, struct cps_bytes *out)
{
	const uint8_t *p = take(c, 4);

	if (!p)
		return -EBADMSG;
	out->len = cps_le32(p);
	out->data = out->len <= CPS_CHANGE_BYTES_MAX ? take(c, out->len) : NULL;
	return out->data ? 0 : -EBADMSG;
}

static int get_field(struct cursor *c, enum kind kind, void *field)
{
	static const size_t sizes[] = {[U32] = 4, [U64] = 8, [TIME] = 12};
	struct timespec *t = field;
	const uint8_t *p;
	uint32_t v32;
	uint64_t v64;

	if (kind == BYTES)
		return get_bytes(c, field);
	p = take(c, sizes[kind]);
	if (!p)
		return -EBADMSG;
	if (kind == U32) {
		v32 = cps_le32(p);
		memcpy(field, &v32, sizeof(v32));
		return 0;
	}
	v64 = cps_le64(p);
	if (kind == U64) {
		memcpy(field, &v64, sizeof(v64));
		return 0;
	}
	t->tv_sec = (time_t)v64;
	t->tv_nsec = cps_le32(p + 8);
	return t->tv_nsec < 1000000000 ? 0 : -EBADMSG;
}

int cps_change_decode(const void *data, size_t len, struct cps_change *out)
{
	struct cursor c = {data, len};
	const uint8_t *bits = take(&c, 4);
	uint32_t has = bits ? cps_le32(bits) : 0;

	if (!bits || has >> FIELDS)
		return -EBADMSG;
	for (size_t i = 0; i < FIELDS; i++)
		if ((has & 1u << i) &&
		    get_field(&c, fields[i].kind, (uint8_t *)out + fields[i].at) < 0)
			return -EBADMSG;
	return 0;
}
