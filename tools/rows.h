#ifndef CPS_TOOLS_ROWS_H
#define CPS_TOOLS_ROWS_H

#include "store/base/err.h"
#include "tools/document.h"

/* --format of a command that lists: a template for each row, the same with "table "
 * before it, or "json". "\t" and "\n" in it are a tab and a newline. */

/** A field that rows have, and what stands above its column. */
struct cps_heading {
	const char *field, *text;
};

struct cps_rows {
	struct cps_buf text;  /* the template */
	struct cps_buf lines; /* of a table: cells parted by tabs */
	size_t columns;       /* of a table; 0: it is none */
	bool json;
};

/** What --format asks for: NULL is the usual table, which "" and "table" are too. */
const char *cps_rows_format(const char *format);

/** `headings` ends with one without a field. 0; -EINVAL; -ENOMEM. */
int cps_rows_begin(struct cps_rows *rows, const char *format,
		   const struct cps_heading *headings, struct cps_err *err);
/** Print a row, or keep it for the table. `row` is taken. */
int cps_rows_add(struct cps_rows *rows, struct json_t *row, struct cps_err *err);
/** Print the table. */
int cps_rows_end(struct cps_rows *rows, struct cps_err *err);
void cps_rows_release(struct cps_rows *rows);

static inline void cps_rows_auto(struct cps_rows *rows)
{
	cps_rows_release(rows);
}

#endif
