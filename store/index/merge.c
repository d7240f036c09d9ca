/* Trees of layers. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/mem.h"
#include "store/index/format.h"
#include "store/index/intern.h"
#include "store/index/merge.h"

#define SLACK_BYTES 4096u /* for what no layer has: a root, notes, alignment */

int cps_merge_source(struct cps_merge *m, const struct cps_tree_layer *layer,
		     uint16_t ordinal)
{
	const struct cps_table *t = cps_index_table(layer->index);
	struct cps_msource *s = &m->sources[m->source_count++];

	*s = (struct cps_msource){
		.t = t,
		.place = calloc(t->inode_count, sizeof(*s->place)),
		.layer = ordinal,
	};
	if (!s->place)
		return cps_err_nomem(m->err);
	return S_ISDIR(cps_le16(cps_table_inode(t, 0) + 28))
		       ? 0
		       : cps_merge_damaged(m, (uint16_t)(m->source_count - 1));
}

int cps_merge_init(struct cps_merge *m, size_t layers, struct cps_buf *out,
		   struct cps_err *err)
{
	*m = (struct cps_merge){
		.out = out,
		.err = err,
		.names_max = CPS_TREE_NAMES_MAX,
		.hidden_max = CPS_HIDDEN_MAX,
		.lookups_max = CPS_LOOKUPS_MAX,
	};
	if (layers > CPS_LAYERS_MAX)
		return cps_err_set(err, -E2BIG, "%zu layers; at most %u are taken",
				   layers, CPS_LAYERS_MAX);
	m->sources = calloc(layers + 1, sizeof(*m->sources));
	m->string_set = cps_intern_new(&m->strings);
	m->xattr_sets = cps_intern_new(&m->xattrs);
	if (cps_names_init(&m->names, layers) < 0 || !m->sources || !m->string_set ||
	    !m->xattr_sets)
		return cps_err_nomem(err);
	return 0;
}

void cps_merge_release(struct cps_merge *m)
{
	for (size_t i = 0; i < m->source_count; i++)
		free(m->sources[i].place);
	free(m->sources);
	free(m->folders);
	free(m->parts);
	free(m->children);
	free(m->ranks);
	cps_names_release(&m->names);
	cps_intern_free(m->string_set);
	cps_intern_free(m->xattr_sets);
	cps_buf_release(&m->dirents);
	cps_buf_release(&m->strings);
	cps_buf_release(&m->xattrs);
	cps_buf_release(&m->extents);
	cps_buf_release(&m->hidden);
}

/* All that a file of these layers may take but for what says what they hide, which is
 * little: too much where they replace each other, but what is not touched costs
 * nothing.
 */
static int reserve(struct cps_merge *m)
{
	size_t dirents = 0, bytes = SLACK_BYTES;

	for (size_t i = 0; i < m->source_count; i++) {
		const struct cps_table *t = m->sources[i].t;

		dirents += t->dirent_count;
		bytes += t->inode_count * CPS_INODE_BYTES + t->string_bytes +
			 t->xattr_bytes + t->extent_count * CPS_EXTENT_BYTES;
	}
	if (dirents > CPS_TREE_NAMES_MAX)
		dirents = CPS_TREE_NAMES_MAX;
	if (bytes > CPS_TREE_TEXT_MAX)
		bytes = CPS_TREE_TEXT_MAX;
	if (cps_section_place(m->out, CPS_TABLE_SECTIONS) < 0 ||
	    cps_buf_reserve(m->out, bytes + dirents * CPS_DIRENT_BYTES) < 0 ||
	    cps_buf_reserve(&m->dirents, dirents * CPS_DIRENT_BYTES) < 0)
		return cps_err_nomem(m->err);
	return 0;
}

/* The root is there whatever the layers say; the last that describes it wins. */
static int put_root(struct cps_merge *m)
{
	struct cps_mchild root = {.source = CPS_NO_SOURCE, .ino = CPS_NONE};
	int64_t folder = cps_merge_folder(m, 0, NULL, 0);
	int rc = folder < 0 ? (int)folder : 0;

	for (uint16_t i = 0; i < m->source_count && rc == 0 && !m->frames; i++) {
		rc = cps_merge_over(m, 0, i, 0);
		if (cps_merge_describes(m, i, 0)) {
			root.source = i;
			root.ino = 0;
		}
	}
	return rc < 0 ? rc : cps_merge_emit_root(m, &root);
}

static int gather(struct cps_merge *m, uint32_t folder)
{
	if (m->frames && folder == 0)
		return cps_merge_frames(m);
	if (m->folders[folder].frame)
		return cps_merge_frame(m, folder);
	return cps_merge_names(m, folder);
}

int cps_merge_run(struct cps_merge *m, const struct cps_digest *key)
{
	int rc = reserve(m);

	if (rc == 0)
		rc = put_root(m);
	/* Breadth first: a folder's place in the tree is known before it is gone
	 * through. */
	for (uint32_t i = 0; i < m->folder_count && rc == 0; i++) {
		rc = gather(m, i);
		if (rc == 0 && !m->folders[i].hidden)
			rc = cps_merge_emit(m, i);
	}
	if (rc == 0)
		rc = cps_merge_finish(m, key);
	if (rc < 0)
		cps_buf_release(m->out);
	return rc;
}

int cps_tree_merge(const struct cps_tree_layer *layers, size_t count,
		   const struct cps_digest *key, struct cps_buf *out,
		   struct cps_err *err)
{
	struct cps_merge m;
	int rc = cps_merge_init(&m, count, out, err);

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = cps_merge_source(&m, &layers[i], (uint16_t)i);
	if (rc == 0)
		rc = cps_merge_run(&m, key);
	cps_merge_release(&m);
	return rc;
}
