#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/log.h"
#include "store/base/path.h"
#include "store/tar/internal.h"

#define SUBJECT_MAX 1024 /* bytes of an escaped name in a message */

static int fail_va(struct cps_tar *tar, int rc, struct cps_err *err, const char *fmt,
		   va_list ap)
{
	cps_auto(cps_buf) struct cps_buf name = CPS_BUF_INIT(0);
	char why[256];

	vsnprintf(why, sizeof(why), fmt, ap);
	if (tar->subject)
		cps_escape(&name, tar->subject, strnlen(tar->subject, SUBJECT_MAX));
	if (name.len > 0)
		return cps_err_set(err, rc, "tar entry '%.*s' at offset %llu: %s",
				   SUBJECT_MAX, cps_buf_cstr(&name),
				   (unsigned long long)tar->member_off, why);
	return cps_err_set(err, rc, "tar header at offset %llu: %s",
			   (unsigned long long)tar->member_off, why);
}

int cps_tar_fail(struct cps_tar *tar, int rc, struct cps_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_va(tar, rc, err, fmt, ap);
	va_end(ap);
	return rc;
}

int cps_tar_bad(struct cps_tar *tar, struct cps_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_va(tar, -EBADMSG, err, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

/* Bytes, fewer than `len` only at the end of the stream. */
static ssize_t read_some(struct cps_tar *tar, void *buf, size_t len,
			 struct cps_err *err)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = tar->read(tar->ctx, (uint8_t *)buf + got, len - got, err);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
		tar->off += (uint64_t)n;
	}
	return (ssize_t)got;
}

int cps_tar_read_exact(struct cps_tar *tar, void *buf, size_t len, struct cps_err *err)
{
	ssize_t n = read_some(tar, buf, len, err);

	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return cps_tar_bad(tar, err, "the archive ends inside");
	return 0;
}

static int skip_data(struct cps_tar *tar, struct cps_err *err)
{
	if (tar->skip && tar->left > 0) {
		int rc = tar->skip(tar->ctx, tar->left, err);

		if (rc == -ENODATA)
			return cps_tar_bad(tar, err, "the archive ends inside");
		if (rc < 0)
			return rc;
		tar->off += tar->left;
		tar->left = 0;
	}
	while (tar->left > 0) {
		size_t len = sizeof(tar->drop);
		int rc;

		if (len > tar->left)
			len = (size_t)tar->left;
		rc = cps_tar_read_exact(tar, tar->drop, len, err);
		if (rc < 0)
			return rc;
		tar->left -= len;
	}
	return 0;
}

/* 1, or 0 when the archive ends. Some writers leave out the padding of the last
 * member; no byte of it is missed, and Go does not mind. */
static int finish_member(struct cps_tar *tar, struct cps_err *err)
{
	uint32_t pad = tar->pad;
	int rc = skip_data(tar, err);
	ssize_t n;

	if (rc < 0)
		return rc;
	tar->pad = 0;
	n = read_some(tar, tar->drop, pad, err);
	if (n < 0)
		return (int)n;
	return (size_t)n == pad;
}

/* 1 with a block that is not zero; 0 at the end: no bytes, or zeros. */
static int read_block(struct cps_tar *tar, struct cps_err *err)
{
	static const uint8_t zeros[TAR_BLOCK];

	for (int zero_blocks = 0; zero_blocks < 2; zero_blocks++) {
		ssize_t n = read_some(tar, tar->block, TAR_BLOCK, err);

		if (n <= 0)
			return (int)n;
		if (n < TAR_BLOCK)
			return cps_tar_bad(tar, err, "the archive ends inside");
		if (memcmp(tar->block, zeros, TAR_BLOCK) == 0)
			continue;
		if (zero_blocks > 0)
			return cps_tar_bad(tar, err, "header after one zero block");
		return 1;
	}
	return 0;
}

/* 1, 0 at the end, < 0. */
static int read_header(struct cps_tar *tar, struct cps_err *err)
{
	const char *why;
	int rc = read_block(tar, err);

	if (rc <= 0)
		return rc;
	rc = cps_tar_header_parse(tar->block, &tar->head, &why);
	/* The name in a block with a wrong sum says nothing. */
	if (rc < 0)
		return cps_tar_bad(tar, err, "%s", why);
	tar->subject = tar->head.name;
	if (tar->head.size < 0)
		return cps_tar_bad(tar, err, "negative size");
	return 1;
}

/* The data of a member that describes the next one. */
static int read_meta(struct cps_tar *tar, struct cps_buf *out, struct cps_err *err)
{
	uint64_t size = (uint64_t)tar->head.size;
	uint8_t *at;
	int rc;

	if (size > CPS_TAR_META_MAX)
		return cps_tar_bad(tar, err, "%llu bytes of metadata, %u are allowed",
				   (unsigned long long)size, CPS_TAR_META_MAX);
	out->len = 0;
	if (cps_buf_zeros(out, (size_t)size, &at) < 0)
		return cps_err_nomem(err);
	rc = cps_tar_read_exact(tar, at, (size_t)size, err);
	if (rc < 0)
		return rc;
	return cps_tar_read_exact(tar, tar->drop, -size & (TAR_BLOCK - 1), err);
}

