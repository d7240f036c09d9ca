#ifndef CPS_BASE_BUF_H
#define CPS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

/** A growing run of bytes with a limit. The byte after the end is always NUL once
 *  something was appended, so text may be used as a C string. */
struct cps_buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;    /* bytes */
	size_t cap;    /* bytes */
	size_t max;    /* bytes; append fails with -EFBIG beyond; 0 = no limit */
};

#define CPS_BUF_INIT(limit_bytes)                                                      \
	{                                                                              \
		.max = (limit_bytes)                                                   \
	}

/** Make room for `len` more bytes, so that appending them piece by piece does not copy
 *  what is there over and over. 0, -EFBIG, -ENOMEM. */
int cps_buf_reserve(struct cps_buf *buf, size_t len);
/** 0, -EFBIG over the limit, -ENOMEM; on failure nothing is appended. */
int cps_buf_append(struct cps_buf *buf, const void *data, size_t len);
int cps_buf_str(struct cps_buf *buf, const char *text);
int cps_buf_printf(struct cps_buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** Append `len` zero bytes; `*at` (may be NULL) gets their start, valid until the next
 *  append. */
int cps_buf_zeros(struct cps_buf *buf, size_t len, uint8_t **at);
/** Append zeros until the length is a multiple of `align` (a power of two). */
int cps_buf_align(struct cps_buf *buf, size_t align);
/** The content as a C string, "" when empty; valid until the next append. */
const char *cps_buf_cstr(const struct cps_buf *buf);
/** Give the bytes away (caller frees); the buffer is empty afterwards. */
uint8_t *cps_buf_steal(struct cps_buf *buf, size_t *len);
void cps_buf_release(struct cps_buf *buf);

/* cps_auto(cps_buf) struct cps_buf b = CPS_BUF_INIT(max); */
static inline void cps_buf_auto(struct cps_buf *buf)
{
	cps_buf_release(buf);
}

#endif
