/* What was found in a folder, as a tree file's records. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/mem.h"
#include "store/base/path.h"
#include "store/index/format.h"
#include "store/index/intern.h"
#include "store/index/merge.h"

/* Where fields of an inode's record lie. */
enum {
	AT_DATA = 0,
	AT_SIZE = 8,
	AT_MODE = 28,
	AT_FLAGS = 30,
	AT_NLINK = 40,
	AT_XATTR = 44,
	AT_EXTENT = 48,
	AT_EXTENTS = 52,
	AT_PARENT = 56,
	AT_LAYER = 60,
	AT_PAD = 62,
};

#define FLAGS_KEPT (CPS_INODE_SPARSE | CPS_INODE_INLINE | CPS_INODE_XATTRS)

struct cps_mrank {
	uint64_t key; /* layer and rank in its stream */
	uint32_t at;  /* of the child, by name */
};

static uint8_t *inode_at(struct cps_merge *m, uint32_t number)
{
	return m->out->data + cps_sections_head(CPS_TABLE_SECTIONS) +
	       (size_t)number * CPS_INODE_BYTES;
}

static void add_link(struct cps_merge *m, uint32_t number)
{
	uint8_t *p = inode_at(m, number) + AT_NLINK;

	cps_put_le32(p, cps_le32(p) + 1);
}

int cps_merge_string(struct cps_merge *m, const void *text, size_t len, uint32_t *out)
{
	int64_t off = cps_intern_add(m->string_set, text, len);

	*out = (uint32_t)off;
	return off < 0 ? cps_err_nomem(m->err) : 0;
}

int cps_merge_child(struct cps_merge *m, const char *name, size_t name_len,
		    const struct cps_mchild *child)
{
	struct cps_mchild *c;

	if (cps_grow(&m->children, &m->child_cap, m->child_count + 1,
		     sizeof(*m->children)) < 0)
		return cps_err_nomem(m->err);
	c = &m->children[m->child_count++];
	*c = *child;
	c->name_len = (uint16_t)name_len;
	return cps_merge_string(m, name, name_len, &c->name);
}

/* ---- what an inode says beyond its record ---- */

static int put_xattrs(struct cps_merge *m, uint16_t source, uint8_t *p)
{
	const struct cps_table *t = m->sources[source].t;
	uint32_t set = cps_le32(p + AT_XATTR), pos = 0;
	size_t name_len, len = 0;
	struct cps_tar_xattr x;
	int64_t off = -1;
	int rc;

	while ((rc = cps_table_xattr(t, set, pos, &x, &name_len, &len)) == 1 &&
	       pos < CPS_TAR_XATTRS_MAX)
		pos++;
	if (rc != 0)
		return cps_merge_damaged(m, source);
	if (len)
		off = cps_intern_add(m->xattr_sets, t->xattrs + set - 1, len);
	cps_put_le32(p + AT_XATTR, (uint32_t)(off + 1));
	return len && off < 0 ? cps_err_nomem(m->err) : 0;
}

static int put_extents(struct cps_merge *m, uint16_t source, uint8_t *p)
{
	struct cps_msource *s = &m->sources[source];
	uint32_t first = cps_le32(p + AT_EXTENT), count = cps_le32(p + AT_EXTENTS);
	uint64_t end = 0;

	if (count > s->t->extent_count - s->extents)
		return cps_merge_damaged(m, source);
	s->extents += count;
	cps_put_le32(p + AT_EXTENT, (uint32_t)(m->extents.len / CPS_EXTENT_BYTES));
	for (uint32_t i = 0; i < count; i++) {
		struct cps_extent e;

		if (cps_table_extent(s->t, (uint64_t)first + i, &e) < 0 ||
		    e.logical < end)
			return cps_merge_damaged(m, source);
		end = e.logical + e.len;
	}
	if (count && cps_buf_append(&m->extents,
				    s->t->extents + (size_t)first * CPS_EXTENT_BYTES,
				    (size_t)count * CPS_EXTENT_BYTES) < 0)
		return cps_err_nomem(m->err);
	return 0;
}

