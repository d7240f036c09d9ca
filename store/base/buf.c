#include "store/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

int cps_buf_reserve(struct cps_buf *buf, size_t len)
{
	size_t need;

	if (__builtin_add_overflow(buf->len, len, &need) ||
	    __builtin_add_overflow(need, 1, &need))
		return -ENOMEM;
	if (buf->max && need - 1 > buf->max)
		return -EFBIG;
	return cps_grow(&buf->data, &buf->cap, need, 1);
}

int cps_buf_append(struct cps_buf *buf, const void *data, size_t len)
{
	int rc = cps_buf_reserve(buf, len);

	if (rc < 0)
		return rc;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = 0;
	return 0;
}

int cps_buf_str(struct cps_buf *buf, const char *text)
{
	return cps_buf_append(buf, text, strlen(text));
}

int cps_buf_printf(struct cps_buf *buf, const char *fmt, ...)
{
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	rc = cps_buf_reserve(buf, (size_t)n);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
	return 0;
}

int cps_buf_zeros(struct cps_buf *buf, size_t len, uint8_t **at)
{
	int rc = cps_buf_reserve(buf, len);

	if (rc < 0)
		return rc;
	memset(buf->data + buf->len, 0, len + 1);
	if (at)
		*at = buf->data + buf->len;
	buf->len += len;
	return 0;
}

int cps_buf_align(struct cps_buf *buf, size_t align)
{
	return cps_buf_zeros(buf, -buf->len & (align - 1), NULL);
}

const char *cps_buf_cstr(const struct cps_buf *buf)
{
	return buf->data ? (const char *)buf->data : "";
}

uint8_t *cps_buf_steal(struct cps_buf *buf, size_t *len)
{
	uint8_t *data = buf->data;

	if (len)
		*len = buf->len;
	buf->data = NULL;
	buf->len = buf->cap = 0;
	return data;
}

void cps_buf_release(struct cps_buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->len = buf->cap = 0;
}
