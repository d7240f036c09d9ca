#include "store/base/strings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

/* Takes the text, also on failure. */
static int take(struct cps_strings *list, char *text)
{
	int rc =
		text ? cps_grow(&list->v, &list->cap, list->count + 2, sizeof(*list->v))
		     : -ENOMEM;

	if (rc < 0) {
		free(text);
		return rc;
	}
	list->v[list->count++] = text;
	list->v[list->count] = NULL;
	return 0;
}

int cps_strings_add(struct cps_strings *list, const char *text)
{
	return take(list, strdup(text));
}

int cps_strings_printf(struct cps_strings *list, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : take(list, text);
}

int cps_strings_add_all(struct cps_strings *list, char *const *from)
{
	int rc = 0;

	for (; from && *from && rc == 0; from++)
		rc = cps_strings_add(list, *from);
	return rc;
}

static size_t find(const struct cps_strings *list, const char *key, size_t len)
{
	for (size_t i = 0; i < list->count; i++)
		if (strncmp(list->v[i], key, len) == 0 && list->v[i][len] == '=')
			return i;
	return list->count;
}

int cps_strings_set(struct cps_strings *list, const char *assignment)
{
	size_t i = find(list, assignment, strcspn(assignment, "="));
	char *copy;

	if (i == list->count)
		return cps_strings_add(list, assignment);
	copy = strdup(assignment);
	if (!copy)
		return -ENOMEM;
	free(list->v[i]);
	list->v[i] = copy;
	return 0;
}

const char *cps_strings_get(const struct cps_strings *list, const char *key)
{
	size_t len = strlen(key), i = find(list, key, len);

	return i < list->count ? list->v[i] + len + 1 : NULL;
}

void cps_strings_unset(struct cps_strings *list, const char *key)
{
	size_t i = find(list, key, strlen(key));

	if (i == list->count)
		return;
	free(list->v[i]);
	memmove(&list->v[i], &list->v[i + 1], (list->count - i) * sizeof(*list->v));
	list->count--;
}

void cps_strings_release(struct cps_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct cps_strings){0};
}
