#include "tools/run/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/base/fd.h"
#include "store/base/mem.h"
#include "tools/run/inside.h"

#define FIELDS_MAX 7

/* ---- lines of fields ---- */

struct field {
	const char *text; /* not NUL-terminated */
	size_t len;
};

struct lines {
	struct cps_buf buf;
	size_t pos;
	struct field fields[FIELDS_MAX];
	size_t field_count;
};

static void lines_release_auto(struct lines *lines)
{
	cps_buf_release(&lines->buf);
}

/* 0; no entries when the file is missing. */
static int read_file(int root, const char *path, struct lines *lines,
		     struct cps_err *err)
{
	/* A fifo must not make us wait, and a device must not be opened for long. */
	cps_auto(cps_fd) int fd =
		cps_inside_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return cps_err_sys(err, fd, "'/%s' of the root", path);
	if (fstat(fd, &st) < 0)
		return cps_err_sys(err, -errno, "'/%s' of the root", path);
	if (!S_ISREG(st.st_mode))
		return cps_err_set(err, -ENOTSUP, "'/%s' of the root is no file", path);
	rc = cps_read_all(fd, &lines->buf);
	return rc < 0 ? cps_err_sys(err, rc, "read '/%s' of the root", path) : 0;
}

static void split(struct lines *lines, const char *line, size_t len)
{
	lines->field_count = 0;
	while (lines->field_count < FIELDS_MAX) {
		const char *colon = memchr(line, ':', len);
		size_t part = colon ? (size_t)(colon - line) : len;

		lines->fields[lines->field_count++] = (struct field){line, part};
		if (!colon)
			return;
		line += part + 1;
		len -= part + 1;
	}
}

/* 1 with the next line's fields; 0 at the end. */
static int next_line(struct lines *lines)
{
	while (lines->pos < lines->buf.len) {
		const char *line = (const char *)lines->buf.data + lines->pos;
		size_t left = lines->buf.len - lines->pos;
		const char *end = memchr(line, '\n', left);
		size_t len = end ? (size_t)(end - line) : left;

		lines->pos += len + 1;
		if (len == 0 || len > CPS_USER_LINE_MAX || line[0] == '#')
			continue;
		split(lines, line, len);
		return 1;
	}
	return 0;
}

/* Only digits are a number; -1 otherwise, or if it is too large. */
static long number(const char *text, size_t len)
{
	long value = 0;

	if (len == 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
		if (value > CPS_USER_ID_MAX)
			return -1;
	}
	return value;
}

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool is_text(const struct field *field, const char *text)
{
	return field->len == strlen(text) && memcmp(field->text, text, field->len) == 0;
}

/* ---- passwd ---- */

struct query {
	char *user;        /* owned; "" for none */
	const char *group; /* in `user`'s memory; NULL for none */
	char *name;        /* owned; of the entry that was found */
};

static int take_entry(const struct lines *lines, long uid, long gid,
		      struct query *query, struct cps_user *out, struct cps_err *err)
{
	const struct field *home = &lines->fields[5];

	out->uid = (uid_t)uid;
	out->gid = (gid_t)gid;
	query->name = strndup(lines->fields[0].text, lines->fields[0].len);
	if (lines->field_count > 5 && home->len)
		out->home = strndup(home->text, home->len);
	else
		out->home = strdup("/");
	return query->name && out->home ? 0 : cps_err_nomem(err);
}

/* No entry: a number will do. */
static int by_number(const struct query *query, struct cps_user *out,
		     struct cps_err *err)
{
	long uid = *query->user ? number(query->user, strlen(query->user)) : 0;

	if (uid < 0 && !all_digits(query->user))
		return cps_err_set(
			err, -ENOENT,
			"unable to find user %s: no matching entries in passwd file",
			query->user);
	if (uid < 0)
		return cps_err_set(err, -EINVAL,
				   "user %s: uids and gids must be in range 0-%d",
				   query->user, CPS_USER_ID_MAX);
	out->uid = (uid_t)uid;
	out->home = strdup("/");
	return out->home ? 0 : cps_err_nomem(err);
}

static int find_user(int root, struct query *query, struct cps_user *out,
		     struct cps_err *err)
{
	cps_auto(lines_release) struct lines lines = {
		.buf = CPS_BUF_INIT(CPS_USER_FILE_MAX)};
	bool digits = all_digits(query->user) || !*query->user;
	long wanted = *query->user ? number(query->user, strlen(query->user)) : 0;
	int rc = read_file(root, "etc/passwd", &lines, err);

