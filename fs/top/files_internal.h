#ifndef CPS_TOP_FILES_INTERNAL_H
#define CPS_TOP_FILES_INTERNAL_H

#include "fs/top/files.h"

/* What files.c and files_sync.c share. */

struct cps_file {
	struct cps_file *chain;         /* of its slot */
	struct cps_file *newer, *older; /* among the open ones */
	uint32_t number;
	unsigned int users;
	int fd; /* -1: closed for now */
	bool dirty;
	bool first;             /* to be synced before the log */
	struct cps_loose loose; /* end 0: nothing is */
};

/** NULL: none is known of that number. */
struct cps_file *cps_file_find(struct cps_files *files, uint32_t number);
/** Have a descriptor of it, as the newest one. 0; -errno. */
int cps_file_open(struct cps_files *files, struct cps_file *f, bool make);
/** End what is known of it. */
void cps_file_forget(struct cps_files *files, struct cps_file *f);
void cps_file_tighten(struct cps_files *files, struct cps_file *f);
/** Remove a doomed file, or doom it once more if somebody reads it. */
void cps_file_remove(struct cps_files *files, uint32_t number);

#endif
