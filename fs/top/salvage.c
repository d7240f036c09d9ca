#include "fs/top/salvage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/log.h"
#include "store/base/mem.h"

/** A walk over all folders from the root. */
struct walk {
	struct cps_top *top;
	struct cps_salvage *out;
	uint8_t *seen;   /* lower folders, a bit each; owned */
	uint64_t *stack; /* folders to look into; owned */
	size_t count, cap;
};

/* ---- what is owed ---- */

/* What a state owes a node, and did not give. */
static void note_due(struct cps_top *top, struct cps_salvage *out)
{
	for (size_t i = 0; i < top->nodes.slot_count; i++) {
		struct cps_node *n = top->nodes.slots[i];

		if (!n || !n->due)
			continue;
		if (S_ISDIR(n->mode))
			out->folders++;
		else
			out->files++;
		if (S_ISREG(n->mode))
			n->flags |= CPS_NODE_LOST;
	}
}

/* From here on `due` counts what the walk finds: names, or folders in a folder. */
static void reset_nodes(struct cps_top *top)
{
	for (size_t i = 0; i < top->nodes.slot_count; i++)
		if (top->nodes.slots[i]) {
			top->nodes.slots[i]->due = 0;
			top->nodes.slots[i]->placed = false;
		}
}

/* ---- the walk ---- */

/* Is it the first time? */
static bool enter(struct walk *w, uint64_t dir, struct cps_node *n)
{
	uint32_t pos = cps_lower_pos(dir);
	bool seen;

	if (cps_is_lower(dir)) {
		seen = w->seen[pos / 8] >> pos % 8 & 1;
		w->seen[pos / 8] |= (uint8_t)(1u << pos % 8);
		return !seen;
	}
	seen = n->placed;
	n->placed = true;
	return !seen;
}

static int push(struct walk *w, uint64_t dir)
{
	if (cps_grow(&w->stack, &w->cap, w->count + 1, sizeof(*w->stack)) < 0)
		return -ENOMEM;
	w->stack[w->count++] = dir;
	return 0;
}

/* The name means nothing from now on. */
static int take_away(struct walk *w, uint64_t dir, const struct cps_top_entry *e)
{
	size_t len = strlen(e->name);
	struct cps_node *n;
	uint64_t ino;
	bool covers;
	int rc = cps_node_get(w->top, dir, &n);

	if (rc == 0)
		rc = cps_top_child(w->top, dir, e->name, len, &ino, &covers);
	if (rc < 0)
		return rc;
	w->out->names++;
	if (!cps_node_own_dents(n))
		return -ENOMEM;
	return cps_dents_set(n->dents, e->name, len, 0, 0, covers);
}

/* A folder is where its own name in the top says, not where it was below. */
static bool is_elsewhere(struct walk *w, uint64_t dir, const struct cps_top_entry *e,
			 const struct cps_node *n)
{
	const struct cps_node *parent = cps_node_find(w->top, dir);

	return n && n->named &&
	       !(parent &&
		 cps_dents_find(cps_node_dents(parent), e->name, strlen(e->name)));
}

static int visit_folder(struct walk *w, uint64_t dir, const struct cps_top_entry *e,
			struct cps_node *n)
{
	struct cps_node *parent = cps_node_find(w->top, dir);

	if (is_elsewhere(w, dir, e, n) || !enter(w, e->ino, n))
		return take_away(w, dir, e);
	if (n)
		n->parent = dir;
	if (parent)
		parent->due++;
	return push(w, e->ino);
}

static int visit(struct walk *w, uint64_t dir, const struct cps_top_entry *e)
{
	struct cps_node *n = cps_node_find(w->top, e->ino);
	struct cps_brief brief;

	if (cps_top_brief(w->top, e->ino, &brief) < 0 || !brief.nlink)
		return take_away(w, dir, e);
	if (S_ISDIR(brief.mode))
		return visit_folder(w, dir, e, n);
	if (n)
		n->due++;
	return 0;
}

static int walk_folder(struct walk *w, uint64_t dir)
{
	struct cps_top_entry e = {0};
	int rc;

	while ((rc = cps_top_readdir(w->top, dir, e.next, &e)) == 1) {
		rc = e.dot ? 0 : visit(w, dir, &e);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int walk_all(struct walk *w)
{
	struct cps_node *root = cps_node_find(w->top, CPS_TOP_ROOT);
	int rc;

	w->seen = calloc(cps_tree_inode_count(w->top->root->tree) / 8 + 1, 1);
	if (!w->seen)
		return -ENOMEM;
	enter(w, CPS_TOP_ROOT, root);
	rc = push(w, CPS_TOP_ROOT);
	while (rc == 0 && w->count)
		rc = walk_folder(w, w->stack[--w->count]);
	return rc;
}

/* ---- the outcome ---- */

static bool was_seen(const struct walk *w, const struct cps_node *n)
{
	uint32_t pos = cps_lower_pos(n->ino);

	if (!S_ISDIR(n->mode))
		return n->due > 0;
	return cps_is_lower(n->ino) ? w->seen[pos / 8] >> pos % 8 & 1 : n->placed;
}

/* What was not come upon has no name, and goes. */
static void settle_links(struct walk *w)
{
	for (size_t i = 0; i < w->top->nodes.slot_count; i++) {
		struct cps_node *n = w->top->nodes.slots[i];

		if (!n)
			continue;
		w->out->orphans += !was_seen(w, n);
		n->nlink = !was_seen(w, n) ? 0 : S_ISDIR(n->mode) ? n->due + 2 : n->due;
		n->due = 0;
		n->placed = false;
	}
}

int cps_salvage(struct cps_top *top, struct cps_salvage *out)
{
	struct walk w = {.top = top, .out = out};
	int rc;

	note_due(top, out);
	reset_nodes(top);
	rc = walk_all(&w);
	if (rc == 0) {
		settle_links(&w);
		cps_nodes_drop_dead(top);
	}
	free(w.seen);
	free(w.stack);
	return rc;
}

void cps_salvage_tell(const struct cps_salvage *lost)
{
	if (!lost->records)
		return;
	cps_warn("the log of changes is damaged: %llu records of the state that it "
		 "begins with cannot be read",
		 (unsigned long long)lost->records);
	cps_warn("without a name, and gone: %llu; names gone: %llu; folders that lost "
		 "names, or show what was removed from them: %llu; files of which "
		 "parts cannot be read: %llu; later changes that could not be made: "
		 "%llu; all else is there",
		 (unsigned long long)lost->orphans, (unsigned long long)lost->names,
		 (unsigned long long)lost->folders, (unsigned long long)lost->files,
		 (unsigned long long)lost->changes);
}