	while (rc == 0 && next_line(&lines)) {
		long uid, gid;

		if (lines.field_count < 4)
			continue;
		uid = number(lines.fields[2].text, lines.fields[2].len);
		gid = number(lines.fields[3].text, lines.fields[3].len);
		if (uid < 0 || gid < 0)
			continue;
		if (digits ? uid == wanted : is_text(&lines.fields[0], query->user))
			return take_entry(&lines, uid, gid, query, out, err);
	}
	return rc < 0 ? rc : by_number(query, out, err);
}

/* ---- group ---- */

/* Is the user one of "a,b,c"? */
static bool is_member(const struct field *list, const char *name)
{
	const char *at = list->text, *end = list->text + list->len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct field one = {at, (size_t)((comma ? comma : end) - at)};

		if (is_text(&one, name))
			return true;
		at += one.len + 1;
	}
	return false;
}

static int add_group(struct cps_user *out, size_t *cap, gid_t gid, struct cps_err *err)
{
	if (out->group_count >= CPS_USER_GROUPS_MAX)
		return 0;
	if (cps_grow(&out->groups, cap, out->group_count + 1, sizeof(gid_t)) < 0)
		return cps_err_nomem(err);
	out->groups[out->group_count++] = gid;
	return 0;
}

/* The named group. */
static int find_group(struct lines *lines, const char *group, struct cps_user *out,
		      struct cps_err *err)
{
	bool digits = all_digits(group);
	long wanted = number(group, strlen(group));

	while (next_line(lines)) {
		long gid = lines->field_count < 3 ? -1
						  : number(lines->fields[2].text,
							   lines->fields[2].len);

		if (gid < 0)
			continue;
		if (digits ? gid == wanted : is_text(&lines->fields[0], group)) {
			out->gid = (gid_t)gid;
			return 0;
		}
	}
	if (!digits)
		return cps_err_set(
			err, -ENOENT,
			"unable to find group %s: no matching entries in group file",
			group);
	if (wanted < 0)
		return cps_err_set(err, -EINVAL,
				   "group %s: uids and gids must be in range 0-%d",
				   group, CPS_USER_ID_MAX);
	out->gid = (gid_t)wanted;
	return 0;
}

static int find_groups(int root, const struct query *query, struct cps_user *out,
		       struct cps_err *err)
{
	cps_auto(lines_release) struct lines lines = {
		.buf = CPS_BUF_INIT(CPS_USER_FILE_MAX)};
	size_t cap = 0;
	int rc = read_file(root, "etc/group", &lines, err);

	if (rc == 0 && query->group)
		rc = find_group(&lines, query->group, out, err);
	if (rc == 0)
		rc = add_group(out, &cap, out->gid, err);
	if (query->group || !query->name)
		return rc;
	while (rc == 0 && next_line(&lines)) {
		long gid = lines.field_count < 4
				   ? -1
				   : number(lines.fields[2].text, lines.fields[2].len);

		if (gid >= 0 && is_member(&lines.fields[3], query->name))
			rc = add_group(out, &cap, (gid_t)gid, err);
	}
	return rc;
}

int cps_user_lookup(int root, const char *spec, struct cps_user *out,
		    struct cps_err *err)
{
	struct query query = {.user = strdup(spec ? spec : "")};
	char *colon;
	int rc;

	*out = (struct cps_user){0};
	if (!query.user)
		return cps_err_nomem(err);
	colon = strchr(query.user, ':');
	if (colon)
		*colon = '\0';
	if (colon && colon[1])
		query.group = colon + 1;
	rc = find_user(root, &query, out, err);
	if (rc == 0)
		rc = find_groups(root, &query, out, err);
	if (rc < 0)
		cps_user_release(out);
	free(query.user);
	free(query.name);
	return rc;
}

int cps_user_join(int root, const char *group, struct cps_user *user,
		  struct cps_err *err)
{
	cps_auto(lines_release) struct lines lines = {
		.buf = CPS_BUF_INIT(CPS_USER_FILE_MAX)};
	struct cps_user found = {0};
	size_t cap = user->group_count;
	int rc = read_file(root, "etc/group", &lines, err);

	if (rc == 0)
		rc = find_group(&lines, group, &found, err);
	for (size_t i = 0; rc == 0 && i < user->group_count; i++)
		if (user->groups[i] == found.gid)
			return 0;
	return rc < 0 ? rc : add_group(user, &cap, found.gid, err);
}

void cps_user_release(struct cps_user *user)
{
	free(user->groups);
	free(user->home);
	*user = (struct cps_user){0};
}
