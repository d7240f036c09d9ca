#ifndef TEST_TAR_SAMPLE_H
#define TEST_TAR_SAMPLE_H

/* An archive made by hand, block for block, and its reader. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/tar.h"

#define BLOCK 512

/* An archive made by hand, and where its reader is. */
struct sample {
	struct cps_buf bytes;
	size_t pos;
	size_t chunk; /* most bytes one read gives; 0: all */
	struct cps_tar *tar;
	struct cps_tar_entry entry;
	struct cps_err err;
};

static inline ssize_t sample_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct sample *s = ctx;

	(void)err;
	if (len > s->bytes.len - s->pos)
		len = s->bytes.len - s->pos;
	if (s->chunk && len > s->chunk)
		len = s->chunk;
	if (len)
		memcpy(buf, s->bytes.data + s->pos, len);
	s->pos += len;
	return (ssize_t)len;
}

static inline int sample_setup(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));

	*state = s;
	return s ? 0 : -1;
}

static inline int sample_teardown(void **state)
{
	struct sample *s = *state;

	cps_tar_close(s->tar);
	cps_buf_release(&s->bytes);
	free(s);
	return 0;
}

static inline void seal(uint8_t *block)
{
	char text[8];
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + 148, text, 7);
}

/* A header; the block stays valid until the next one is added. */
static inline uint8_t *add_header(struct sample *s, const char *name, char type,
				  unsigned long long size)
{
	char text[24];
	uint8_t *block;

	assert_int_equal(cps_buf_zeros(&s->bytes, BLOCK, &block), 0);
	memcpy(block, name, strnlen(name, 100));
	memcpy(block + 100, "0000644", 8);
	memcpy(block + 108, "0000000", 8);
	memcpy(block + 116, "0000000", 8);
	snprintf(text, sizeof(text), "%011llo", size);
	memcpy(block + 124, text, 12);
	memcpy(block + 136, "00000000000", 12);
	block[156] = (uint8_t)type;
	memcpy(block + 257, "ustar\00000", 8);
	seal(block);
	return block;
}

static inline void add_data(struct sample *s, const void *data, size_t len)
{
	assert_int_equal(cps_buf_append(&s->bytes, data, len), 0);
	assert_int_equal(cps_buf_align(&s->bytes, BLOCK), 0);
}

static inline void add_pax(struct sample *s, const char *records, size_t len)
{
	add_header(s, "pax", 'x', len);
	add_data(s, records, len);
}

static inline void add_record(struct cps_buf *out, const char *key, const void *value,
			      size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest;

	for (int i = 0; i < 3; i++)
		total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	assert_int_equal(cps_buf_printf(out, "%zu %s=", total, key), 0);
	assert_int_equal(cps_buf_append(out, value, len), 0);
	assert_int_equal(cps_buf_str(out, "\n"), 0);
}

/* A pax header with one record. */
static inline void add_pax_text(struct sample *s, const char *key, const char *value)
{
	cps_auto(cps_buf) struct cps_buf rec = CPS_BUF_INIT(0);

	add_record(&rec, key, value, strlen(value));
	add_pax(s, cps_buf_cstr(&rec), rec.len);
}

static inline int next(struct sample *s)
{
	if (!s->tar)
		s->tar = cps_tar_open(sample_read, NULL, s);
	assert_non_null(s->tar);
	return cps_tar_next(s->tar, &s->entry, &s->err);
}

static inline void expect_bad(struct sample *s, const char *words)
{
	assert_int_equal(next(s), -EBADMSG);
	if (!strstr(s->err.msg, words))
		fail_msg("'%s' lacks '%s'", s->err.msg, words);
}

static inline void restart(struct sample *s)
{
	cps_tar_close(s->tar);
	s->tar = NULL;
	s->pos = 0;
	s->bytes.len = 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, sample_setup, sample_teardown)

#endif