static int put_text(struct cps_merge *m, uint16_t source, uint8_t *p)
{
	uint64_t len = cps_le64(p + AT_SIZE);
	const char *text =
		cps_table_string(m->sources[source].t, cps_le64(p + AT_DATA), len);
	uint32_t off;
	int rc;

	if (!text || len > CPS_PATH_MAX)
		return cps_merge_damaged(m, source);
	rc = cps_merge_string(m, text, len, &off);
	cps_put_le64(p + AT_DATA, off);
	return rc;
}

/* `p` has the record of the layer's index, which becomes one of the tree. */
static int translate(struct cps_merge *m, uint16_t source, uint8_t *p)
{
	uint16_t mode = cps_le16(p + AT_MODE);
	uint16_t flags = cps_le16(p + AT_FLAGS) & FLAGS_KEPT;
	int rc = 0;

	cps_put_le16(p + AT_FLAGS, flags);
	if (cps_le32(p + AT_XATTR))
		rc = put_xattrs(m, source, p);
	if (rc == 0 && (flags & CPS_INODE_SPARSE)) {
		rc = put_extents(m, source, p);
	} else {
		cps_put_le32(p + AT_EXTENT, 0);
		cps_put_le32(p + AT_EXTENTS, 0);
	}
	if (rc == 0 && (S_ISLNK(mode) || (flags & CPS_INODE_INLINE)))
		rc = put_text(m, source, p);
	return rc;
}

static void describe(const struct cps_mchild *c, uint8_t *p)
{
	bool folder = c->folder != CPS_NONE;

	memset(p, 0, CPS_INODE_BYTES);
	cps_put_le64(p + AT_DATA, c->text);
	cps_put_le64(p + AT_SIZE, c->text_len);
	cps_put_le16(p + AT_MODE, folder ? S_IFDIR | 0755 : c->mode);
	cps_put_le16(p + AT_FLAGS, folder ? CPS_INODE_SYNTH : CPS_INODE_INLINE);
}

/* A link that has its target in a lower layer: alone, the layer has no content to show
 * for it. */
static void show_link(uint8_t *p)
{
	cps_put_le16(p + AT_MODE, S_IFREG);
	cps_put_le16(p + AT_FLAGS, CPS_INODE_INLINE);
	cps_put_le64(p + AT_DATA, 0);
	cps_put_le64(p + AT_SIZE, 0);
}

/* ---- inodes ---- */

static uint16_t layer_of(const struct cps_merge *m, const struct cps_mchild *c)
{
	return c->source == CPS_NO_SOURCE ? CPS_LAYER_NONE
					  : m->sources[c->source].layer;
}

static int too_many(struct cps_merge *m)
{
	return cps_err_set(m->err, -EFBIG, "more than %u names in all layers together",
			   m->names_max);
}

static int put_inode(struct cps_merge *m, const struct cps_mchild *c, uint32_t parent)
{
	const uint8_t *from = NULL;
	uint8_t record[CPS_INODE_BYTES];
	int rc = 0;

	if (m->inode_count >= m->names_max)
		return too_many(m);
	if (c->ino == CPS_NONE) {
		describe(c, record);
	} else {
		from = cps_table_inode(m->sources[c->source].t, c->ino);
		memcpy(record, from, sizeof(record));
		if (cps_le16(record + AT_FLAGS) & CPS_INODE_LINK)
			show_link(record);
		rc = translate(m, c->source, record);
	}
	cps_put_le32(record + AT_NLINK, c->folder == CPS_NONE ? 0 : 2);
	cps_put_le32(record + AT_PARENT, parent);
	cps_put_le16(record + AT_LAYER, layer_of(m, c));
	cps_put_le16(record + AT_PAD, 0);
	if (rc == 0 && cps_buf_append(m->out, record, sizeof(record)) < 0)
		return cps_err_nomem(m->err);
	m->inode_count++;
	return rc;
}

/* All names of an inode share it. */
static int number_of(struct cps_merge *m, const struct cps_mchild *c, uint32_t parent,
		     uint32_t *out)
{
	uint32_t *place = c->folder == CPS_NONE && c->ino != CPS_NONE
				  ? &m->sources[c->source].place[c->ino]
				  : NULL;

	if (place && *place) {
		*out = *place - 1;
		return 0;
	}
	*out = m->inode_count;
	if (c->folder != CPS_NONE)
		m->folders[c->folder].number = *out;
	if (place)
		*place = *out + 1;
	return put_inode(m, c, parent);
}

