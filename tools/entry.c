#include "tools/entry.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/path.h"
#include "tools/document.h"

#define DEPTH_MAX 4096

void cps_print_name(const char *name, size_t len)
{
	cps_auto(cps_buf) struct cps_buf out = CPS_BUF_INIT(0);

	if (isatty(STDOUT_FILENO) && cps_escape(&out, name, len) == 0)
		fwrite(out.data, 1, out.len, stdout);
	else
		fwrite(name, 1, len, stdout);
}

char cps_type_letter(uint32_t mode)
{
	static const char letters[] = "?pc?d?b?f?l?s???";

	return letters[mode >> 12 & 15];
}

static void print_mode(uint32_t mode)
{
	static const char bits[] = "rwxrwxrwx";
	char text[] = "?---------", type = cps_type_letter(mode);

	text[0] = (char)(type == 'f' ? '-' : type);
	for (int i = 0; i < 9; i++)
		if (mode & (0400u >> i))
			text[i + 1] = bits[i];
	if (mode & S_ISUID)
		text[3] = text[3] == 'x' ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = text[6] == 'x' ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = text[9] == 'x' ? 't' : 'T';
	fputs(text, stdout);
}

static const char *time_text(int64_t seconds, const char *format, char out[40])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 40, format, &tm))
		snprintf(out, 40, "%lld", (long long)seconds);
	return out;
}

static void print_details(const struct cps_inode *in)
{
	char when[40], size[32];

	if (S_ISCHR(in->mode) || S_ISBLK(in->mode))
		snprintf(size, sizeof(size), "%u, %u", in->rdev_major, in->rdev_minor);
	else
		snprintf(size, sizeof(size), "%llu", (unsigned long long)in->size);
	print_mode(in->mode);
	printf(" %3u %5u %5u %11s %s ", in->nlink, in->uid, in->gid, size,
	       time_text(in->mtime_s, "%Y-%m-%d %H:%M", when));
}

void cps_print_entry(const struct cps_root *root, uint32_t ino, const char *name,
		     size_t len, bool details)
{
	struct cps_inode in = {0};
	const char *target;
	size_t target_len;

	details = details && cps_tree_inode(root->tree, ino, &in) == 0;
	if (details)
		print_details(&in);
	cps_print_name(name, len);
	if (details && S_ISLNK(in.mode) &&
	    cps_tree_inline(root->tree, ino, &target, &target_len) == 0) {
		fputs(" -> ", stdout);
		cps_print_name(target, target_len);
	}
	putchar('\n');
}

/* ---- JSON ---- */

static void put_mtime(struct json_t *doc, const struct cps_inode *in)
{
	char day[40], text[64];

	time_text(in->mtime_s, "%Y-%m-%dT%H:%M:%S", day);
	if (in->mtime_ns)
		snprintf(text, sizeof(text), "%s.%09uZ", day, in->mtime_ns);
	else
		snprintf(text, sizeof(text), "%sZ", day);
	cps_doc_put_text(doc, "Mtime", text);
}

static void put_special(struct json_t *doc, const struct cps_root *root, uint32_t ino,
			const struct cps_inode *in)
{
	const char *target;
	size_t len;
	char rdev[32];

	if (S_ISLNK(in->mode) && cps_tree_inline(root->tree, ino, &target, &len) == 0)
		cps_doc_put_bytes(doc, "LinkTarget", target, len);
	if (!S_ISCHR(in->mode) && !S_ISBLK(in->mode))
		return;
	snprintf(rdev, sizeof(rdev), "%u:%u", in->rdev_major, in->rdev_minor);
	cps_doc_put_text(doc, "Rdev", rdev);
}

struct json_t *cps_entry_document(const struct cps_root *root, uint32_t ino,
				  const char *path, size_t len)
{
	struct json_t *doc = cps_doc_new_object();
	struct cps_inode in;
	char text[16];

	cps_doc_put_bytes(doc, "Path", path, len);
	if (cps_tree_inode(root->tree, ino, &in) < 0)
		return doc;
	snprintf(text, sizeof(text), "%c", cps_type_letter(in.mode));
	cps_doc_put_text(doc, "Type", text);
	snprintf(text, sizeof(text), "%04o", in.mode & 07777u);
	cps_doc_put_text(doc, "Mode", text);
	cps_doc_put_number(doc, "Size", in.size);
	cps_doc_put_number(doc, "Uid", in.uid);
	cps_doc_put_number(doc, "Gid", in.gid);
	cps_doc_put_number(doc, "Nlink", in.nlink);
	put_mtime(doc, &in);
	put_special(doc, root, ino, &in);
	if (in.layer != CPS_LAYER_NONE)
		cps_doc_put_number(doc, "Layer", in.layer + 1u);
	return doc;
}

/* ---- walking ---- */

struct walk {
	const struct cps_root *root;
	struct cps_buf path;
	cps_visit_fn visit;
	void *ctx;
};

static int append_name(struct cps_buf *path, const struct cps_dirent *d)
{
	bool slash = path->len && path->data[path->len - 1] == '/';
	int rc = slash ? 0 : cps_buf_str(path, "/");

	return rc < 0 ? rc : cps_buf_append(path, d->name, d->name_len);
}

static int walk(struct walk *w, uint32_t dir, unsigned int depth)
{
	size_t keep = w->path.len;
	struct cps_dirent d;
	uint32_t pos = 0;
	int rc;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	while ((rc = cps_tree_readdir_sorted(w->root->tree, dir, pos++, &d)) == 1) {
		rc = append_name(&w->path, &d);
		if (rc == 0)
			rc = w->visit(w->ctx, w->root, cps_buf_cstr(&w->path), d.ino);
		if (rc == 0 && d.type == DT_DIR)
			rc = walk(w, d.ino, depth + 1);
		if (rc)
			return rc;
		w->path.len = keep;
	}
	return rc;
}

int cps_walk_tree(const struct cps_root *root, uint32_t dir, const char *path,
		  cps_visit_fn visit, void *ctx)
{
	struct walk w = {
		.root = root, .path = CPS_BUF_INIT(0), .visit = visit, .ctx = ctx};
	int rc = cps_buf_str(&w.path, path);

	if (rc == 0)
		rc = walk(&w, dir, 0);
	cps_buf_release(&w.path);
	return rc;
}
