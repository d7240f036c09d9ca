#include "store/index/format.h"

#include "store/base/mem.h"

int cps_table_write(struct cps_section_writer *file, const struct cps_buf *dirents,
		    const struct cps_buf *strings, const struct cps_buf *xattrs,
		    const struct cps_buf *extents, const struct cps_buf *hidden)
{
	const struct {
		uint32_t type, size;
		const struct cps_buf *buf;
	} sections[] = {
		{CPS_SEC_DIRENTS, CPS_DIRENT_BYTES, dirents},
		{CPS_SEC_STRINGS, 1, strings},
		{CPS_SEC_XATTRS, 1, xattrs},
		{CPS_SEC_EXTENTS, CPS_EXTENT_BYTES, extents},
		{CPS_SEC_HIDDEN, CPS_HIDDEN_BYTES, hidden},
	};
	int rc = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(sections) && rc == 0; i++) {
		const struct cps_buf *buf = sections[i].buf;

		rc = cps_section_add(file, sections[i].type, sections[i].size,
				     buf ? buf->data : NULL, buf ? buf->len : 0);
	}
	return rc;
}
