#ifndef CPS_BASE_STRINGS_H
#define CPS_BASE_STRINGS_H

#include <stddef.h>

/** Texts in a row, with a NULL behind the last: an argv, an environment. */
struct cps_strings {
	char **v; /* owned, and so are the texts; NULL while there is none */
	size_t count, cap;
};

/** Append a copy. 0 or -ENOMEM. */
int cps_strings_add(struct cps_strings *list, const char *text);
/** The same with what printf makes. */
int cps_strings_printf(struct cps_strings *list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** Copies of all, up to a NULL. `from` may be NULL. */
int cps_strings_add_all(struct cps_strings *list, char *const *from);
/** "KEY=VALUE": takes the place of the entry with that key, or is appended. */
int cps_strings_set(struct cps_strings *list, const char *assignment);
/** The value of "KEY=VALUE", borrowed; NULL when there is none. */
const char *cps_strings_get(const struct cps_strings *list, const char *key);
/** Remove the entry of that key. */
void cps_strings_unset(struct cps_strings *list, const char *key);
void cps_strings_release(struct cps_strings *list);

/* cps_auto(cps_strings) struct cps_strings list = {0}; */
static inline void cps_strings_auto(struct cps_strings *list)
{
	cps_strings_release(list);
}

#endif
