/* Which layer a name comes from: containerd's rules, one folder at a time. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/path.h"
#include "store/index/merge.h"

#define WHITEOUT        ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/** What a name means, by the layers up to some one. */
struct meaning {
	bool there;
	uint32_t folder; /* among the merge's; CPS_NONE: it is none */
	uint32_t order;
	struct cps_npart what; /* ino CPS_NONE: a folder that nobody describes */
};

int cps_merge_damaged(struct cps_merge *m, uint16_t source)
{
	cps_err_set(m->err, -EBADMSG, "its index is damaged");
	return cps_err_wrap(m->err, -EBADMSG, "layer %u",
			    m->sources[source].layer + 1u);
}

static const uint8_t *record(const struct cps_merge *m, uint16_t source, uint32_t ino)
{
	return cps_table_inode(m->sources[source].t, ino);
}

/* ---- folders ---- */

int64_t cps_merge_folder(struct cps_merge *m, uint32_t above, const char *name,
			 uint16_t name_len)
{
	if (m->folder_count >= CPS_NONE - 1 ||
	    cps_grow(&m->folders, &m->folder_cap, m->folder_count + 1,
		     sizeof(*m->folders)) < 0)
		return cps_err_nomem(m->err);
	m->folders[m->folder_count] = (struct cps_mfolder){
		.name = name,
		.name_len = name_len,
		.above = above,
		.part = (uint32_t)m->part_count,
	};
	return (int64_t)m->folder_count++;
}

/* To the newest folder. */
static int add_part(struct cps_merge *m, uint32_t folder, uint16_t source, uint32_t ino)
{
	struct cps_msource *s = &m->sources[source];

	/* A folder has one name; a second is a damaged file's loop. */
	if (s->place[ino])
		return cps_merge_damaged(m, source);
	s->place[ino] = CPS_MERGE_TAKEN;
	if (cps_grow(&m->parts, &m->part_cap, m->part_count + 1, sizeof(*m->parts)) < 0)
		return cps_err_nomem(m->err);
	m->parts[m->part_count++] = (struct cps_npart){ino, source};
	m->folders[folder].part_count++;
	return 0;
}

static void hide_folder(struct cps_mfolder *f, uint16_t by, bool deleted)
{
	f->hidden = true;
	f->by = by;
	f->deleted = deleted;
}

/* Its parts so far go to a folder of their own, which is hidden. */
static int hide_parts(struct cps_merge *m, uint32_t folder, uint16_t by)
{
	int64_t under = cps_merge_folder(m, folder, NULL, 0);
	struct cps_mfolder *f = &m->folders[folder], *u;

	if (under < 0)
		return (int)under;
	u = &m->folders[under];
	u->part = f->part;
	u->part_count = f->part_count;
	hide_folder(u, by, true);
	f->part = (uint32_t)m->part_count;
	f->part_count = 0;
	return 0;
}

int cps_merge_over(struct cps_merge *m, uint32_t folder, uint16_t source, uint32_t ino)
{
	bool opaque = cps_le16(record(m, source, ino) + 30) & CPS_INODE_OPAQUE;
	int rc = 0;

	if (opaque && m->folders[folder].part_count)
		rc = hide_parts(m, folder, m->sources[source].layer);
	return rc < 0 ? rc : add_part(m, folder, source, ino);
}

bool cps_merge_describes(const struct cps_merge *m, uint16_t source, uint32_t ino)
{
	return !(cps_le16(record(m, source, ino) + 30) & CPS_INODE_SYNTH);
}

/* ---- one name ---- */

static int hide(struct cps_merge *m, uint32_t in, const struct cps_tdirent *d,
		struct meaning *now, uint16_t by, bool deleted)
{
	if (!now->there)
		return 0;
	now->there = false;
	if (now->folder == CPS_NONE)
		return cps_merge_hide(m, in, d->name, d->name_len, &now->what, by,
				      deleted);
	hide_folder(&m->folders[now->folder], by, deleted);
	return 0;
}

static int new_folder(struct cps_merge *m, uint32_t in, uint16_t source,
		      const struct cps_tdirent *d, struct meaning *now)
{
	int64_t folder = cps_merge_folder(m, in, d->name, d->name_len);

	*now = (struct meaning){
		.there = true,
		.folder = (uint32_t)folder,
		.order = d->order,
		.what = {CPS_NONE, source},
	};
	return folder < 0 ? (int)folder : 0;
}

