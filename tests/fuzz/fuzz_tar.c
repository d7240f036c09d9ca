/* Walks every member of an archive and reads its data, with and without skipping. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/tar.h"

struct stream {
	const uint8_t *data;
	size_t len, pos;
};

static ssize_t stream_read(void *ctx, void *buf, size_t len, struct cps_err *err)
{
	struct stream *s = ctx;

	(void)err;
	if (len > s->len - s->pos)
		len = s->len - s->pos;
	if (len)
		memcpy(buf, s->data + s->pos, len);
	s->pos += len;
	return (ssize_t)len;
}

static int stream_skip(void *ctx, uint64_t len, struct cps_err *err)
{
	struct stream *s = ctx;

	(void)err;
	if (len > s->len - s->pos)
		return -ENODATA;
	s->pos += len;
	return 0;
}

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_entry(const struct cps_tar_entry *e, const struct stream *s)
{
	uint64_t end = 0, stored = 0;

	require(*e->path && strlen(e->path) <= 4095);
	require(e->data_off == s->pos && e->header_off + 512 <= e->data_off);
	require(e->sparse || e->size == e->stored_size);
	require(e->type == CPS_TAR_REG || e->size == 0);
	require(e->mtime_ns < 1000000000);
	for (size_t i = 0; i < e->extent_count; i++) {
		require(e->extents[i].len > 0 && e->extents[i].logical >= end);
		require(e->extents[i].stored == e->data_off + stored);
		end = e->extents[i].logical + e->extents[i].len;
		stored += e->extents[i].len;
	}
	require(end <= e->size);
	require(!e->sparse || stored == e->stored_size);
	for (size_t i = 1; i < e->xattr_count; i++)
		require(strcmp(e->xattrs[i - 1].name, e->xattrs[i].name) < 0);
}

/* What was read can be written; and read again it is the same. */
static void check_round_trip(const struct cps_tar_entry *e)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);
	struct cps_tar_entry again;
	struct cps_tar *tar;
	struct stream s;

	if (cps_tar_format_header(e, &out, NULL) < 0)
		return;
	s = (struct stream){.data = out.data, .len = out.len};
	tar = cps_tar_open(stream_read, NULL, &s);
	require(tar && cps_tar_next(tar, &again, NULL) == 1);
	require(again.mtime_s == e->mtime_s && again.mtime_ns == e->mtime_ns);
	require(again.type == e->type && strcmp(again.link, e->link) == 0);
	require(strncmp(again.path, e->path, strlen(e->path)) == 0);
	require(again.xattr_count == e->xattr_count && again.uid == e->uid);
	cps_tar_close(tar);
}

static int walk(struct stream *s, bool read_data, cps_skip_fn skip)
{
	struct cps_tar *tar = cps_tar_open(stream_read, skip, s);
	struct cps_tar_entry entry;
	struct cps_err err = CPS_ERR_INIT;
	uint8_t buf[1000];
	int count = 0;

	require(tar != NULL);
	while (cps_tar_next(tar, &entry, &err) == 1) {
		check_entry(&entry, s);
		check_round_trip(&entry);
		while (read_data && cps_tar_read(tar, buf, sizeof(buf), &err) > 0)
			;
		count++;
	}
	cps_tar_close(tar);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream first = {.data = data, .len = size};
	struct stream second = first, third = first;
	int count = walk(&first, true, NULL);

	/* A member whose data is cut off is still seen, whichever way it is passed. */
	require(walk(&second, false, NULL) == count);
	require(walk(&third, false, stream_skip) == count);
	return 0;
}
