#ifndef CPS_TOOLS_TABLE_H
#define CPS_TOOLS_TABLE_H

#include <stddef.h>

/** Rows of text whose columns line up as Docker's do: each as wide as its longest cell
 *  and three blanks, at least ten. */
struct cps_table {
	size_t columns;
	char **cells; /* owned texts, row after row */
	size_t count, cap;
	int failed; /* -ENOMEM once a cell was lost */
};

#define CPS_TABLE_INIT(columns_)                                                       \
	{                                                                              \
		.columns = (columns_)                                                  \
	}

/** The next cell; control bytes are escaped. A failure is kept for the end. */
void cps_table_add(struct cps_table *table, const char *text);
/** The same for a text that is escaped already. */
void cps_table_add_plain(struct cps_table *table, const char *text);
/** The same, cut to `limit` characters; 0: not cut. */
void cps_table_add_cut(struct cps_table *table, const char *text, size_t limit);
/** Write all rows to stdout. 0 or -ENOMEM. */
int cps_table_print(const struct cps_table *table);
void cps_table_release(struct cps_table *table);

static inline void cps_table_auto(struct cps_table *table)
{
	cps_table_release(table);
}

#endif
