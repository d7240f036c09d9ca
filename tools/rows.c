#include "tools/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/table.h"
#include "tools/template.h"

/* "\t" and "\n", as they are typed. */
static int unescape(struct cps_buf *out, const char *text)
{
	int rc = 0;

	for (; *text && rc == 0; text++) {
		char c = *text;

		if (c == '\\' && (text[1] == 't' || text[1] == 'n'))
			c = *++text == 't' ? '\t' : '\n';
		rc = cps_buf_append(out, &c, 1);
	}
	return rc;
}

static int add_line(struct cps_rows *rows, struct json_t *row, struct cps_err *err)
{
	struct cps_buf *out = &rows->lines;
	int rc = rows->json ? cps_doc_line(row, out)
			    : cps_template(cps_buf_cstr(&rows->text), row, out, err);

	if (rc == 0 && cps_buf_str(out, "\n") < 0)
		rc = cps_err_nomem(err);
	if (rc < 0 || rows->columns)
		return rc;
	fwrite(out->data, 1, out->len, stdout);
	out->len = 0;
	return 0;
}

const char *cps_rows_format(const char *format)
{
	return format && *format && strcmp(format, "table") != 0 ? format : NULL;
}

int cps_rows_begin(struct cps_rows *rows, const char *format,
		   const struct cps_heading *headings, struct cps_err *err)
{
	bool table = strncmp(format, "table ", 6) == 0;
	struct json_t *heads;
	int rc;

	rows->json = strcmp(format, "json") == 0;
	if (unescape(&rows->text, table ? format + 6 : format) < 0)
		return cps_err_nomem(err);
	if (!table)
		return 0;
	heads = cps_doc_new_object();
	for (; headings->field; headings++)
		cps_doc_put_text(heads, headings->field, headings->text);
	rows->columns = 1;
	rc = add_line(rows, heads, err);
	cps_doc_free(heads);
	for (size_t i = 0; i < rows->lines.len; i++)
		rows->columns += rows->lines.data[i] == '\t';
	return rc;
}

int cps_rows_add(struct cps_rows *rows, struct json_t *row, struct cps_err *err)
{
	int rc = add_line(rows, row, err);

	cps_doc_free(row);
	return rc;
}

/* As many cells as columns, whatever is in them. */
static void add_cells(struct cps_table *table, char *line)
{
	for (size_t i = 0; i < table->columns; i++) {
		size_t len =
			i + 1 < table->columns ? strcspn(line, "\t") : strlen(line);
		bool more = line[len] != '\0';

		line[len] = '\0';
		cps_table_add(table, line);
		line += len + more;
	}
}

int cps_rows_end(struct cps_rows *rows, struct cps_err *err)
{
	cps_auto(cps_table) struct cps_table table = CPS_TABLE_INIT(rows->columns);
	char *line = (char *)rows->lines.data, *end;

	if (!rows->columns || !line)
		return 0;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		add_cells(&table, line);
	}
	return cps_table_print(&table) < 0 ? cps_err_nomem(err) : 0;
}

void cps_rows_release(struct cps_rows *rows)
{
	cps_buf_release(&rows->text);
	cps_buf_release(&rows->lines);
}
