#ifndef CPS_LIBARCHIVE_H
#define CPS_LIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#include "store/base/err.h"

/* libarchive is loaded when something is decompressed for the first time. It brings ten
 * other libraries along, and to load them all takes as long as mounting an image. */

#define CPS_LIBARCHIVE_FILTERS 8u

/** What we call of it, under its own names without "archive_". */
struct cps_libarchive {
	__typeof__(&archive_read_new) read_new;
	__typeof__(&archive_read_free) read_free;
	__typeof__(&archive_read_support_format_raw) read_support_format_raw;
	__typeof__(&archive_read_open) read_open;
	__typeof__(&archive_read_next_header) read_next_header;
	__typeof__(&archive_read_data_block) read_data_block;
	__typeof__(&archive_error_string) error_string;
	__typeof__(&archive_set_error) set_error;
	/* Those filters that can run inside this process. */
	int (*filters[CPS_LIBARCHIVE_FILTERS])(struct archive *);
};

/** 0 with *out, valid for ever; -ENOTSUP it is not installed. Safe from any thread. */
int cps_libarchive_get(const struct cps_libarchive **out, struct cps_err *err);

#endif