/* Records for all that follows. Docker, containerd and podman pass over them, so a
 * layer means what it means there. */
static int read_global(struct cps_tar *tar, struct cps_err *err)
{
	int rc = read_meta(tar, &tar->pax.raw, err);

	if (rc == 0)
		rc = cps_tar_pax_parse(tar, &tar->pax, err);
	cps_tar_pax_reset(&tar->pax);
	if (rc == 0)
		cps_debug("tar: global pax header at offset %llu is ignored",
			  (unsigned long long)tar->member_off);
	return rc;
}

static int read_once(struct cps_tar *tar, bool *seen, struct cps_buf *out,
		     struct cps_err *err)
{
	if (*seen)
		return cps_tar_bad(tar, err, "two headers of type '%c' for one member",
				   tar->head.type);
	*seen = true;
	return read_meta(tar, out, err);
}

/* 1 if the header was for the next member, 0 if it is a member, < 0. */
static int take_prefix(struct cps_tar *tar, bool first, struct cps_err *err)
{
	int rc;

	switch (tar->head.type) {
	case 'x':
		rc = read_once(tar, &tar->has_pax, &tar->pax.raw, err);
		if (rc == 0)
			rc = cps_tar_pax_parse(tar, &tar->pax, err);
		break;
	case 'L':
		rc = read_once(tar, &tar->has_name, &tar->long_name, err);
		break;
	case 'K':
		rc = read_once(tar, &tar->has_link, &tar->long_link, err);
		break;
	case 'g':
		if (!first)
			return cps_tar_bad(tar, err,
					   "global pax header inside a member");
		rc = read_global(tar, err);
		break;
	default:
		return 0;
	}
	return rc < 0 ? rc : 1;
}

static void begin_member(struct cps_tar *tar)
{
	tar->subject = NULL;
	tar->member_off = tar->off;
	tar->has_pax = tar->has_name = tar->has_link = false;
	cps_tar_pax_reset(&tar->pax);
}

static int next_member(struct cps_tar *tar, struct cps_err *err)
{
	bool first = true;
	int rc = finish_member(tar, err);

	if (rc <= 0)
		return rc;
	begin_member(tar);
	for (;;) {
		rc = read_header(tar, err);
		if (rc == 0 && !first)
			return cps_tar_bad(tar, err, "the archive ends inside");
		if (rc <= 0)
			return rc;
		rc = take_prefix(tar, first, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		first = tar->head.type == 'g';
		if (first)
			begin_member(tar);
	}
	rc = cps_tar_entry_build(tar, err);
	return rc < 0 ? rc : 1;
}

struct cps_tar *cps_tar_open(cps_read_fn read, cps_skip_fn skip, void *ctx)
{
	struct cps_tar *tar = calloc(1, sizeof(*tar));

	if (!tar)
		return NULL;
	tar->read = read;
	tar->skip = skip;
	tar->ctx = ctx;
	tar->pax.raw.max = CPS_TAR_META_MAX;
	tar->long_name.max = CPS_TAR_META_MAX;
	tar->long_link.max = CPS_TAR_META_MAX;
	return tar;
}

int cps_tar_next(struct cps_tar *tar, struct cps_tar_entry *out, struct cps_err *err)
{
	int rc;

	if (tar->state > 0)
		return 0;
	if (tar->state < 0)
		return cps_err_set(err, tar->state, "the tar stream failed before");
	rc = next_member(tar, err);
	if (rc == 1)
		*out = tar->entry;
	else
		tar->state = rc < 0 ? rc : 1;
	return rc;
}

ssize_t cps_tar_read(struct cps_tar *tar, void *buf, size_t len, struct cps_err *err)
{
	ssize_t n;

	if (tar->state < 0)
		return cps_err_set(err, tar->state, "the tar stream failed before");
	if (tar->left == 0 || len == 0)
		return 0;
	if (len > tar->left)
		len = (size_t)tar->left;
	n = tar->read(tar->ctx, buf, len, err);
	if (n == 0)
		n = cps_tar_bad(tar, err, "the archive ends inside");
	if (n < 0) {
		tar->state = (int)n;
		return n;
	}
	tar->off += (uint64_t)n;
	tar->left -= (uint64_t)n;
	return n;
}

void cps_tar_close(struct cps_tar *tar)
{
	if (!tar)
		return;
	cps_tar_pax_release(&tar->pax);
	cps_buf_release(&tar->long_name);
	cps_buf_release(&tar->long_link);
	free(tar->extents.items);
	free(tar);
}