/* ---- a folder ---- */

static int by_key(const void *a, const void *b)
{
	const struct cps_mrank *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* readdir follows the streams, lowest layer first. */
static int rank_children(struct cps_merge *m)
{
	bool sorted = true;

	if (cps_grow(&m->ranks, &m->rank_cap, m->child_count, sizeof(*m->ranks)) < 0)
		return cps_err_nomem(m->err);
	for (size_t i = 0; i < m->child_count; i++) {
		const struct cps_mchild *c = &m->children[i];

		m->ranks[i] = (struct cps_mrank){
			(uint64_t)layer_of(m, c) << 32 | c->order, (uint32_t)i};
		sorted &= i == 0 || m->ranks[i - 1].key <= m->ranks[i].key;
	}
	if (!sorted)
		qsort(m->ranks, m->child_count, sizeof(*m->ranks), by_key);
	return 0;
}

static int by_name(const void *a, const void *b, void *strings)
{
	const struct cps_mchild *x = a, *y = b;
	const char *text = strings;
	const struct cps_tdirent from = {.name = text + x->name,
					 .name_len = x->name_len};
	const struct cps_tdirent to = {.name = text + y->name, .name_len = y->name_len};

	return cps_names_compare(&from, &to);
}

static int put_dirent(struct cps_merge *m, uint32_t folder, const struct cps_mchild *c,
		      uint32_t order)
{
	uint8_t dirent[CPS_DIRENT_BYTES] = {0};
	uint32_t parent = m->folders[folder].number, number;
	int rc = number_of(m, c, parent, &number);

	if (rc < 0)
		return rc;
	add_link(m, c->folder == CPS_NONE ? number : parent);
	cps_put_le32(dirent, c->name);
	cps_put_le32(dirent + 4, number);
	cps_put_le32(dirent + 8, order);
	cps_put_le16(dirent + 12, c->name_len);
	dirent[14] = (uint8_t)IFTODT(cps_le16(inode_at(m, number) + AT_MODE));
	return cps_buf_append(&m->dirents, dirent, sizeof(dirent)) < 0
		       ? cps_err_nomem(m->err)
		       : 0;
}

int cps_merge_emit_root(struct cps_merge *m, const struct cps_mchild *root)
{
	return put_inode(m, root, 0);
}

int cps_merge_emit(struct cps_merge *m, uint32_t folder)
{
	uint8_t *p = inode_at(m, m->folders[folder].number);
	int rc;

	if (m->dirents.len / CPS_DIRENT_BYTES + m->child_count > m->names_max)
		return too_many(m);
	if (m->strings.len + m->xattrs.len + m->extents.len > CPS_TREE_TEXT_MAX)
		return cps_err_set(m->err, -EFBIG,
				   "more than %u MiB of names and attributes in all "
				   "layers together",
				   CPS_TREE_TEXT_MAX >> 20);
	cps_put_le64(p + AT_DATA, m->dirents.len / CPS_DIRENT_BYTES);
	cps_put_le64(p + AT_SIZE, m->child_count);
	/* A marker's name is not sorted where the name is that it hides. */
	if (m->raw && m->child_count)
		qsort_r(m->children, m->child_count, sizeof(*m->children), by_name,
			m->strings.data);
	rc = rank_children(m);
	for (size_t i = 0; i < m->child_count && rc == 0; i++)
		rc = put_dirent(m, folder, &m->children[i], m->ranks[i].at);
	m->child_count = 0;
	return rc;
}

int cps_merge_finish(struct cps_merge *m, const struct cps_digest *key)
{
	size_t inodes = (size_t)m->inode_count * CPS_INODE_BYTES;
	struct cps_section_writer file;
	int rc;

	cps_section_begin(&file, CPS_KIND_TREE, key, NULL);
	rc = cps_section_add(&file, CPS_SEC_INODES, CPS_INODE_BYTES, NULL, inodes);
	if (rc == 0)
		rc = cps_table_write(&file, &m->dirents, &m->strings, &m->xattrs,
				     &m->extents, &m->hidden);
	if (rc == 0)
		rc = cps_section_finish(&file, m->out);
	return rc < 0 ? cps_err_sys(m->err, rc, "write a tree") : 0;
}
