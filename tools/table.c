#include "tools/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/mem.h"
#include "tools/human.h"

#define WIDTH_MIN 10
#define PADDING   3

/* Takes the buffer; `rc` is how filling it went. */
static void add_cell(struct cps_table *table, struct cps_buf *text, int rc)
{
	if (rc < 0 || cps_grow(&table->cells, &table->cap, table->count + 1,
			       sizeof(*table->cells)) < 0) {
		cps_buf_release(text);
		table->failed = -ENOMEM;
		return;
	}
	/* NULL for an empty cell. */
	table->cells[table->count++] = (char *)cps_buf_steal(text, NULL);
}

void cps_table_add_cut(struct cps_table *table, const char *text, size_t limit)
{
	struct cps_buf cell = CPS_BUF_INIT(0);

	add_cell(table, &cell, cps_ellipsis(&cell, text, limit));
}

void cps_table_add_plain(struct cps_table *table, const char *text)
{
	struct cps_buf cell = CPS_BUF_INIT(0);

	add_cell(table, &cell, cps_buf_str(&cell, text));
}

void cps_table_add(struct cps_table *table, const char *text)
{
	cps_table_add_cut(table, text, 0);
}

static const char *cell(const struct cps_table *table, size_t i)
{
	return table->cells[i] ? table->cells[i] : "";
}

static size_t column_width(const struct cps_table *table, size_t column)
{
	size_t width = WIDTH_MIN;

	for (size_t i = column; i < table->count; i += table->columns) {
		size_t w = cps_text_width(cell(table, i)) + PADDING;

		width = w > width ? w : width;
	}
	return width;
}

int cps_table_print(const struct cps_table *table)
{
	cps_auto(cps_free) size_t *widths = calloc(table->columns, sizeof(*widths));

	if (!widths || table->failed)
		return -ENOMEM;
	for (size_t c = 0; c < table->columns; c++)
		widths[c] = column_width(table, c);
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		const char *text = cell(table, i);

		/* The last column ends the line; blanks behind it help nobody. */
		if (column + 1 == table->columns)
			printf("%s\n", text);
		else
			printf("%s%*s", text,
			       (int)(widths[column] - cps_text_width(text)), "");
	}
	return 0;
}

void cps_table_release(struct cps_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct cps_table){0};
}
