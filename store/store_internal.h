#ifndef CPS_STORE_INTERNAL_H
#define CPS_STORE_INTERNAL_H

#include "store/store.h"

struct cps_store {
	char *path;
	int root_fd, blobs_fd, tmp_fd;
	int derived_fd[CPS_DERIVED_KINDS];
};

#endif
