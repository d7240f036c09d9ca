#include "store/archive/libarchive.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "store/base/mem.h"

#define LIBRARY "libarchive.so.13" /* every libarchive 3 has that name */

#define AT(field) offsetof(struct cps_libarchive, field)

static const struct {
	const char *name;
	size_t at; /* of the pointer */
} functions[] = {
	{"archive_read_new", AT(read_new)},
	{"archive_read_free", AT(read_free)},
	{"archive_read_support_format_raw", AT(read_support_format_raw)},
	{"archive_read_open", AT(read_open)},
	{"archive_read_next_header", AT(read_next_header)},
	{"archive_read_data_block", AT(read_data_block)},
	{"archive_error_string", AT(error_string)},
	{"archive_set_error", AT(set_error)},
	{"archive_read_support_filter_gzip", AT(filters[0])},
	{"archive_read_support_filter_bzip2", AT(filters[1])},
	{"archive_read_support_filter_xz", AT(filters[2])},
	{"archive_read_support_filter_lzma", AT(filters[3])},
	{"archive_read_support_filter_lzip", AT(filters[4])},
	{"archive_read_support_filter_compress", AT(filters[5])},
	{"archive_read_support_filter_zstd", AT(filters[6])},
	{"archive_read_support_filter_lz4", AT(filters[7])},
};

static struct cps_libarchive loaded; /* these three are set once */
static int load_rc;
static char load_message[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < CPS_ARRAY_LEN(functions); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			library = NULL;
		memcpy((char *)&loaded + functions[i].at, &function, sizeof(function));
	}
	if (library)
		return;
	load_rc = -ENOTSUP;
	snprintf(load_message, sizeof(load_message), "%s", dlerror());
}

int cps_libarchive_get(const struct cps_libarchive **out, struct cps_err *err)
{
	pthread_once(&once, load);
	if (load_rc < 0)
		return cps_err_set(err, load_rc,
				   "decompressing it takes libarchive: %s",
				   load_message);
	*out = &loaded;
	return 0;
}
