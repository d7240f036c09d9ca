#ifndef CPS_TOOLS_GC_FILTER_H
#define CPS_TOOLS_GC_FILTER_H

#include "store/maintain.h"
#include "tools/command.h"

/** What gc's --filter says of untagged images. */
struct cps_gc_filter {
	int64_t before_s;                   /* made before; 0: whenever */
	const char *labels[CPS_VALUES_MAX]; /* "NAME[=VALUE]", borrowed */
	bool without[CPS_VALUES_MAX];       /* the label must not be there */
	size_t label_count;
};

/** --keep-storage and --filter, into `opts`; the filter must outlive them. 0, or an
 * exit status after telling what is wrong. */
int cps_gc_filter_parse(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_gc_filter *filter, struct cps_gc_opts *opts);

#endif