static int put_folder(struct cps_merge *m, uint32_t in, uint16_t source,
		      const struct cps_tdirent *d, struct meaning *now)
{
	int rc = 0;

	if (now->there && now->folder == CPS_NONE)
		rc = hide(m, in, d, now, m->sources[source].layer, false);
	if (rc == 0 && !now->there)
		rc = new_folder(m, in, source, d, now);
	if (rc == 0 && cps_merge_describes(m, source, d->ino)) {
		now->what = (struct cps_npart){d->ino, source};
		now->order = d->order;
	}
	return rc < 0 ? rc : cps_merge_over(m, now->folder, source, d->ino);
}

static int put_other(struct cps_merge *m, uint32_t in, uint16_t source,
		     const struct cps_tdirent *d, struct meaning *now)
{
	struct cps_npart what = {d->ino, source};
	int rc = 0;

	if (!m->raw && cps_le16(record(m, source, d->ino) + 30) & CPS_INODE_LINK)
		rc = cps_merge_link(m, &what);
	if (rc == 0)
		rc = hide(m, in, d, now, m->sources[source].layer, false);
	*now = (struct meaning){true, CPS_NONE, d->order, what};
	return rc;
}

/* In a view of one layer a marker is an empty file of its own name. */
static int show_marker(struct cps_merge *m, uint16_t source, const char *prefix,
		       const char *name, size_t len, uint32_t order)
{
	const struct cps_mchild child = {
		.source = source,
		.ino = CPS_NONE,
		.folder = CPS_NONE,
		.order = order,
		.mode = S_IFREG,
	};
	char text[CPS_NAME_MAX + 16];
	size_t prefix_len = strlen(prefix);

	if (prefix_len + len > CPS_NAME_MAX) {
		cps_warn("a whiteout's name is too long to be shown");
		return 0;
	}
	memcpy(text, prefix, prefix_len);
	memcpy(text + prefix_len, name, len);
	return cps_merge_child(m, text, prefix_len + len, &child);
}

static int put_name(struct cps_merge *m, uint32_t in, const struct cps_cursor *c,
		    struct meaning *now)
{
	const uint8_t *p = cps_table_inode(c->t, c->d.ino);

	if (cps_le16(p + 30) & CPS_INODE_WHITEOUT)
		return m->raw ? show_marker(m, c->source, WHITEOUT, c->d.name,
					    c->d.name_len, c->d.order)
			      : hide(m, in, &c->d, now, m->sources[c->source].layer,
				     true);
	if (S_ISDIR(cps_le16(p + 28)))
		return put_folder(m, in, c->source, &c->d, now);
	return put_other(m, in, c->source, &c->d, now);
}

/* In a hidden folder all that is left at the end is hidden with it. */
static int settle(struct cps_merge *m, uint32_t in, const struct cps_tdirent *d,
		  struct meaning *now)
{
	const struct cps_mfolder *f = &m->folders[in];
	const struct cps_mchild child = {
		.source = now->what.source,
		.ino = now->what.ino,
		.folder = now->folder,
		.order = now->order,
	};

	if (f->hidden)
		return hide(m, in, d, now, f->by, f->deleted);
	return now->there ? cps_merge_child(m, d->name, d->name_len, &child) : 0;
}

/* ---- all names ---- */

static int open_part(struct cps_merge *m, const struct cps_npart *part)
{
	struct cps_msource *s = &m->sources[part->source];
	const uint8_t *p = cps_table_inode(s->t, part->ino);
	uint64_t first = cps_le64(p), count = cps_le64(p + 8);

	if (count > s->t->dirent_count - s->dirents)
		return cps_merge_damaged(m, part->source);
	s->dirents += count;
	if (cps_names_add(&m->names, s->t, part->source, first, count) < 0)
		return cps_merge_damaged(m, part->source);
	if (m->raw && (cps_le16(p + 30) & CPS_INODE_OPAQUE))
		return show_marker(m, part->source, WHITEOUT_OPAQUE, "", 0, 0);
	return 0;
}

int cps_merge_names(struct cps_merge *m, uint32_t folder)
{
	const struct cps_mfolder f = m->folders[folder];
	uint16_t bad = 0;
	int rc = 0, more = 0;

	cps_names_reset(&m->names);
	for (uint32_t i = 0; i < f.part_count && rc == 0; i++)
		rc = open_part(m, &m->parts[f.part + i]);
	while (rc == 0 && (more = cps_names_next(&m->names, &bad)) == 1) {
		struct meaning now = {0};

		for (size_t i = 0; i < m->names.group && rc == 0; i++)
			rc = put_name(m, folder, cps_names_at(&m->names, i), &now);
		if (rc == 0)
			rc = settle(m, folder, &cps_names_at(&m->names, 0)->d, &now);
	}
	return more < 0 ? cps_merge_damaged(m, bad) : rc;
}
