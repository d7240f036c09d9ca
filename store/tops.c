/* Finding and reading tops. */
#include "store/tops_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/base/log.h"
#include "store/folder.h"
#include "store/image_internal.h"
#include "store/json.h"

#define TOP_JSON_MAX  (64u << 10) /* bytes */
#define ID_PREFIX_MIN 4

void cps_top_info_release(struct cps_top_info *info)
{
	free(info->name);
	free(info->image);
	*info = (struct cps_top_info){0};
}

int cps_tops_folder(struct cps_store *store, struct cps_err *err)
{
	int fd = openat(cps_store_root_fd(store), "tops",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cps_err_sys(err, -errno, "store '%s': open 'tops'",
				   cps_store_path(store));
	return fd;
}

/* ---- top.json ---- */

static int load(int tops, const char *id, struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_fd) int folder = -1, file = -1;
	int rc;

	folder = openat(tops, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return cps_err_sys(err, errno == ENOENT ? -ENOENT : -EBADMSG,
				   "no folder can be opened");
	file = cps_open_regular(folder, CPS_TOP_FILE);
	rc = file < 0 ? file : cps_read_all(file, out);
	/* Gone with its folder, or gone from it? */
	if (rc == -ENOENT && faccessat(tops, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return cps_err_sys(err, -ENOENT, "no folder can be opened");
	return rc < 0 ? cps_err_set(err, -EBADMSG, CPS_TOP_FILE " cannot be read: %s",
				    strerror(-rc))
		      : 0;
}

static int get_digest(const json_t *doc, const char *key, bool needed,
		      struct cps_digest *out, struct cps_err *err)
{
	const char *text = cps_json_text(doc, key);

	if (!text[0] && !needed)
		return 0;
	if (cps_digest_parse(text, out, NULL) < 0)
		return cps_err_set(err, -EBADMSG, CPS_TOP_FILE ": '%s' is no digest",
				   key);
	return 0;
}

static int get_text(const json_t *doc, const char *key, char **out, struct cps_err *err)
{
	const char *text = cps_json_text(doc, key);

	if (!text[0])
		return cps_err_set(err, -EBADMSG, CPS_TOP_FILE ": '%s' is missing",
				   key);
	*out = strdup(text);
	return *out ? 0 : cps_err_nomem(err);
}

static int parse(const json_t *doc, struct cps_top_info *out, struct cps_err *err)
{
	const char *created = cps_json_text(doc, "Created");
	int rc;

	if (strcmp(cps_json_text(doc, "Id"), out->id) != 0)
		return cps_err_set(err, -EBADMSG, CPS_TOP_FILE " is of another top");
	if (!created[0] || strlen(created) >= sizeof(out->created))
		return cps_err_set(err, -EBADMSG,
				   CPS_TOP_FILE ": 'Created' is no time");
	strcpy(out->created, created);
	rc = get_text(doc, "Name", &out->name, err);
	if (rc == 0)
		rc = get_text(doc, "Image", &out->image, err);
	if (rc == 0)
		rc = get_digest(doc, "Manifest", true, &out->manifest, err);
	if (rc == 0)
		rc = get_digest(doc, "ChainID", false, &out->chain_id, err);
	if (rc == 0)
		rc = get_digest(doc, "ImageID", true, &out->image_id, err);
	return rc;
}

int cps_tops_read(int tops, const char *id, struct cps_top_info *out,
		  struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(TOP_JSON_MAX);
	cps_auto(cps_json) json_t *doc = NULL;
	int rc;

	*out = (struct cps_top_info){0};
	memcpy(out->id, id, CPS_TOP_ID_LEN);
	rc = load(tops, id, &text, err);
	if (rc < 0)
		return rc;
	doc = cps_json_object(text.data, text.len, CPS_TOP_FILE, err);
	return doc ? parse(doc, out, err) : -EBADMSG;
}

/* ---- all of them ---- */

struct walk {
	cps_tops_fn fn;
	void *ctx;
};

static int visit(void *ctx, int dirfd, const char *name, const struct cps_digest *id,
		 const struct stat *st)
{
	cps_auto(cps_top_info) struct cps_top_info info = {0};
	struct cps_err why = CPS_ERR_INIT;
	struct walk *w = ctx;
	int rc;

	if (!id || !S_ISDIR(st->st_mode))
		return w->fn(w->ctx, name, NULL, "not a top");
	rc = cps_tops_read(dirfd, name, &info, &why);
	if (rc == -ENOENT)
		return 0; /* removed meanwhile */
	return w->fn(w->ctx, name, rc < 0 ? NULL : &info, rc < 0 ? why.msg : NULL);
}

int cps_tops_each(struct cps_store *store, cps_tops_fn fn, void *ctx,
		  struct cps_err *err)
{
	struct walk w = {fn, ctx};
	cps_auto(cps_fd) int tops = -1;

	if (faccessat(cps_store_root_fd(store), "tops", F_OK, 0) < 0 && errno == ENOENT)
		return 0; /* no top was ever made here */
	tops = cps_tops_folder(store, err);
	return tops < 0 ? tops : cps_folder_each(tops, visit, &w, err);
}

static int copy_info(const struct cps_top_info *from, struct cps_top_info *to)
{
	*to = *from;
	to->name = strdup(from->name ? from->name : "");
	to->image = strdup(from->image ? from->image : "");
	if (to->name && to->image)
		return 0;
	cps_top_info_release(to);
	return -ENOMEM;
}

int cps_top_list_add(struct cps_top_list *list, const struct cps_top_info *info)
{
	int rc =
		cps_grow(&list->tops, &list->cap, list->count + 1, sizeof(*list->tops));

	if (rc == 0)
		rc = copy_info(info, &list->tops[list->count]);
	if (rc == 0)
		list->count++;
	return rc;
}

void cps_top_list_release(struct cps_top_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		cps_top_info_release(&list->tops[i]);
	free(list->tops);
	*list = (struct cps_top_list){0};
}

static int keep(void *ctx, const char *folder, const struct cps_top_info *info,
		const char *why)
{
	if (info)
		return cps_top_list_add(ctx, info);
	cps_warn("tops/%s: %s", folder, why);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct cps_top_info *x = a, *y = b;
	int order = strcmp(x->created, y->created);

	return order ? order : strcmp(x->id, y->id);
}

int cps_tops_list(struct cps_store *store, struct cps_top_list *out,
		  struct cps_err *err)
{
	int rc;

	*out = (struct cps_top_list){0};
	rc = cps_tops_each(store, keep, out, err);
	if (rc < 0) {
		cps_top_list_release(out);
		return rc == -ENOMEM ? cps_err_nomem(err) : rc;
	}
	if (out->count)
		qsort(out->tops, out->count, sizeof(*out->tops), by_age);
	return 0;
}

/* ---- one of them ---- */

/* How well a top answers to a text; the whole ID beats a name, a name beats a start. */
enum match { NO_MATCH, PREFIX, NAME, WHOLE_ID };

struct search {
	const char *text;
	bool prefix_ok;
	enum match best;
	unsigned int count; /* of the best kind */
	char id[CPS_TOP_ID_LEN];
};

static enum match matches(const struct search *s, const char *id,
			  const struct cps_top_info *info)
{
	if (strcmp(id, s->text) == 0)
		return WHOLE_ID;
	if (info && strcmp(info->name, s->text) == 0)
		return NAME;
	if (s->prefix_ok && strncmp(id, s->text, strlen(s->text)) == 0)
		return PREFIX;
	return NO_MATCH;
}

/* A top that cannot be read still has its ID. */
static int compare(void *ctx, const char *folder, const struct cps_top_info *info,
		   const char *why)
{
	struct cps_digest id;
	struct search *s = ctx;
	enum match how;

	if (cps_digest_parse_hex(folder, &id) < 0)
		return 0;
	how = matches(s, folder, info);
	if (how == NO_MATCH || how < s->best)
		return 0;
	if (how > s->best)
		s->count = 0;
	s->best = how;
	s->count++;
	memcpy(s->id, folder, CPS_TOP_ID_LEN);
	return 0;
}

int cps_tops_find(struct cps_store *store, const char *text, struct cps_top_info *out,
		  struct cps_err *err)
{
	struct search s = {.text = text,
			   .prefix_ok =
				   strlen(text) >= ID_PREFIX_MIN &&
				   strspn(text, "0123456789abcdef") == strlen(text)};
	cps_auto(cps_fd) int tops = -1;
	int rc = cps_tops_each(store, compare, &s, err);

	*out = (struct cps_top_info){0};
	if (rc < 0)
		return rc;
	if (s.count == 0)
		return cps_err_set(err, -ENOENT, "no such container: '%s'", text);
	if (s.count > 1)
		return cps_err_set(err, -EEXIST, "'%s' %s several containers", text,
				   s.best == NAME ? "is the name of"
						  : "is the start of the IDs of");
	tops = cps_tops_folder(store, err);
	rc = tops < 0 ? tops : cps_tops_read(tops, s.id, out, err);
	return rc < 0 ? cps_err_wrap(err, rc, "container '%s'", text) : 0;
}

/* Was the folder removed between its opening and its lock? */
static bool still_there(int tops, const char *id, int folder)
{
	struct stat here, named;

	return fstat(folder, &here) == 0 &&
	       fstatat(tops, id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == named.st_ino && here.st_dev == named.st_dev;
}

int cps_tops_peek(struct cps_store *store, const struct cps_top_info *info,
		  struct cps_err *err)
{
	cps_auto(cps_fd) int tops = cps_tops_folder(store, err);
	int folder;

	if (tops < 0)
		return tops;
	folder =
		openat(tops, info->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return folder < 0 ? cps_err_sys(err, -errno, "container '%s': open its folder",
					info->id)
			  : folder;
}

int cps_tops_dir(struct cps_store *store, const struct cps_top_info *info,
		 struct cps_err *err)
{
	cps_auto(cps_fd) int tops = cps_tops_folder(store, err);
	cps_auto(cps_fd) int folder = -1;

	if (tops < 0)
		return tops;
	folder =
		openat(tops, info->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return cps_err_sys(err, -errno, "container '%s': open its folder",
				   info->id);
	/* The exclusive lock is held only while a top is made or removed. */
	while (flock(folder, LOCK_SH) < 0)
		if (errno != EINTR)
			return cps_err_sys(err, -errno, "container '%s': lock",
					   info->id);
	if (!still_there(tops, info->id, folder))
		return cps_err_set(err, -ENOENT, "container '%s' was removed",
				   info->id);
	return CPS_TAKE_FD(folder);
}

int cps_tops_image(struct cps_store *store, const struct cps_top_info *info,
		   struct cps_image **out, struct cps_err *err)
{
	const struct cps_blob_source source = {cps_store_blob_open, store};
	cps_auto(cps_blob) struct cps_blob blob = CPS_BLOB_INIT;
	int rc = cps_blob_open(store, &info->manifest, &blob, err);

	if (rc == 0)
		rc = cps_image_resolve(&source, &info->manifest, blob.size, NULL, out,
				       err);
	return rc < 0 ? cps_err_wrap(err, rc, "image '%s'", info->image) : 0;
}
