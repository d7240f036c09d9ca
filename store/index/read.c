/* Reading index and tree files. Every offset in them is somebody else's word. */
#include "store/index/read.h"

#include <errno.h>
#include <string.h>

#include "store/base/le.h"
#include "store/base/path.h"
#include "store/index/format.h"

static int section(const struct cps_sections *s, uint32_t type, uint32_t entsize,
		   const uint8_t **data, uint64_t *count)
{
	const void *p = NULL;
	int rc = cps_section_get(s, type, entsize, &p, count);

	*data = p;
	return rc;
}

int cps_table_open(const void *data, size_t len, uint32_t kind,
		   const struct cps_digest *key, struct cps_table *out,
		   struct cps_err *err)
{
	struct cps_table t = {0};
	int rc = cps_sections_open(data, len, kind, key, &t.file, err);

	if (rc < 0)
		return rc;
	if (section(&t.file, CPS_SEC_INODES, CPS_INODE_BYTES, &t.inodes,
		    &t.inode_count) < 0 ||
	    section(&t.file, CPS_SEC_DIRENTS, CPS_DIRENT_BYTES, &t.dirents,
		    &t.dirent_count) < 0 ||
	    section(&t.file, CPS_SEC_STRINGS, 1, &t.strings, &t.string_bytes) < 0 ||
	    section(&t.file, CPS_SEC_XATTRS, 1, &t.xattrs, &t.xattr_bytes) < 0 ||
	    section(&t.file, CPS_SEC_EXTENTS, CPS_EXTENT_BYTES, &t.extents,
		    &t.extent_count) < 0 ||
	    section(&t.file, CPS_SEC_HIDDEN, CPS_HIDDEN_BYTES, &t.hidden,
		    &t.hidden_count) < 0 ||
	    t.inode_count == 0 || t.inode_count >= UINT32_MAX)
		return cps_err_set(err, -EBADMSG, "an index file lacks a section");
	*out = t;
	return 0;
}

const uint8_t *cps_table_inode(const struct cps_table *t, uint32_t ino)
{
	return ino < t->inode_count ? t->inodes + (uint64_t)ino * CPS_INODE_BYTES
				    : NULL;
}

const char *cps_table_string(const struct cps_table *t, uint64_t off, uint64_t len)
{
	if (off > t->string_bytes || len > t->string_bytes - off)
		return NULL;
	return (const char *)t->strings + off;
}

int cps_table_dirent(const struct cps_table *t, uint64_t at, struct cps_tdirent *out)
{
	const uint8_t *p;

	if (at >= t->dirent_count)
		return -EIO;
	p = t->dirents + at * CPS_DIRENT_BYTES;
	*out = (struct cps_tdirent){
		.ino = cps_le32(p + 4),
		.order = cps_le32(p + 8),
		.name_len = cps_le16(p + 12),
		.type = p[14],
	};
	out->name = cps_table_string(t, cps_le32(p), out->name_len);
	/* The kernel takes one bad name for the end of the folder. */
	if (!out->name || !cps_name_ok_n(out->name, out->name_len) ||
	    out->ino >= t->inode_count)
		return -EIO;
	return 0;
}

int cps_table_extent(const struct cps_table *t, uint64_t at, struct cps_extent *out)
{
	const uint8_t *p;

	if (at >= t->extent_count)
		return -EIO;
	p = t->extents + at * CPS_EXTENT_BYTES;
	*out = (struct cps_extent){cps_le64(p), cps_le64(p + 8), cps_le64(p + 16)};
	return out->logical > UINT64_MAX - out->len ||
			       out->stored > UINT64_MAX - out->len
		       ? -EIO
		       : 0;
}

int cps_table_xattr(const struct cps_table *t, uint32_t set, uint32_t pos,
		    struct cps_tar_xattr *out, size_t *name_len, size_t *set_len)
{
	uint64_t at = (uint64_t)set - 1, end = t->xattr_bytes;

	if (set == 0)
		return 0;
	if (at + 4 > end)
		return -EIO;
	if (pos >= cps_le32(t->xattrs + at))
		return 0;
	at += 4;
	for (uint32_t i = 0;; i++) {
		uint64_t klen, vlen;

		if (at + 8 > end)
			return -EIO;
		klen = cps_le32(t->xattrs + at);
		vlen = cps_le32(t->xattrs + at + 4);
		at += 8;
		if (klen + 1 + vlen > end - at || t->xattrs[at + klen] != 0)
			return -EIO;
		if (i < pos) {
			at += klen + 1 + vlen;
			continue;
		}
		out->name = (const char *)t->xattrs + at;
		out->value = t->xattrs + at + klen + 1;
		out->value_len = (uint32_t)vlen;
		*name_len = klen;
		if (set_len)
			*set_len = at + klen + 1 + vlen - ((uint64_t)set - 1);
		return 1;
	}
}

/* ---- the index as others see it ---- */

struct cps_index {
	struct cps_table table;
};

int cps_index_open(const void *data, size_t len, const struct cps_digest *diff_id,
		   struct cps_index **out, struct cps_err *err)
{
	cps_auto(cps_index_close) struct cps_index *index = calloc(1, sizeof(*index));
	int rc;

	if (!index)
		return cps_err_nomem(err);
	rc = cps_table_open(data, len, CPS_KIND_TOC, diff_id, &index->table, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(index);
	return 0;
}

int cps_index_verify(const struct cps_index *index, struct cps_err *err)
{
	return cps_sections_verify(&index->table.file, err);
}

uint32_t cps_index_entry_count(const struct cps_index *index)
{
	return (uint32_t)index->table.dirent_count;
}

void cps_index_close(struct cps_index *index)
{
	free(index);
}

const struct cps_table *cps_index_table(const struct cps_index *index)
{
	return &index->table;
}
