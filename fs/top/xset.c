#include "fs/top/xset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/le.h"

#define HEAD CPS_XSET_HEAD

void cps_xset_release(struct cps_xset *set)
{
	free(set->data);
	*set = (struct cps_xset){0};
}

bool cps_xset_next(const struct cps_xset *set, uint32_t *pos, struct cps_bytes *name,
		   struct cps_bytes *value)
{
	const uint8_t *p = set->data + *pos;
	uint32_t left = set->len - *pos;

	if (left < HEAD)
		return false;
	*name = (struct cps_bytes){p + HEAD, cps_le16(p)};
	*value = (struct cps_bytes){p + HEAD + name->len, cps_le32(p + 2)};
	if (name->len > left - HEAD || value->len > left - HEAD - name->len)
		return false;
	*pos += HEAD + (uint32_t)name->len + (uint32_t)value->len;
	return true;
}

bool cps_xset_valid(const void *data, size_t len)
{
	const struct cps_xset set = {(uint8_t *)data, (uint32_t)len};
	struct cps_bytes name, value;
	uint32_t pos = 0;

	if (len > CPS_XSET_MAX)
		return false;
	while (cps_xset_next(&set, &pos, &name, &value))
		if (name.len == 0 || memchr(name.data, 0, name.len))
			return false;
	return pos == len;
}

int cps_xset_copy(struct cps_xset *set, const void *data, size_t len)
{
	uint8_t *copy = len ? malloc(len) : NULL;

	if (len && !copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	free(set->data);
	*set = (struct cps_xset){copy, (uint32_t)len};
	return 0;
}

/* Where the attribute starts; *end where it ends. False: it is not there. */
static bool locate(const struct cps_xset *set, const struct cps_bytes *name,
		   uint32_t *start, uint32_t *end, struct cps_bytes *value)
{
	struct cps_bytes found;

	for (*start = *end = 0; cps_xset_next(set, end, &found, value); *start = *end)
		if (found.len == name->len &&
		    memcmp(found.data, name->data, name->len) == 0)
			return true;
	return false;
}

bool cps_xset_find(const struct cps_xset *set, const struct cps_bytes *name,
		   struct cps_bytes *value)
{
	uint32_t start, end;

	return locate(set, name, &start, &end, value);
}

static void put_at(uint8_t *p, const struct cps_bytes *name,
		   const struct cps_bytes *value)
{
	cps_put_le16(p, (uint16_t)name->len);
	cps_put_le32(p + 2, (uint32_t)value->len);
	memcpy(p + HEAD, name->data, name->len);
	if (value->len)
		memcpy(p + HEAD + name->len, value->data, value->len);
}

int cps_xset_put(struct cps_xset *set, const struct cps_bytes *name,
		 const struct cps_bytes *value)
{
	size_t added = value ? HEAD + name->len + value->len : 0;
	uint32_t start, end, kept;
	struct cps_bytes old;
	uint8_t *data;

	if (!locate(set, name, &start, &end, &old))
		start = end = set->len;
	kept = set->len - (end - start);
	if (kept + added > CPS_XSET_MAX)
		return -ENOSPC;
	data = malloc(kept + added + 1);
	if (!data)
		return -ENOMEM;
	if (set->len) {
		memcpy(data, set->data, start);
		memcpy(data + start, set->data + end, set->len - end);
	}
	if (value)
		put_at(data + kept, name, value);
	free(set->data);
	*set = (struct cps_xset){data, kept + (uint32_t)added};
	return 0;
}
