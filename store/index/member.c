/* What a member of a layer says of its inode. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/index/format.h"
#include "store/index/graph.h"

/* Other tools' bookkeeping must not come through as ours or as the kernel's. */
static bool hidden_xattr(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 ||
	       strncmp(name, "user.overlay.", 13) == 0 ||
	       strncmp(name, "user.capas.", 11) == 0;
}

static int64_t encode_xattrs(struct cps_graph *g, const struct cps_tar_entry *e)
{
	cps_auto(cps_buf) struct cps_buf set = CPS_BUF_INIT(CPS_TAR_META_MAX * 2);
	uint8_t head[8] = {0};
	uint32_t count = 0;
	int rc = cps_buf_append(&set, head, 4);

	for (size_t i = 0; i < e->xattr_count && rc == 0; i++) {
		const struct cps_tar_xattr *x = &e->xattrs[i];
		size_t name_len = strlen(x->name);

		if (hidden_xattr(x->name))
			continue;
		cps_put_le32(head, (uint32_t)name_len);
		cps_put_le32(head + 4, x->value_len);
		rc = cps_buf_append(&set, head, 8);
		if (rc == 0)
			rc = cps_buf_append(&set, x->name, name_len + 1);
		if (rc == 0)
			rc = cps_buf_append(&set, x->value, x->value_len);
		count++;
	}
	if (rc < 0)
		return rc;
	cps_put_le32(set.data, count);
	return cps_graph_xattr_set(g, set.data, count ? set.len : 0);
}

static uint16_t format_of(enum cps_tar_type type)
{
	switch (type) {
	case CPS_TAR_DIR:
		return S_IFDIR;
	case CPS_TAR_SYMLINK:
		return S_IFLNK;
	case CPS_TAR_CHR:
		return S_IFCHR;
	case CPS_TAR_BLK:
		return S_IFBLK;
	case CPS_TAR_FIFO:
		return S_IFIFO;
	default:
		return S_IFREG;
	}
}

static int set_extents(struct cps_graph *g, struct cps_gnode_inode *in,
		       const struct cps_tar_entry *e)
{
	if (cps_grow(&g->extents, &g->extent_cap, g->extent_count + e->extent_count,
		     sizeof(*g->extents)) < 0)
		return -ENOMEM;
	in->ext = (uint32_t)g->extent_count;
	in->ext_count = (uint32_t)e->extent_count;
	in->flags |= CPS_INODE_SPARSE;
	if (e->extent_count)
		memcpy(g->extents + g->extent_count, e->extents,
		       e->extent_count * sizeof(*e->extents));
	g->extent_count += e->extent_count;
	return 0;
}

static int set_data(struct cps_graph *g, struct cps_gnode_inode *in,
		    const struct cps_tar_entry *e)
{
	int64_t off;

	switch (e->type) {
	case CPS_TAR_SYMLINK:
		off = cps_graph_string(g, e->link, strlen(e->link));
		in->data = (uint64_t)off;
		in->size = strlen(e->link);
		return off < 0 ? (int)off : 0;
	case CPS_TAR_CHR:
	case CPS_TAR_BLK:
		in->data = (uint64_t)e->major << 32 | e->minor;
		return 0;
	case CPS_TAR_REG:
		in->data = e->data_off;
		in->size = e->size;
		return e->sparse ? set_extents(g, in, e) : 0;
	default:
		return 0;
	}
}

int cps_graph_describe(struct cps_graph *g, uint32_t inode,
		       const struct cps_tar_entry *e)
{
	int64_t xattr = encode_xattrs(g, e);
	struct cps_gnode_inode *in = &g->inodes[inode];
	uint16_t keep = in->flags & CPS_INODE_OPAQUE;

	if (xattr < 0)
		return (int)xattr;
	*in = (struct cps_gnode_inode){
		.mtime_s = e->mtime_s,
		.mtime_ns = e->mtime_ns,
		.mode = (uint16_t)(format_of(e->type) | (e->mode & 07777)),
		.flags = keep,
		.uid = e->uid,
		.gid = e->gid,
		.xattr = (uint32_t)xattr,
		.dent = in->dent,
	};
	if (xattr)
		in->flags |= CPS_INODE_XATTRS;
	return set_data(g, in, e);
}
