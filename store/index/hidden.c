/* What upper layers hide, by its path. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/path.h"
#include "store/index/format.h"
#include "store/index/intern.h"
#include "store/index/merge.h"

/* Puts a name and a slash before `at`. False when there is no room: it is deeper than
 * any archive can say, and the tail will do. */
static bool prepend(char *path, size_t *at, const char *name, size_t len)
{
	if (len + 1 > *at)
		return false;
	*at -= len;
	memcpy(path + *at, name, len);
	path[--*at] = '/';
	return true;
}

static int note_path(struct cps_merge *m, uint32_t folder, const char *name, size_t len,
		     uint8_t *record)
{
	char path[CPS_PATH_MAX + 1];
	size_t at = sizeof(path);
	uint32_t off;
	int rc;

	prepend(path, &at, name, len);
	for (; folder != 0; folder = m->folders[folder].above) {
		const struct cps_mfolder *f = &m->folders[folder];

		if (f->name_len && !prepend(path, &at, f->name, f->name_len))
			break;
	}
	m->hidden_bytes += sizeof(path) - at;
	rc = cps_merge_string(m, path + at, sizeof(path) - at, &off);
	cps_put_le32(record, off);
	cps_put_le32(record + 4, (uint32_t)(sizeof(path) - at));
	return rc;
}

int cps_merge_hide(struct cps_merge *m, uint32_t folder, const char *name,
		   uint16_t name_len, const struct cps_npart *what, uint16_t by,
		   bool deleted)
{
	const struct cps_msource *s = &m->sources[what->source];
	const uint8_t *p = cps_table_inode(s->t, what->ino);
	uint8_t record[CPS_HIDDEN_BYTES] = {0};
	uint32_t alive = folder;
	int rc;

	if (!S_ISREG(cps_le16(p + 28)))
		return 0;
	while (m->folders[alive].hidden)
		alive = m->folders[alive].above;
	m->hidden_bytes += sizeof(record);
	if (m->hidden_bytes > m->hidden_max)
		return cps_err_set(
			m->err, -EFBIG,
			"layer %u: what upper layers hide takes more than %zu "
			"MiB to note",
			by + 1u, m->hidden_max >> 20);
	rc = note_path(m, folder, name, name_len, record);
	if (rc < 0)
		return rc;
	cps_put_le64(record + 8, cps_le64(p + 8));
	cps_put_le32(record + 16, m->folders[alive].number);
	cps_put_le16(record + 20, s->layer);
	cps_put_le16(record + 22, by);
	cps_put_le32(record + 24, deleted);
	if (cps_buf_append(&m->hidden, record, sizeof(record)) < 0)
		return cps_err_nomem(m->err);
	return 0;
}
