#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acked.h"

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void pattern(uint8_t *out, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = mix(&seed);

		memcpy(out + i, &v, len - i < 8 ? len - i : 8);
	}
}

void name_folder(const struct model *m, int folder, char out[64])
{
	snprintf(out, 64, "d%d", m->folder[folder]);
}

void name_file(const struct model *m, int folder, int name, char out[64])
{
	snprintf(out, 64, "d%d/f%d", m->folder[folder], name);
}

void model_init(struct model *m, uint64_t seed)
{
	static const size_t sizes[] = {0, 10, 4096, 5000, 65536, 70000, 131072, 300000};
	int next = 0;

	memset(m, 0, sizeof(*m));
	m->random = seed;
	memset(m->name, 0xff, sizeof(m->name));
	for (int f = 0; f < FOLDERS; f++) {
		m->folder[f] = f;
		for (int n = 0; f < LOWER && n < NAMES / 2; n++) {
			struct inode *i = &m->inode[next];

			*i = (struct inode){.links = 1, .mode = 0644};
			i->size = sizes[next % 8];
			i->data = calloc(1, SIZE_MAX_);
			pattern(i->data, i->size, (uint64_t)next + 1);
			m->name[f][n] = next++;
		}
	}
}

/* ---- the next step ---- */

static bool pick_file(struct model *m, int *folder, int *name)
{
	size_t at = mix(&m->random) % (FOLDERS * NAMES);

	for (size_t i = 0; i < FOLDERS * NAMES; i++, at++) {
		*folder = (int)(at / NAMES % FOLDERS);
		*name = (int)(at % NAMES);
		if (m->name[*folder][*name] >= 0)
			return true;
	}
	return false;
}

static bool pick_free(struct model *m, int *folder, int *name)
{
	for (int i = 0; i < 50; i++) {
		*folder = (int)(mix(&m->random) % FOLDERS);
		*name = (int)(mix(&m->random) % NAMES);
		if (m->name[*folder][*name] < 0)
			return true;
	}
	return false;
}

static int free_inode(const struct model *m)
{
	int i = 0;

	while (i < INODES && m->inode[i].links)
		i++;
	return i;
}

static enum kind pick_kind(struct model *m)
{
	static const uint8_t weights[KINDS] = {20, 15, 8, 5, 4, 6, 6, 6, 14, 10, 3, 3};
	unsigned int at = (unsigned int)(mix(&m->random) % 100);
	int k = 0;

	while (at >= weights[k])
		at -= weights[k++];
	return (enum kind)k;
}

struct step model_next(struct model *m)
{
	struct step s = {.kind = pick_kind(m)};
	bool made = pick_free(m, &s.to_folder, &s.to_name);
	bool there = pick_file(m, &s.folder, &s.name);

	if (s.kind == RENAME && mix(&m->random) % 3 == 0)
		made = pick_file(m, &s.to_folder, &s.to_name); /* over another */
	if (!there && s.kind != CREATE && s.kind != RENAME_FOLDER)
		s.kind = CREATE;
	if (!made && (s.kind == CREATE || s.kind == LINK))
		s.kind = UNLINK;
	if (s.kind == CREATE) {
		s.folder = s.to_folder;
		s.name = s.to_name;
		s.inode = free_inode(m);
	} else {
		s.inode = s.kind == RENAME_FOLDER ? -1 : m->name[s.folder][s.name];
	}
	s.seed = mix(&m->random);
	s.len = s.seed % 4 ? s.seed / 8 % 6000 + 1 : s.seed / 8 % 150000 + 1;
	s.off = mix(&m->random) % (SIZE_MAX_ / 2);
	s.mode = 0400 | (mix(&m->random) & 0377);
	return s;
}

/* ---- what a step does ---- */

static void put(struct inode *i, size_t off, size_t len, uint64_t seed)
{
	if (off + len > SIZE_MAX_)
		return;
	pattern(i->data + off, len, seed);
	if (i->size < off + len)
		i->size = off + len;
}

static void resize(struct inode *i, size_t size)
{
	if (size < i->size)
		memset(i->data + size, 0, i->size - size);
	i->size = size;
	i->doubtful = i->doubtful && size > 0;
}

static void punch(struct inode *i, size_t off, size_t len)
{
	if (off < i->size)
		memset(i->data + off, 0, len < i->size - off ? len : i->size - off);
}

static void drop(struct model *m, int folder, int name)
{
	int i = m->name[folder][name];

	m->name[folder][name] = -1;
	if (i >= 0 && --m->inode[i].links == 0) {
		free(m->inode[i].data);
		m->inode[i] = (struct inode){0};
	}
}

static void move(struct model *m, const struct step *s)
{
	if (m->name[s->to_folder][s->to_name] == s->inode)
		return; /* two names of one file: rename() does nothing */
	drop(m, s->to_folder, s->to_name);
	m->name[s->to_folder][s->to_name] = s->inode;
	m->name[s->folder][s->name] = -1;
}

void model_apply(struct model *m, const struct step *s)
{
	struct inode *i = s->inode >= 0 ? &m->inode[s->inode] : NULL;

	switch (s->kind) {
	case CREATE:
		*i = (struct inode){.links = 1, .mode = s->mode};
		i->data = calloc(1, SIZE_MAX_);
		put(i, 0, s->len, s->seed);
		m->name[s->folder][s->name] = s->inode;
		break;
	case WRITE:
		put(i, s->off, s->len, s->seed);
		break;
	case APPEND:
		put(i, i->size, s->len, s->seed);
		break;
	case TRUNCATE:
		resize(i, s->off % 3 ? s->off : 0);
		break;
	case PUNCH:
		punch(i, s->off, s->len);
		break;
	case CHMOD:
		i->mode = s->mode;
		break;
	case XATTR:
		i->xattr = s->seed | 1;
		break;
	case LINK:
		i->links++;
		m->name[s->to_folder][s->to_name] = s->inode;
		break;
	case UNLINK:
		drop(m, s->folder, s->name);
		break;
	case RENAME:
		move(m, s);
		break;
	case RENAME_FOLDER:
		m->folder[s->folder] += FOLDERS;
		break;
	default:
		break;
	}
}

bool step_writes(const struct step *s)
{
	return s->kind == CREATE || s->kind == WRITE || s->kind == APPEND;
}
