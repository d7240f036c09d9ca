#include "store/index/walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/base/path.h"

#define LINKS_MAX 40 /* symlinks in one walk */

/** What is still to be walked. */
struct todo {
	char *text; /* owned */
	size_t pos, len;
	unsigned int links;
};

/* The link's text comes before what is left. */
static int follow(const struct cps_walk *walk, struct todo *todo, const char *link,
		  size_t link_len)
{
	size_t rest = todo->len - todo->pos, len = link_len + 1 + rest;
	char *text;

	if (++todo->links > LINKS_MAX)
		return -ELOOP;
	if (len > 4 * CPS_PATH_MAX)
		return -ENAMETOOLONG;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, link, link_len);
	text[link_len] = '/';
	memcpy(text + link_len + 1, todo->text + todo->pos, rest);
	if (text[0] == '/')
		walk->root(walk->ctx);
	free(todo->text);
	todo->text = text;
	todo->pos = 0;
	todo->len = len;
	return 0;
}

static int step(const struct cps_walk *walk, struct todo *todo, const char *name,
		size_t len)
{
	const char *link;
	size_t link_len;
	int rc;

	if (len == 2 && name[0] == '.' && name[1] == '.') {
		walk->up(walk->ctx);
		return 0;
	}
	if (len > CPS_NAME_MAX)
		return -ENAMETOOLONG;
	rc = walk->enter(walk->ctx, name, len, &link, &link_len);
	return rc == 1 ? follow(walk, todo, link, link_len) : rc;
}

/* Split the last component off; ".." cannot be one, it is walked instead. */
static size_t last_component(const char *path, size_t len, const char **name)
{
	while (len && (path[len - 1] == '/' ||
		       (path[len - 1] == '.' && (len == 1 || path[len - 2] == '/'))))
		len--;
	*name = path + len;
	while (*name > path && (*name)[-1] != '/')
		(*name)--;
	return len - (size_t)(*name - path);
}

int cps_walk_path(const struct cps_walk *walk, const char *path, size_t len,
		  const char **last, size_t *last_len)
{
	size_t name_len = last_component(path, len, last);
	bool climbs = name_len == 2 && (*last)[0] == '.' && (*last)[1] == '.';
	struct todo todo = {.len = (size_t)(*last - path) + (climbs ? name_len : 0)};
	const char *name;
	int rc = 0;

	todo.text = malloc(todo.len + 1);
	if (!todo.text)
		return -ENOMEM;
	memcpy(todo.text, path, todo.len);
	*last = name_len && !climbs ? *last : NULL;
	*last_len = climbs ? 0 : name_len;
	while (rc == 0 &&
	       cps_path_next(todo.text, todo.len, &todo.pos, &name, &name_len))
		rc = step(walk, &todo, name, name_len);
	free(todo.text);
	return rc;
}
